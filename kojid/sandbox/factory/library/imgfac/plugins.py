"""Images of other forms, each made by a plugin of the library."""

from __future__ import annotations

import io
import logging
import re
import shutil
import subprocess
import tarfile
from typing import Callable, Dict, Optional, Set
from xml.etree import ElementTree

from .images import Image, PersistentImageManager
from .settings import ImageFactoryException

logger = logging.getLogger("imgfac.plugins")

_OVA = {"rhevm_ova_format", "vsphere_ova_format", "hyperv_ova_format", "vsphere_vmdk_format"}
_OVF = {"ovf_cpu_count", "ovf_memory_mb", "ovf_name"}
_FORMATS = {
    "rhevm": {None, "rhevm", "vagrant-libvirt"},
    "vsphere": {None, "vsphere", "vagrant-virtualbox", "vagrant-vmware-fusion"},
    "hyperv": {None, "hyperv", "hyperv-vagrant"},
}
_DOCKER = {"compress", "docker_cmd", "docker_env", "docker_label", "repository", "tag"}
_INDIRECTION = {"utility_image", "utility_customizations", "results_location"}


def make(image: Image, source: Image) -> None:
    """Make an image of another.

    Raises:
        ImageFactoryException: there is no such plugin, or none that knows such a parameter.
    """
    plugin = _PLUGINS.get(image.target or "")
    if plugin is None:
        raise ImageFactoryException(f"No plugin .info file loaded for target: {image.target}")
    if source.status != "COMPLETE":
        raise ImageFactoryException(f"Got to TargetImage build step with a BaseImage status of ({source.status}).")
    logger.info("target %s with %s", image.target, sorted(image.parameters.items()))
    unknown = set(image.parameters) - _KNOWN
    if unknown:
        raise ImageFactoryException(f"unknown parameters for {image.target}: {sorted(unknown)}")
    plugin(image, source)


def _converted(form: str) -> Callable[[Image, Image], None]:
    def convert(image: Image, source: Image) -> None:
        argv = ["qemu-img", "convert", "-f", "raw", "-O", form, source.data, image.data]
        subprocess.run(argv, check=True, capture_output=True)

    return convert


def _ova(image: Image, source: Image) -> None:
    if source.target not in _FORMATS:
        raise ImageFactoryException("OVA plugin only supports rhevm and vsphere target images")
    asked: Optional[str] = image.parameters.get(f"{source.target}_ova_format")
    if asked not in _FORMATS[source.target]:
        raise ImageFactoryException(f"Unknown {source.target} ova_format ({asked}) requested")
    described = "".join(f"{name}={value}\n" for name, value in sorted(image.parameters.items())).encode()
    with tarfile.open(image.data, "w") as archive:
        member = tarfile.TarInfo("desc.ovf")
        member.size = len(described)
        archive.addfile(member, io.BytesIO(described))
        archive.add(source.data, "disk.img")


def _docker(image: Image, source: Image) -> None:
    if image.parameters.get("compress") not in (None, "xz"):
        raise ImageFactoryException(f"Passed unknown compression type ({image.parameters['compress']})")
    with tarfile.open(image.data, "w:xz") as archive:
        archive.add(source.data, "layer.tar")


def _indirection(image: Image, source: Image) -> None:
    """Run the commands of a part of a TDL with the base image beside: only `cp` from there is understood."""
    utility = PersistentImageManager.default_manager().image_with_id(image.parameters.get("utility_image", ""))
    if utility is None:
        raise ImageFactoryException("Could not find utility image")
    for one in (utility, source):
        subprocess.run(["qemu-img", "check", "-q", one.data], check=True, capture_output=True)
        ElementTree.fromstring(one.template or "")
    top = ElementTree.fromstring(image.parameters.get("utility_customizations") or "")
    wanted = image.parameters.get("results_location", "/results/images/boot.iso")
    for command in top.iter("command"):
        found = re.search(r"^\s*cp /input_image\.raw (\S+)", command.text or "", re.MULTILINE)
        if found and found[1] == wanted:
            shutil.copyfile(source.data, image.data)
            return
    raise ImageFactoryException(f"nothing is at {wanted} in the working space image")


_PLUGINS: Dict[str, Callable[[Image, Image], None]] = {
    "docker": _docker,
    "rhevm": _converted("qcow2"),
    "vsphere": _converted("vmdk"),
    "hyperv": _converted("vpc"),
    "OVA": _ova,
    "indirection": _indirection,
}
# Parameters that a user gives go to all plugins, and to the installation.
_KNOWN: Set[str] = _DOCKER | _OVA | _OVF | _INDIRECTION | {"install_script"}
