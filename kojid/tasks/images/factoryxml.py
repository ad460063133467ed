"""What ImageFactory and libvirt are told in XML, and what ImageFactory tells: TDL, domains, ICICLE (contract 6.9)."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Tuple
from xml.etree import ElementTree

import koji

Row = Dict[str, Any]

#: What the installer lists of each package, in this order; sigmd5 is what the hub calls payloadhash.
_FIELDS = ("NAME", "VERSION", "RELEASE", "ARCH", "EPOCH", "SIZE", "SIGMD5", "BUILDTIME")
_QUERY = "rpm -qa --qf '{}\\n'".format(",".join(f"%{{{field}}}" for field in _FIELDS))
_LEFT_OUT = ("buildsys-build", "gpg-pubkey")
_ARM = ("armhfp", "armv7hnl", "armv7hl")
_SIZE = re.compile(r"\d+ ?[A-Za-z]*")
_DISTROS = ("RHEL", "CentOS", "SL")
_DEFAULT_SIZE = "10"


def distro_of(text: Any) -> Tuple[str, str]:
    """Name and version of a distribution as templates have them.

    Args:
        text: as the option distro has it: RHEL-X.Y, CentOS-X.Y, SL-X.Y, Fedora-N.

    Raises:
        koji.BuildError: it is something else.
    """
    word = str(text or "")
    if re.fullmatch(r"Fedora-\w+", word):
        return "Fedora", word.partition("-")[2]
    found = re.fullmatch(r"([A-Za-z]+)-(\d+)\.(\w+)", word)
    if not found or found[1] not in _DISTROS:
        raise koji.BuildError(f"Unknown or unsupported distro given: {text}")
    name, minor = f"{found[1]}-{found[2]}", found[3]
    return name, f"U{minor}" if name == "RHEL-5" else minor


def template(name: str, arch: str, tree: str, distro: Any, size: Any) -> str:
    """The TDL of an image: what is installed from where on how large a disk.

    Args:
        name: of the image.
        arch: of the image.
        tree: URL of what is installed from.
        distro: as for `distro_of`.
        size: of the disk, in GB or with its unit; 10 if None.

    Raises:
        koji.BuildError: no such distribution. koji.ApplianceError: the size is none.
    """
    system, version = distro_of(distro)
    wanted = str(size or _DEFAULT_SIZE).strip()
    if not _SIZE.fullmatch(wanted):
        raise koji.ApplianceError(f"Invalid disk_size: {size}")
    top = ElementTree.Element("template")
    _text(top, "name", name)
    os_part = ElementTree.SubElement(top, "os")
    for tag, text in (("name", system), ("version", version), ("arch", "armv7l" if arch in _ARM else arch)):
        _text(os_part, tag, text)
    _text(ElementTree.SubElement(os_part, "install", type="url"), "url", tree)
    # a list of packages would have the guest started, and containers' images can't be
    _text(ElementTree.SubElement(os_part, "icicle"), "extra_command", _QUERY)
    _text(top, "description", f"{name} OS")
    _text(ElementTree.SubElement(top, "disk"), "size", wanted)
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode") + "\n"


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text


def domain(text: str, name: str, filename: str, form: str, known_to_qemu: bool) -> str:
    """The description of a machine for libvirt, which names the image as it is called on the hub.

    Args:
        text: ImageFactory's description, of its own disk.
        name: of the machine.
        filename: of the image.
        form: of the image, as `qcow2`.
        known_to_qemu: whether a machine could use that; else the description says that it has to be converted.

    Raises:
        koji.ApplianceError: ImageFactory's description is none.
    """
    try:
        top = ElementTree.fromstring(text or "")  # noqa: S314 - of the library on this host
    except ElementTree.ParseError as error:
        raise koji.ApplianceError(f"ImageFactory has left no description of the machine: {error}") from error
    for found in top.iter("name"):
        found.text = name
        break
    for source in top.iter("source"):
        if "file" in source.attrib:
            source.set("file", filename)
    for driver in top.iter("driver"):
        driver.set("type", form)
        if not known_to_qemu:
            driver.set("type-warning", f"qemu does not know {form}: convert the image, and change driver and source")
        break
    return '<?xml version="1.0" ?>\n' + ElementTree.tostring(top, encoding="unicode") + "\n"


def packages(icicle: str) -> List[Row]:
    """The packages in an image, as ImageFactory has listed them.

    Returns:
        name, version, release, arch, epoch, size (bytes, installed), payloadhash, buildtime of each.

    Raises:
        koji.ApplianceError: there is no such list.
    """
    try:
        top = ElementTree.fromstring(icicle or "")  # noqa: S314 - of the library on this host
        found = [_package(extra.text or "") for extra in top.iter("extra")]
    except (ElementTree.ParseError, ValueError) as error:
        raise koji.ApplianceError(f"ImageFactory has left no list of packages: {error}") from error
    if not found:
        raise koji.ApplianceError("ImageFactory has listed no packages")
    return [package for package in found if package["name"] not in _LEFT_OUT]


def _package(line: str) -> Row:
    name, version, release, arch, epoch, size, md5, time = line.strip().split(",")
    text = {"name": name, "version": version, "release": release, "arch": arch, "payloadhash": md5}
    return {**text, "epoch": None if epoch == "(none)" else int(epoch), "size": int(size), "buildtime": int(time)}
