"""`livecd` and `createLiveCD`: a live CD made by livecd-creator (contract 6.9)."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Optional

import koji

from kojid.tasks.images.chrootimages import Wanted
from kojid.tasks.images.isoimages import MANIFEST, IsoImageTask
from kojid.tasks.images.kickstart import PYKICKSTART
from kojid.tasks.images.pipeline import BuildImageTask, Children, Image

Row = Dict[str, Any]


class BuildLiveCDTask(BuildImageTask):
    """Build a live CD."""

    Methods: ClassVar[List[str]] = ["livecd"]
    parts = (PYKICKSTART,)

    def handler(self, name: str, version: str, arch: str, target: str, ksfile: str, opts: Optional[Row] = None) -> str:
        """Build it.

        Args:
            name, version: of the image.
            arch: of the image.
            target: name of the build target.
            ksfile: the kickstart file, below the hub's work directory or, with ksurl, in that checkout.
            opts: release, scratch, skip_tag, specfile, and those of `createLiveCD`.

        Returns:
            the sentence that tells where it is.
        """
        opts = dict(opts or {})
        place = self.find_place(target, [arch])
        release = opts.get("release") or self.next_release(name, version)
        children = Children.one("livecd", "createLiveCD", arch, [name, version], [*place.arguments, ksfile, opts])
        return self.build_images(place, Image(name, version, release, opts), children)


class LiveCDTask(IsoImageTask):
    """Run livecd-creator. Of the options it reads volid."""

    Methods: ClassVar[List[str]] = ["createLiveCD"]
    fault = koji.LiveCDError
    group = "livecd-build"

    def make(self, broot: Any, wanted: Wanted, kickstart: str) -> Row:
        """Have livecd-creator write an image, which is uploaded as N-V-R.iso; see `ImageTask.make`."""
        top = broot.tmpdir(within=True)
        cache, log = f"{top}/koji-livecd", f"{top}/livecd.log"
        argv = ["/usr/bin/livecd-creator", "-c", kickstart, "-d", "-v", "--logfile", log, "--cache", cache]
        argv += ["-f", self.volume_id(wanted)]
        status = self.run_tool(broot, argv, log)
        if not status.ok:
            self.fail(broot, "LiveCD", argv, status, log)
        image = f"{wanted}.iso"
        self.take_iso(broot, top, image)
        return {"files": [image], "logs": [MANIFEST], "rpmlist": self.cached_packages(broot, cache)}
