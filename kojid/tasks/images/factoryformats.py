"""The forms that an image of ImageFactory can have: what makes each, and how its file is called (contract 6.9).

A form is made of the raw disk by a converter, or by ImageFactory's own plugins in steps, each of which goes on from the
image before.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import koji

from kojid.tasks.images.converters import MKSQUASHFS, QEMU_IMG, TAR, XZ, convert
from kojid.tasks.parts import Part

Step = Tuple[str, Dict[str, Any]]

_MIB = "1M"


@dataclass(frozen=True)
class Disk:
    """A raw disk that is to be turned into something else.

    Args:
        task: the task, for its options and its working directory.
        raw: the disk.
        name: what the result is called, without what tells the form.
        arch: of the image.
    """

    task: Any
    raw: Path
    name: str
    arch: str

    def result(self, extension: str) -> Path:
        """Where the result goes."""
        return Path(self.task.workdir, f"{self.name}.{extension}")

    def run(self, what: str, argv: Sequence[str], result: Path, cwd: Optional[Path] = None) -> Path:
        """Run a converter; its log is uploaded, however it ends."""
        log = Path(self.task.workdir, f"{what}-{self.arch}.log")
        try:
            return convert(self.task, argv, result, log=log, fault=koji.ApplianceError, cwd=cwd or self.task.workdir)
        finally:
            if log.exists():
                self.task.uploadFile(str(log))


def _by_qemu(form: str, extension: str, *more: str) -> Callable[[Disk], Path]:
    def make(disk: Disk) -> Path:
        result = disk.result(extension)
        argv = ["qemu-img", "convert", *more, "-f", "raw", "-O", form, str(disk.raw), str(result)]
        return disk.run(f"qemu-img-{form}", argv, result)

    return make


def _as_xz(disk: Disk) -> Path:
    copied, result = disk.result("raw"), disk.result("raw.xz")
    disk.run("xz-cp-raw-xz", ["cp", "--sparse=always", "--", str(disk.raw), str(copied)], copied)
    return disk.run("xz-raw-xz", ["xz", disk.task.options.xz_options, str(copied)], result)


def _as_tar(disk: Disk) -> Path:
    """As Google's cloud wants it: the disk has to be called disk.raw in there."""
    top = Path(disk.task.workdir, "tar-gz")
    top.mkdir()
    os.link(disk.raw, top / "disk.raw")
    result = disk.result("tar.gz")
    return disk.run("tar-gz", ["tar", "-Sczvf", str(result), "disk.raw"], result, cwd=top)


def _as_squashfs(disk: Disk) -> Path:
    """As dracut and anaconda want it: the file system without the label of the disk, which takes the first MiB."""
    top = Path(disk.task.workdir, "squashfs-root")
    inside, result = top / "LiveOS" / "rootfs.img", disk.result("squashfs")
    inside.parent.mkdir(parents=True)
    cut = ["dd", "conv=sparse", f"bs={_MIB}", "skip=1", f"if={disk.raw}", f"of={inside}"]
    disk.run("squashfs-dd-liveimg-squashfs", cut, inside)
    pack = ["mksquashfs", str(top), str(result), "-comp", "xz", "-noappend"]
    return disk.run("squashfs-mksquashfs-liveimg-squashfs", pack, result)


@dataclass(frozen=True)
class Form:
    """A form.

    Args:
        extension: of its file.
        qemu: whether a machine of qemu's can use it.
        described: whether a description of a machine goes with it.
        convert: makes it of the raw disk; None if ImageFactory does.
        parts: programs that this needs.
        targets: ImageFactory's plugins, in order.
        parameters: for those; they can't be overridden.
        defaults: for those.
        is_ova: whether the option ova_option is for it.
    """

    extension: str
    qemu: bool = False
    described: bool = True
    convert: Optional[Callable[[Disk], Path]] = None
    parts: Tuple[Part, ...] = ()
    targets: Tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    is_ova: bool = False

    def steps(self, opts: Mapping[str, Any]) -> List[Step]:
        """What ImageFactory does, by the task's options factory_parameter and ova_option.

        Raises:
            koji.ApplianceError: an ova_option is no name=value.
        """
        asked = {**self.defaults, **(ova_options(opts) if self.is_ova else {}), **factory_parameters(opts)}
        return [(target, {**asked, **self.parameters}) for target in self.targets]


def _ova(target: str, extension: str, **parameters: str) -> Form:
    return Form(extension, targets=(target, "OVA"), parameters=parameters, is_ova=True)


def _disk(form: str, extension: str = "", *more: str) -> Form:
    extension = extension or form
    return Form(extension, qemu=True, convert=_by_qemu(form, extension, *more), parts=(QEMU_IMG,))


FORMS: Dict[str, Form] = {
    "docker": Form("tar.xz", described=False, targets=("docker",), defaults={"compress": "xz"}),
    "liveimg-squashfs": Form("liveimg.squashfs", convert=_as_squashfs, parts=(MKSQUASHFS,)),
    "qcow": _disk("qcow", "", "-c"),
    # the older version of the format, which all programs read
    "qcow2": _disk("qcow2", "", "-c", "-o", "compat=0.10"),
    "raw": Form("raw", qemu=True),
    "raw-xz": Form("raw.xz", convert=_as_xz, parts=(XZ,)),
    "rhevm-ova": _ova("rhevm", "rhevm.ova"),
    "tar-gz": Form("tar.gz", convert=_as_tar, parts=(TAR,)),
    "vagrant-hyperv": _ova("hyperv", "vagrant-hyperv.box", hyperv_ova_format="hyperv-vagrant"),
    "vagrant-libvirt": _ova("rhevm", "vagrant-libvirt.box", rhevm_ova_format="vagrant-libvirt"),
    "vagrant-virtualbox": _ova("vsphere", "vagrant-virtualbox.box", vsphere_ova_format="vagrant-virtualbox"),
    # a disk in the standard form, not the one for streams
    "vagrant-vmware-fusion": _ova(
        "vsphere",
        "vagrant-vmware-fusion.box",
        vsphere_ova_format="vagrant-vmware-fusion",
        vsphere_vmdk_format="standard",
    ),
    "vdi": _disk("vdi"),
    "vmdk": _disk("vmdk"),
    "vpc": _disk("vpc", "vhd"),
    "vsphere-ova": _ova("vsphere", "vsphere.ova"),
}


def wanted(formats: Optional[Iterable[str]]) -> List[str]:
    """The forms that are asked for, each once; the raw disk if none is.

    Raises:
        koji.ApplianceError: one of them is unknown.
    """
    names = list(dict.fromkeys(formats or ["raw"]))
    for name in names:
        if name not in FORMS:
            raise koji.ApplianceError(f"Invalid format: {name}")
    return names


def factory_parameters(opts: Mapping[str, Any]) -> Dict[str, Any]:
    """The option factory_parameter: names and values."""
    return {str(pair[0]): pair[1] for pair in opts.get("factory_parameter") or []}


def ova_options(opts: Mapping[str, Any]) -> Dict[str, str]:
    """The option ova_option: texts as name=value.

    Raises:
        koji.ApplianceError: one is something else.
    """
    found: Dict[str, str] = {}
    for text in opts.get("ova_option") or []:
        name, equals, value = str(text).partition("=")
        if not equals:
            raise koji.ApplianceError(f"Invalid ova_option, not name=value: {text}")
        found[name] = value
    return found
