"""The kinds of files that archives may be, by their extensions: the usual ones of a hub, under numbers of our own."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import koji

from kojid.sandbox.hub.kernel import Context, export

# name, what it is, extensions
_TYPES: Tuple[Tuple[str, str, str], ...] = (
    ("jar", "Java archive", "jar war rar ear sar jdocbook jdocbook-style"),
    ("zip", "Zip archive", "zip"),
    ("pom", "Maven project", "pom"),
    ("tar", "Tar archive", "tar tar.gz tar.bz2 tar.xz tgz"),
    ("xml", "XML document", "xml"),
    ("spec", "Spec file", "spec"),
    ("exe", "Windows program", "exe"),
    ("dll", "Windows library", "dll"),
    ("msi", "Windows package", "msi"),
    ("iso", "CD or DVD image", "iso"),
    ("raw", "Disk image", "raw"),
    ("qcow2", "QCOW2 disk image", "qcow2"),
    ("vmdk", "VMDK disk image", "vmdk"),
    ("ova", "Virtual appliance", "ova"),
    ("ks", "Kickstart file", "ks"),
    ("cfg", "Configuration file", "cfg"),
    ("txt", "Text", "txt"),
    ("raw-xz", "Disk image, compressed", "raw.xz"),
    ("json", "JSON data", "json"),
    ("checksum", "Checksum file", "sha256"),
    ("changes", "Changes of an image's packages", "changes.xz changes"),
    ("packages", "List of an image's packages", "packages"),
    ("verified", "Verification of an image's packages", "verified"),
)
TYPES: List[Dict[str, Any]] = [
    {"id": number, "name": name, "description": description, "extensions": extensions, "compression_type": None}
    for number, (name, description, extensions) in enumerate(_TYPES, 1)
]


def of_file(filename: str) -> Dict[str, Any]:
    """The type of a file, the longest extension first.

    Raises:
        koji.GenericError: there is none for it.
    """
    parts = filename.lower().split(".")
    for start in range(1, len(parts)):
        extension = ".".join(parts[start:])
        for one in TYPES:
            if extension in one["extensions"].split():
                return one
    raise koji.GenericError(f"unsupported file extension: {filename}")


@export("getArchiveTypes", reads=True)
def get_archive_types(ctx: Context) -> List[Dict[str, Any]]:  # noqa: ARG001
    """All types."""
    return TYPES


@export("getArchiveType", reads=True)
def get_archive_type(
    ctx: Context,  # noqa: ARG001
    filename: Optional[str] = None,
    type_name: Optional[str] = None,
    type_id: Optional[int] = None,
    strict: bool = False,
) -> Optional[Dict[str, Any]]:
    """One type, by a file's name or by its own name or number; None when there is none.

    Raises:
        koji.GenericError: there is none and `strict`, or nothing is asked.
    """
    if filename is None and type_name is None and type_id is None:
        raise koji.GenericError("one of filename, type_name, or type_id must be specified")
    try:
        if filename is not None:
            return of_file(filename)
        return next(one for one in TYPES if type_name == one["name"] or type_id == one["id"])
    except (koji.GenericError, StopIteration):
        if strict:
            raise koji.GenericError(f"No such archive type: {filename or type_name or type_id}") from None
        return None
