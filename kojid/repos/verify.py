"""Whether finished metadata is whole.

On a full disk createrepo_c (seen with 0.17.3) writes lists and databases that are cut off, notes the checksums of what
it has written, and ends with status 0. A repository of that kind only breaks in the hands of those who use it.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Union
from xml.etree import ElementTree

from kojid.errors import HostFault
from kojid.repos import metadata

_LISTS = {"primary": b"</metadata>", "filelists": b"</filelists>", "other": b"</otherdata>"}
_TAIL = 4096  # bytes
_DATABASE = b"SQLite format 3\0"
_SCHEMA = b"CREATE TABLE packages"
_SCHEMA_WITHIN = 64 * 1024  # bytes
_REPO = "{http://linux.duke.edu/metadata/repo}"


class _Part(NamedTuple):
    """An entry of repomd.xml; sizes in bytes, `whole` is that of the unpacked file."""

    kind: str
    path: Path
    size: Optional[int]
    whole: Optional[int]


def require_whole(repodata: Path, program: Union[str, Path]) -> None:
    """Look into everything that repomd.xml speaks of.

    Args:
        repodata: the metadata.
        program: what has made it.

    Raises:
        HostFault: something is missing or cut off.
    """
    try:
        broken = next((trouble for part in _parts(repodata) for trouble in _troubles(part)), "")
    except (OSError, ElementTree.ParseError, ValueError) as error:
        broken = f"repomd.xml can't be read: {error}"
    if broken:
        name = Path(program).name
        raise HostFault(f"{name} has left broken metadata: {broken}", "is the disk with workdir full?")


def _parts(repodata: Path) -> Iterator[_Part]:
    repomd = ElementTree.fromstring((repodata / "repomd.xml").read_bytes())  # noqa: S314 - our own tool's
    for data in repomd.iter(f"{_REPO}data"):
        location = data.find(f"{_REPO}location")
        if location is None:
            raise ValueError(f"{data.get('type')} has no location")
        name = location.get("href", "").rpartition("/")[2]
        yield _Part(str(data.get("type")), repodata / name, _number(data, "size"), _number(data, "open-size"))


def _number(data: ElementTree.Element, what: str) -> Optional[int]:
    text = data.findtext(f"{_REPO}{what}")
    return int(text) if text else None


def _troubles(part: _Part) -> Iterator[str]:
    if not part.path.is_file():
        yield f"{part.path.name} is missing"
    elif part.size is not None and part.path.stat().st_size != part.size:
        yield f"{part.path.name} has {part.path.stat().st_size} bytes instead of {part.size}"
    elif not metadata.readable(part.path):
        return  # packed in a way that only newer tools know
    elif part.kind in _LISTS and not _is_whole_list(part):
        yield f"{part.path.name} is cut off"
    elif part.kind.endswith("_db") and not _is_whole_database(part):
        yield f"{part.path.name} is no whole database"


def _is_whole_list(part: _Part) -> bool:
    size, tail = 0, b""
    for block in metadata.blocks(part.path):
        size += len(block)
        tail = (tail + block)[-_TAIL:]
    return tail.rstrip().endswith(_LISTS[part.kind]) and part.whole in (None, size)


def _is_whole_database(part: _Part) -> bool:
    """By its first pages only, as it can be large: whether it has its table, and as many pages as it says."""
    head = b""
    for block in metadata.blocks(part.path):
        head += block
        if len(head) >= _SCHEMA_WITHIN:
            break
    if not head.startswith(_DATABASE) or not re.search(_SCHEMA, head):
        return False
    (page_size,) = struct.unpack_from(">H", head, 16)
    (pages,) = struct.unpack_from(">I", head, 28)
    return part.whole in (None, pages * (page_size if page_size > 1 else 65536))
