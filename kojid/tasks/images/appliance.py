"""`appliance` and `createAppliance`: a virtual machine's disks made by appliance-creator (contract 6.9)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Optional

import koji

from kojid.tasks.images.chrootimages import ImageTask, Wanted
from kojid.tasks.images.kickstart import PYKICKSTART
from kojid.tasks.images.pipeline import BuildImageTask, Children, Image

Row = Dict[str, Any]

_OUTPUT = "app-output"


class BuildApplianceTask(BuildImageTask):
    """Build an appliance."""

    Methods: ClassVar[List[str]] = ["appliance"]
    parts = (PYKICKSTART,)

    def handler(self, name: str, version: str, arch: str, target: str, ksfile: str, opts: Optional[Row] = None) -> str:
        """Build it; parameters as for `livecd`, with the options of `createAppliance`."""
        opts = dict(opts or {})
        place = self.find_place(target, [arch])
        children = Children.one("appliance", "createAppliance", arch, [name, version], [*place.arguments, ksfile, opts])
        return self.build_images(place, Image(name, version, opts.get("release"), opts), children)


class ApplianceTask(ImageTask):
    """Run appliance-creator. Of the options it reads vmem (MB), vcpu and format."""

    Methods: ClassVar[List[str]] = ["createAppliance"]
    _taskWeight = 1.5
    fault = koji.ApplianceError
    group = "appliance-build"

    def check(self, wanted: Wanted) -> None:  # noqa: ARG002 - for all images alike
        """Refuse a kickstart file without a root."""
        self._root_device()

    def make(self, broot: Any, wanted: Wanted, kickstart: str) -> Row:
        """Have appliance-creator write disks, and upload all that it has left; see `ImageTask.make`."""
        top = broot.tmpdir(within=True)
        cache, log = f"{top}/koji-appliance", f"{top}/appliance.log"
        broot.make_tmpdir(_OUTPUT)
        argv = ["/usr/bin/appliance-creator", "-c", kickstart, "-d", "-v", "--logfile", log, "--cache", cache]
        argv += ["-o", _OUTPUT, *self._machine(), "--name", str(wanted)]
        argv += ["--version", wanted.version, "--release", wanted.release]
        status = self.run_tool(broot, argv, log)
        if not status.ok:
            self.fail(broot, "appliance", argv, status, log)
        files = self.take_files(broot, f"{top}/{_OUTPUT}")
        return {"files": files, "rootdev": self._root_device(), "rpmlist": self.cached_packages(broot, cache)}

    def _machine(self) -> List[str]:
        """What is asked of the virtual machine."""
        wanted = [(name, self.opts.get(name)) for name in ("vmem", "vcpu", "format")]
        return [word for name, value in wanted if value is not None for word in (f"--{name}", str(value))]

    def _root_device(self) -> str:
        disk = self.ks.root_disk() if self.ks else None
        if disk is None:
            raise self.fault('kickstart lacks a "/" mountpoint')
        return disk
