"""`indirectionimage`: an image made by running one earlier image with another beside it (contract 6.9).

ImageFactory's plugin of that name starts the utility image, which works on the base image after a template, and takes
the result out. Both images are read where the hub keeps them, so the volume has to be mounted here.
"""

# Method names are koji's.

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterable, List, Tuple

import koji
from koji.tasks import RefuseTask

from kojid.system.files import open_beneath
from kojid.system.process import DEVNULL, CommandTimeout, run
from kojid.tasks.images.factory import OzImageTask
from kojid.tasks.images.factoryimage import check_words
from kojid.tasks.images.pipeline import BuildImageTask, Image, Place

Row = Dict[str, Any]
Pair = Tuple[str, str]

_LOG = "oz-indirection.log"
_CHECKOUT_LOG = "checkout.log"
_LARGEST = 4 * 1024 * 1024  # bytes of a template


class BuildIndirectionImageTask(OzImageTask, BuildImageTask):
    """Build an image of two others."""

    Methods: ClassVar[List[str]] = ["indirectionimage"]

    def require_parts(self) -> None:
        """Raise RefuseTask when a part is missing, or the volume is not mounted where it should be."""
        super().require_parts()
        top = str(self.options.topdir or "")
        try:
            # as a command: whoever touches a dead mount stays in the kernel
            status = run(
                ["ls", "-A", "--", f"{top}/work"],
                timeout=float(self.options.mount_timeout),
                stdout=DEVNULL,
                stderr=DEVNULL,
            )
        except CommandTimeout:
            raise RefuseTask(f"{self.method} needs the volume, and {top} does not answer") from None
        if not top or not status.ok:
            raise RefuseTask(f"{self.method} needs the volume mounted; {top} (topdir) has no readable work")

    def handler(self, opts: Row) -> str:
        """Build it.

        Args:
            opts: target, name, version, release, arch, scratch, skip_tag; indirection_template, with
                indirection_template_url in that checkout; utility_image_build or utility_image_task,
                base_image_build or base_image_task; results_loc, where the result is in the utility image.

        Returns:
            the sentence that tells where it is.

        Raises:
            koji.BuildError: an option is missing, or one of the images can't be used.
            koji.ApplianceError: version or release has a hyphen, or ImageFactory failed.
        """
        self.opts = opts = dict(opts or {})
        for name in ("target", "name", "version", "arch", "indirection_template", "results_loc"):
            if not opts.get(name):
                raise koji.BuildError(f"the option {name} is missing")
        check_words(opts["version"], opts.get("release"))
        self.arch, self.imgname = opts["arch"], f"{opts['name']}-{opts['version']}"
        self.target_info = self.session.getBuildTarget(opts["target"], strict=True)
        place = Place(self.target_info, {}, ())
        template = self._template(self.target_info["build_tag_name"])
        stored = {name: self._image(name) for name in ("base", "utility")}
        image = Image(opts["name"], opts["version"], opts.get("release"), opts)
        return self.build_one(place, image, "image", lambda: self._make(template, stored))

    def _template(self, build_tag: str) -> str:
        """Fetch what the utility image is to do, and upload it; returns its text."""
        url = self.opts.get("indirection_template_url")
        directory, name = self.fetch(self.opts["indirection_template"], url, build_tag, _CHECKOUT_LOG)
        try:
            with open_beneath(directory, name) as opened:
                data = opened.read(_LARGEST)
        except OSError as error:
            raise koji.BuildError(f"the template {name} can't be read: {error.strerror}") from error
        self.uploadFile(os.path.join(directory, name))
        return data.decode("utf-8", errors="replace")

    def _make(self, template: str, stored: Dict[str, Row]) -> Row:
        where = "/" + str(self.opts["results_loc"]).lstrip("/")
        parameters = {"utility_customizations": template, "results_location": where}
        request = {"stored": stored, "images": {"utility_image": "utility"}}
        made = self.run_factory({**request, "targets": {"result": [("indirection", parameters)]}}, _LOG)
        name = os.path.basename(where)
        self.uploadFile(made["targets"]["result"], remoteName=name)
        logs = [_LOG, *([_CHECKOUT_LOG] if self.opts.get("indirection_template_url") else [])]
        # which packages are in it, nobody knows
        return {"task_id": self.id, "files": [name], "logs": logs, "arch": self.arch, "rpmlist": []}

    # -- the images

    def _image(self, which: str) -> Row:
        """Disk and template of the base or the utility image, from a build or a task."""
        build: Any = self.opts.get(f"{which}_image_build")
        task: Any = self.opts.get(f"{which}_image_task")
        if not build and not task:
            raise koji.BuildError(f"neither {which}_image_build nor {which}_image_task is given")
        directory, (disk, template) = self._of_build(build) if build else self._of_task(int(task))
        found = Path(directory, disk), Path(directory, template)
        lacking = [str(path) for path in found if not path.is_file()]
        if lacking:
            raise koji.BuildError(f"the {which} image is not there any more: {', '.join(lacking)}")
        return {"data": str(found[0]), "template": found[1].read_text(encoding="utf-8")}

    def _of_task(self, task_id: int) -> Tuple[str, Pair]:
        info = self.session.getTaskInfo(task_id)
        if not info:
            raise koji.BuildError(f"there is no task {task_id}")
        state = koji.TASK_STATES[info["state"]].lower()
        if state != "closed":
            raise koji.BuildError(f"Input task ({task_id}) must be in closed state - current state is ({state})")
        if info["method"] != "createImage":
            raise koji.BuildError(f"Input task method must be 'createImage' - actual method ({info['method']})")
        paths = koji.PathInfo(topdir=self.options.topdir)
        files = self.session.getTaskResult(task_id)["files"]
        return f"{paths.work()}/{paths.taskrelpath(task_id)}", self._pair(files, f"task {task_id}", ".*")

    def _of_build(self, nvr: Any) -> Tuple[str, Pair]:
        build = self.session.getBuild(nvr)
        if not build:
            raise koji.BuildError(f"Could not find build for ({nvr})")
        files = [row["filename"] for row in self.session.listArchives(build["id"])]
        directory = koji.PathInfo(topdir=self.options.topdir).imagebuild(build)
        return directory, self._pair(files, str(nvr), re.escape(self.arch))

    @staticmethod
    def _pair(files: Iterable[str], where: str, arch: str) -> Pair:
        names = [os.path.basename(name) for name in files]
        disks = [name for name in names if re.search(rf"\.{arch}\.qcow2$", name)]
        templates = [name for name in names if re.fullmatch(rf"tdl-{arch}\.xml", name)]
        if not disks or not templates:
            raise koji.BuildError(f"{where} has no qcow2 image with its template (TDL) for the arch")
        return disks[0], templates[0]
