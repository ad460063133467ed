"""`livemedia` and `createLiveMedia`: live media for several arches, made by livemedia-creator (contract 6.9)."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Dict, List, Optional, Sequence

import koji

from kojid.system.files import open_beneath
from kojid.tasks.checkouts import allowed_source
from kojid.tasks.images import outputs
from kojid.tasks.images.chrootimages import Wanted
from kojid.tasks.images.isoimages import MANIFEST, IsoImageTask
from kojid.tasks.images.kickstart import PYKICKSTART
from kojid.tasks.images.pipeline import BuildImageTask, Children, Image

Row = Dict[str, Any]

_LOGS, _LOG = "lmc-logs", "livemedia-out.log"
_ANACONDA = f"{_LOGS}/anaconda"
_TEMPLATES_LOG = "lorax-templates-checkout.log"


class BuildLiveMediaTask(BuildImageTask):
    """Build live media."""

    Methods: ClassVar[List[str]] = ["livemedia"]
    parts = (PYKICKSTART,)

    def handler(
        self, name: str, version: str, arches: Sequence[str], target: str, ksfile: str, opts: Optional[Row] = None
    ) -> str:
        """Build them; parameters as for `livecd`, but for several arches.

        Of the options, optional_arches names those that may fail; others are those of `createLiveMedia`.
        """
        opts = dict(opts or {})
        place = self.find_place(target, arches)
        image = Image(name, version, opts.get("release"), opts)
        children = Children(
            "livecd",
            "createLiveMedia",
            arches,
            arguments=lambda release, arch: [name, version, release, arch, *place.arguments, ksfile, opts],
            label=lambda arch: f"livemedia {arch}",
            wrapper_label=lambda arch: f"wrapper {arch}",
        )
        return self.build_images(place, image, children)


class LiveMediaTask(IsoImageTask):
    """Run livemedia-creator.

    Of the options it reads volid, nomacboot, lorax_url with lorax_dir, squashfs_only and compress_arg.
    """

    Methods: ClassVar[List[str]] = ["createLiveMedia"]
    # livemedia-creator makes its own devices and stumbles over those of the host
    bind_opts: ClassVar[Dict[str, Any]] = {}
    fault = koji.LiveMediaError
    group = "livemedia-build"

    def make(self, broot: Any, wanted: Wanted, kickstart: str) -> Row:
        """Have livemedia-creator write an image, and upload that; packages are not listed. See `ImageTask.make`."""
        top = broot.tmpdir(within=True)
        results, log = f"{top}/lmc", f"{top}/{_LOGS}/{_LOG}"
        image = f"{wanted.name}-{wanted.arch}-{wanted.version}-{wanted.release}.iso"
        argv = ["/sbin/livemedia-creator", "--ks", kickstart, "--logfile", log, "--no-virt"]
        argv += ["--resultdir", results, "--project", wanted.name, "--make-iso"]
        argv += ["--volid", self.volume_id(wanted), "--iso-only"]
        argv += ["--iso-name", image, "--releasever", wanted.version]
        argv += ["--macboot" if wanted.arch == "x86_64" and not self.opts.get("nomacboot") else "--nomacboot"]
        status = self.run_tool(broot, [*argv, *self._more(broot)], log)
        logs = self._take_logs(broot, top)
        if not status.ok:
            self.fail(broot, "LiveMedia", argv, status, log)
        self.take_iso(broot, results, image)
        return {"files": [image], "logs": [MANIFEST, *logs], "rpmlist": []}

    def _more(self, broot: Any) -> List[str]:
        """The arguments that only some images have."""
        opts = self.opts
        boot = self.ks.boot_arguments() if self.ks else ""
        words = ["--extra-boot-args", f'"{boot}"'] if boot else []
        if opts.get("lorax_url"):
            words += ["--lorax-templates", self._templates(broot)]
        if opts.get("squashfs_only"):
            words.append("--squashfs-only")
        if isinstance(opts.get("compress_arg"), (list, tuple)):
            words += [word for one in opts["compress_arg"] for word in ("--compress-arg", str(one))]
        return words

    def _templates(self, broot: Any) -> str:
        """Check out the templates of lorax; their directory as seen in the buildroot."""
        scm = allowed_source(self, self.opts["lorax_url"], scratch=self.opts.get("scratch"))
        logfile = os.path.join(str(self.workdir), _TEMPLATES_LOG)
        checkout = scm.checkout(broot.make_tmpdir("lorax-templates"), self.session, self.getUploadDir(), logfile)
        broot.logs.add(_TEMPLATES_LOG)
        inside = os.path.normpath(os.path.join(checkout, str(self.opts.get("lorax_dir") or "").lstrip("/")))
        if inside != checkout and not inside.startswith(f"{checkout}/"):
            raise self.fault(f"lorax_dir {self.opts['lorax_dir']} is not in the checkout of lorax_url")
        return str(broot.path_without_to_within(inside))

    def _take_logs(self, broot: Any, top: str) -> List[str]:
        """Upload the other logs of livemedia-creator and those of anaconda; returns their names."""
        taken: List[str] = []
        for directory, prefix in ((f"{top}/{_LOGS}", ""), (f"{top}/{_ANACONDA}", "anaconda-")):
            for found in outputs.logs(broot.rootdir(), directory):
                name = prefix + found
                if name in broot.logs and name != _LOG:
                    name = f"livemedia-{name}"  # mock has a log of that name
                if name not in broot.logs:
                    with open_beneath(broot.rootdir(), f"{directory.lstrip('/')}/{found}") as opened:
                        self.upload(opened, name)
                    taken.append(name)
        return taken
