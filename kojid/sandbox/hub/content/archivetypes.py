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
    ("xmlcompressed", "XML document, compressed", "xml.gz xml.bz2 xml.xz"),
    ("xsd", "XML schema", "xsd"),
    ("spec", "Spec file", "spec"),
    ("exe", "Windows program", "exe"),
    ("dll", "Windows library", "dll"),
    ("lib", "Windows import library", "lib"),
    ("sys", "Windows driver", "sys"),
    ("inf", "Windows driver description", "inf"),
    ("cat", "Windows catalog", "cat"),
    ("msi", "Windows package", "msi"),
    ("pdb", "Windows debugging symbols", "pdb"),
    ("oem", "Windows setup description", "oem"),
    ("iso", "CD or DVD image", "iso"),
    ("raw", "Disk image", "raw"),
    ("qcow", "QCOW disk image", "qcow"),
    ("qcow2", "QCOW2 disk image", "qcow2"),
    ("vmdk", "VMDK disk image", "vmdk"),
    ("ova", "Virtual appliance", "ova"),
    ("ks", "Kickstart file", "ks"),
    ("cfg", "Configuration file", "cfg"),
    ("vdi", "VirtualBox disk image", "vdi"),
    ("aar", "Android library", "aar"),
    ("apklib", "Android library project", "apklib"),
    ("cab", "Cabinet", "cab"),
    ("dylib", "macOS library", "dylib"),
    ("gem", "Ruby gem", "gem"),
    ("ini", "Settings", "ini"),
    ("js", "JavaScript", "js"),
    ("ldif", "LDAP entries", "ldif"),
    ("manifest", "Manifest", "manifest"),
    ("msm", "Windows merge module", "msm"),
    ("properties", "Java properties", "properties"),
    ("sig", "Signature", "sig signature"),
    ("so", "Shared library", "so"),
    ("txt", "Text", "txt"),
    ("vhd", "Hyper-V disk image", "vhd"),
    ("vhdx", "Hyper-V disk image, newer form", "vhdx"),
    ("wsf", "Windows script", "wsf"),
    ("box", "Vagrant box", "box"),
    ("raw-xz", "Disk image, compressed", "raw.xz"),
    ("json", "JSON data", "json"),
    ("key", "Key", "key"),
    ("dot", "Graph", "dot gv"),
    ("groovy", "Groovy script", "groovy gvy"),
    ("batch", "Batch file", "bat"),
    ("shell", "Shell script", "sh"),
    ("rc", "Windows resources", "rc"),
    ("wsdl", "Web service description", "wsdl"),
    ("obr", "OSGi bundle repository", "obr"),
    ("liveimg-squashfs", "Live image in squashfs", "liveimg.squashfs"),
    ("tlb", "Windows type library", "tlb"),
    ("jnilib", "macOS Java library", "jnilib"),
    ("yaml", "YAML data", "yaml yml"),
    ("xjb", "JAXB bindings", "xjb"),
    ("raw-gz", "Disk image, compressed by gzip", "raw.gz"),
    ("qcow2-compressed", "QCOW2 disk image, compressed", "qcow2.gz qcow2.xz"),
    ("iso-compressed", "CD or DVD image, compressed", "iso.gz iso.xz"),
    ("vhd-compressed", "Hyper-V disk image, compressed", "vhd.gz vhd.xz"),
    ("vhdx-compressed", "Hyper-V disk image, newer form, compressed", "vhdx.gz vhdx.xz"),
    ("vmdk-compressed", "VMDK disk image, compressed", "vmdk.gz vmdk.xz"),
    ("kernel-image", "Linux kernel", "vmlinuz vmlinuz.gz vmlinuz.xz"),
    ("initramfs", "Initial file system", "img"),
    ("checksum", "Checksum file", "sha256"),
    ("changes", "Changes of an image's packages", "changes.xz changes"),
    ("packages", "List of an image's packages", "packages"),
    ("verified", "Verification of an image's packages", "verified"),
    ("erofs", "EROFS image", "erofs"),
    ("erofs-compressed", "EROFS image, compressed", "erofs.gz erofs.xz"),
    ("squashfs", "Squashfs image", "squashfs"),
    ("squashfs-compressed", "Squashfs image, compressed", "squashfs.gz squashfs.xz"),
    ("wsl", "Image for Windows' Linux", "wsl"),
)
# What an archive of a type is packed with, so that its files can be listed.
_PACKED = {"jar": "zip", "zip": "zip", "tar": "tar"}
TYPES: List[Dict[str, Any]] = [
    {"id": number, "name": name, "description": text, "extensions": ends, "compression_type": _PACKED.get(name)}
    for number, (name, text, ends) in enumerate(_TYPES, 1)
]


def of_file(filename: str) -> Dict[str, Any]:
    """The type of a file, the longest extension first; a whole name is one as well (vmlinuz).

    Raises:
        koji.GenericError: there is none for it.
    """
    parts = filename.lower().split(".")
    for start in range(len(parts)):
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
