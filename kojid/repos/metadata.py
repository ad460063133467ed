"""Looking into a directory of repo metadata: which files it has, and how many packages they are about."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import logging
import lzma
import os
import re
import shutil
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Set
from xml.etree import ElementTree

import koji

from kojid.system.process import capture

logger = logging.getLogger("koji.build")

Origins = Dict[str, Set[str]]

_HREF = re.compile(r'<location[^>]*\shref="([^"]+)"')
_EPOCH = re.compile(r"^\d+:")
_COMMON, _RPM = "{http://linux.duke.edu/metadata/common}", "{http://linux.duke.edu/metadata/rpm}"
_COUNT = re.compile(rb'<metadata[^>]*\spackages="(\d+)"')
_HEAD = 4096  # bytes; the count is in the first element
_OPENERS: Dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".xml": open}
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error)
_BLOCK = 1024 * 1024
_UNPACK_SECONDS = 600.0


def files(repodata: Path) -> List[str]:
    """Names of the regular files in a directory of metadata, sorted; links are left out."""
    return sorted(path.name for path in repodata.iterdir() if path.is_file() and not path.is_symlink())


def named(repodata: Path) -> Set[str]:
    """Names of the files that repomd.xml speaks of. Raises OSError when it can't be read."""
    found = set(_HREF.findall((repodata / "repomd.xml").read_text(encoding="utf-8", errors="replace")))
    return {os.path.basename(href) for href in found}


def origins(repodata: Path) -> Origins:
    """Where the packages of a merged repo came from: N-V-R.A to URLs, without a slash at their end.

    There is more than one where repos have a package in common and the mode keeps both (contract 9.3, 4, simple).

    Args:
        repodata: its metadata.

    Raises:
        koji.GenericError: it says nothing of that, or nothing that can be read.
    """
    packed = [name for name in files(repodata) if "pkgorigins" in name]
    if len(packed) != 1:
        raise koji.GenericError(f"{repodata} has {len(packed)} lists of origins")
    content = _whole(repodata / packed[0])
    if content is None:
        raise koji.GenericError(f"{packed[0]} can't be read")
    found: Origins = {}
    for fields in (line.split(None, 2) for line in content.decode("utf-8", "replace").splitlines()):
        if len(fields) > 1:
            found.setdefault(_EPOCH.sub("", fields[0]), set()).add(fields[1].rstrip("/"))
    return found


def source_packages(repodata: Path) -> Dict[str, str]:
    """The source package's file name of each package, by N-V-R.A; empty when this host can't read them.

    Args:
        repodata: metadata that this host has made.
    """
    primary = _primary(repodata)
    content = _whole(primary) if primary else None
    found: Dict[str, str] = {}
    if content is None:
        return found
    for _event, element in ElementTree.iterparse(io.BytesIO(content)):  # noqa: S314 - our own createrepo_c's
        if element.tag == f"{_COMMON}package":
            version = element.find(f"{_COMMON}version")
            names = [element.findtext(f"{_COMMON}{part}", "") for part in ("name", "arch")]
            if version is not None:
                nvra = f"{names[0]}-{version.get('ver')}-{version.get('rel')}.{names[1]}"
                found[nvra] = element.findtext(f"{_COMMON}format/{_RPM}sourcerpm", "")
            element.clear()
    return found


def package_count(repodata: Path) -> Optional[int]:
    """How many packages the metadata is about; None when it can't be told on this host.

    Args:
        repodata: the directory with repomd.xml.
    """
    primary = _primary(repodata)
    head = _whole(primary, _HEAD) if primary else None
    found = _COUNT.search(head or b"")
    return int(found.group(1)) if found else None


def _primary(repodata: Path) -> Optional[Path]:
    # As zchunk (.zck) the list comes beside the usual one, never alone.
    primaries = [name for name in files(repodata) if re.search(r"(^|-)primary\.xml(\.(?!zck$)\w+)?$", name)]
    if len(primaries) == 1:
        return repodata / primaries[0]
    logger.warning("%s has %d lists of packages", repodata, len(primaries))
    return None


def readable(path: Path) -> bool:
    """Whether this host can unpack a file of metadata."""
    return path.suffix in _OPENERS or (path.suffix == ".zst" and shutil.which("zstd") is not None)


def blocks(path: Path) -> Iterator[bytes]:
    """The unpacked content of a readable file, piece by piece; it ends early where the file is damaged."""
    if path.suffix == ".zst":
        yield _of_zstd(path)
        return
    with (
        contextlib.suppress(OSError, EOFError, lzma.LZMAError, zlib.error),
        _OPENERS[path.suffix](path, "rb") as opened,
    ):
        while block := opened.read(_BLOCK):
            yield block


def _whole(path: Path, size: int = -1) -> Optional[bytes]:
    """The first `size` bytes, unpacked, or all; None when this host can't read them."""
    if not readable(path):
        return None
    content = io.BytesIO()
    for block in blocks(path):
        content.write(block)
        if 0 <= size <= content.tell():
            break
    return content.getvalue()[: size if size >= 0 else None] or None


def _of_zstd(path: Path) -> bytes:
    """Python before 3.14 can't unpack this itself; nothing when it is damaged."""
    status, output = capture(["zstd", "-q", "-d", "-c", str(path)], timeout=_UNPACK_SECONDS)
    return output if status.ok else b""


def entries(lines: Iterable[str]) -> List[str]:
    """The entries of a list with one a line: blank lines and blanks around are left out."""
    return [line.strip() for line in lines if line.strip()]
