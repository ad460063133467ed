"""Installing: the packages that a kickstart file names are fetched, and a disk is written that names them."""

from __future__ import annotations

import gzip
import logging
import re
import shlex
import subprocess
import urllib.request
from pathlib import Path
from typing import Dict, List, Tuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .images import Image
from .settings import ApplicationConfiguration, ImageFactoryException, ReservationManager

logger = logging.getLogger("oz.Guest")

_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_MIB = 1024 * 1024
_DISK_MIB = 4
_SECTOR = 512
_ELEMENTS = {
    "name",
    "os",
    "version",
    "arch",
    "install",
    "url",
    "icicle",
    "extra_command",
    "description",
    "disk",
    "size",
}
_SYSTEM = re.compile(r"Fedora \w+|(RHEL|CentOS|SL)-\d+ U?\d+")
_DOMAIN = """\
<domain type="kvm"><name>factory-build-{identifier}</name><memory>1048576</memory><os><type>hvm</type></os>
<devices><disk type="file" device="disk"><driver name="qemu" type="raw"/><target dev="vda" bus="virtio"/>
<source file="{data}"/></disk><interface type="bridge"><source bridge="virbr0"/></interface></devices></domain>
"""


def install(image: Image) -> None:
    """Install a base image: its disk, its list of packages and the description of a machine.

    Args:
        image: with a TDL as its template, and the parameters install_script and offline_icicle.

    Raises:
        ImageFactoryException: something is not as it should be, or the installer stops.
    """
    name, tree, query = _template(image.template or "")
    script = image.parameters.get("install_script")
    if not isinstance(script, str) or image.parameters.get("offline_icicle") is not True:
        raise ImageFactoryException("install_script or offline_icicle is missing")
    logger.info("installing %s, port %s", name, ReservationManager().listen_port())
    wanted = _packages(script)
    if f'url --url="{tree}"' not in script:
        _stop(f"the kickstart file does not install from {tree}")
    installed = [_query(query, path) for path in _fetch(wanted, _repos(script), Path(image.data).parent)]
    _write_disk(Path(image.data), "".join(installed))
    listed = "".join(f"<package name={_quoted(line)}><extra>{escape(line)}</extra></package>" for line in installed)
    image.icicle = f"<icicle><packages>{listed}</packages></icicle>"
    image.parameters["libvirt_xml"] = _DOMAIN.format(identifier=image.identifier, data=image.data)


def _quoted(line: str) -> str:
    return '"{}"'.format("-".join(line.split(",")[:3]))


def _template(text: str) -> Tuple[str, str, str]:
    """Name, tree and query of a TDL that a builder may have written."""
    top = ElementTree.fromstring(text)
    unknown = {element.tag for element in top.iter()} - {"template"} - _ELEMENTS
    found = {path: top.findtext(path) or "" for path in (
        "name", "os/name", "os/version", "os/arch", "os/install/url", "os/icicle/extra_command", "disk/size",
    )}  # fmt: skip
    system = f"{found['os/name']} {found['os/version']}"
    if unknown or not all(found.values()) or not _SYSTEM.fullmatch(system):
        raise ImageFactoryException(f"this is no template: {unknown} {found}")
    if not re.fullmatch(r"\d+ ?[KMGT]?i?B?", found["disk/size"]):
        raise ImageFactoryException(
            "Invalid disk size, it must be specified as a size in gigabytes, optionally with a unit"
        )
    return found["name"], found["os/install/url"], found["os/icicle/extra_command"]


def _repos(script: str) -> List[str]:
    lines = [shlex.split(line) for line in script.splitlines() if line.startswith("repo ")]
    return [word.partition("=")[2] for words in lines for word in words if word.startswith("--baseurl=")]


def _packages(script: str) -> List[str]:
    section = re.search(r"^%packages.*?\n(.*?)^%end", script, re.MULTILINE | re.DOTALL)
    return [line.strip() for line in section[1].splitlines() if line.strip()] if section else []


def _stop(reason: str) -> None:
    """Stop as an installer does that asks something: nothing more is written, and oz takes a picture of it."""
    shots = Path(ApplicationConfiguration().configuration["oz_screenshot_dir"])
    shots.mkdir(parents=True, exist_ok=True)
    (shots / "factory-build.ppm").write_bytes(b"P6 1 1 255\n\xff\x00\x00")
    logger.error("the guest says: %s", reason)
    raise ImageFactoryException("No disk activity in 300 seconds, failing.")


def _read(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=60) as opened:
            return bytes(opened.read())
    except OSError as error:
        _stop(f"{url} can't be had: {error}")
        raise


def _listed(base: str) -> Dict[str, str]:
    """The addresses of a repository's packages, by name."""
    top = ElementTree.fromstring(_read(f"{base}/repodata/repomd.xml"))
    (where,) = (one.find(f"{_REPO}location") for one in top.iter(f"{_REPO}data") if one.get("type") == "primary")
    assert where is not None
    primary = ElementTree.fromstring(gzip.decompress(_read(f"{base}/{where.get('href')}")))
    found: Dict[str, str] = {}
    for package in primary.iter(f"{_COMMON}package"):
        place = package.find(f"{_COMMON}location")
        if package.findtext(f"{_COMMON}arch") != "src" and place is not None:
            root = place.get("{http://www.w3.org/XML/1998/namespace}base") or base
            found[package.findtext(f"{_COMMON}name") or ""] = f"{root}/{place.get('href')}"
    return found


def _fetch(wanted: List[str], repos: List[str], directory: Path) -> List[Path]:
    known: Dict[str, str] = {}
    for base in repos:
        known.update(_listed(base.rstrip("/")))
    lacking = [name for name in wanted if name not in known]
    if lacking or not wanted:
        _stop(f"no package {' '.join(lacking)} in the repositories {' '.join(repos)}")
    paths: List[Path] = []
    for name in wanted:
        path = directory / f"{name}.rpm"
        path.write_bytes(_read(known[name]))
        logger.info("installing %s", name)
        paths.append(path)
    return paths


def _query(command: str, path: Path) -> str:
    """What the template's query says of a package, asked of its file."""
    program, everything, *words = shlex.split(command)
    if (program, everything) != ("rpm", "-qa"):
        raise ImageFactoryException(f"no query of packages: {command}")
    argv = ["rpm", "-qp", "--nosignature", *words, str(path)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _write_disk(path: Path, content: str) -> None:
    """A disk with one partition, whose second MiB names the packages."""
    with path.open("r+b") as disk:
        disk.truncate(_DISK_MIB * _MIB)
        disk.seek(446)
        start, length = _MIB // _SECTOR, (_DISK_MIB - 1) * _MIB // _SECTOR
        disk.write(bytes([0x80, 0, 2, 0, 0x83, 0, 0, 0]) + start.to_bytes(4, "little") + length.to_bytes(4, "little"))
        disk.seek(510)
        disk.write(b"\x55\xaa")
        disk.seek(_MIB)
        disk.write(content.encode())
