"""Spec files and source packages: finding the one spec of a tree, and reading what a package's header says.

Trees come from version control or out of a buildroot, so no link in them is followed (design, decision 9). Headers are
read with rpm's own library through koji's helpers.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Optional, Union

import koji

from kojid.system.files import list_beneath, open_beneath

_LEAD_BYTES = 96
_INTRO = struct.Struct(">3sB4xII")  # magic, version, reserved, number of index entries, bytes of data
_HEADER_MAGIC = b"\x8e\xad\xe8"
_INDEX_ENTRY_BYTES = 16
_LARGEST_HEADER = 256 * 1024 * 1024  # rpm's own limit


def find_spec(tree: Path, *, source_layout: bool = True, name: str = "") -> str:
    """The spec file that a source tree is built from (contract 6.4, step 7).

    Args:
        tree: the directory; itself trusted, its content not.
        source_layout: whether a `SPECS` directory counts when there is no spec at the top.
        name: which of several specs is meant, without `.spec`; the tree's own name when empty.

    Returns:
        the path from `tree`, "hello.spec" or "SPECS/hello.spec".

    Raises:
        koji.BuildError: there is none, or several and none is named after the tree.
    """
    specs = _specs_in(tree, "")
    if not specs and source_layout:
        specs = _specs_in(tree, "SPECS")
    if not specs:
        raise koji.BuildError("No spec file found")
    if len(specs) == 1:
        return specs[0]
    wanted = f"{name or tree.name}.spec"
    for spec in specs:
        if os.path.basename(spec) == wanted:
            return spec
    raise koji.BuildError("Multiple spec files found: " + ", ".join(specs))


def _specs_in(tree: Path, directory: str) -> List[str]:
    """Specs in the tree's top or in one directory of it; a link in that directory's place is none."""
    try:
        descriptor = os.open(tree / directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, OSError):
        if not directory:
            raise
        return []
    try:
        return [os.path.join(directory, found) for found in list_beneath(descriptor, "*.spec")]
    finally:
        os.close(descriptor)


def read_header(package: Union[Path, str, BinaryIO], name: str = "") -> Any:
    """The rpm header of a package.

    Args:
        package: a path, or a file open at its start that has a descriptor (the start of a package will do, as long
            as the header is in it whole).
        name: what to call it in messages; the file's own name by default.

    Raises:
        koji.BuildError: it is no rpm package, or a damaged one.
    """
    if not isinstance(package, (str, Path)):
        return _header(package, name or str(package.name))
    with open(package, "rb") as opened:
        return _header(opened, name or os.path.basename(package))


def _header(opened: BinaryIO, what: str) -> Any:
    import rpm  # here, not at the top: most tasks need no rpm

    try:
        return koji.get_rpm_header(opened)
    except rpm.error as error:
        raise koji.BuildError(f"{what} is not an rpm package or is damaged: {error}") from error


def read_header_beneath(directory: Union[Path, str], name: str) -> Any:
    """The header of a package in a directory that is not trusted; errors as `read_header` and `open_beneath`."""
    with open_beneath(Path(directory), name) as opened:
        return _header(opened, name)


def header_size(start: bytes) -> Optional[int]:
    """How many bytes of a package its lead and headers take, judged by its start.

    Returns:
        the figure, or None when more of the start is needed to tell.

    Raises:
        koji.BuildError: this is not the start of an rpm package.
    """
    signature = _section_end(start, _LEAD_BYTES)
    if signature is None:
        return None
    # the signature section is padded to a multiple of 8 bytes
    return _section_end(start, signature + (-signature % 8))


def _section_end(start: bytes, offset: int) -> Optional[int]:
    if len(start) < offset + _INTRO.size:
        return None
    magic, _version, entries, data = _INTRO.unpack_from(start, offset)
    end: int = offset + _INTRO.size + entries * _INDEX_ENTRY_BYTES + data
    if magic != _HEADER_MAGIC or end > _LARGEST_HEADER:
        raise koji.BuildError("not the start of an rpm package")
    return end


def is_source(header: Any) -> bool:
    """Whether the header is a source package's."""
    return bool(koji.get_header_field(header, "sourcepackage"))


def build_fields(header: Any) -> Dict[str, Any]:
    """Name, version, release and epoch as `host.initBuild` takes them (contract 6.1, step 9)."""
    fields: Dict[str, Any] = koji.get_header_fields(header, ["name", "version", "release", "epoch"])
    return fields


def source_file_name(header: Any) -> str:
    """What the file of this source package has to be called: N-V-R.src.rpm."""
    return "{name}-{version}-{release}.src.rpm".format(**build_fields(header))
