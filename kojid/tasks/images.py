"""The bases of tasks for several architectures and of image builds, for handlers here and in plugins (contract 10.2).

What differs between kinds of images is the business of their own modules and of plugins; here is what they share.
"""

# Method and argument names are the library's: handlers of plugins call them.
# ruff: noqa: N802

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

import koji
import koji.tasks

from kojid.tasks.base import BaseTaskHandler


class MultiPlatformTask(BaseTaskHandler, koji.tasks.MultiPlatformTask):
    """A task that has subtasks per architecture; `buildWrapperRPM` is the library's, waiting and uploads are ours."""


class BuildImageTask(MultiPlatformTask):
    """The parent task of an image build, which knows the build's record on the hub."""

    def initImageBuild(
        self, name: str, version: str, release: Optional[str], target_info: Mapping[str, Any], opts: Mapping[str, Any]
    ) -> Dict[str, Any]:
        """Have the hub begin an image build (contract 6.9).

        Args:
            name, version: of the image.
            release: the hub picks one if it is None.
            target_info: the build target; its `dest_tag_name` has to list the image's name as a package.
            opts: the task's; with `scratch` or `skip_tag` the list of packages does not matter.

        Returns:
            the build, with id and release.

        Raises:
            koji.BuildError: the destination tag does not list the package, or blocks it.
        """
        tag = target_info["dest_tag_name"]
        if not (opts.get("skip_tag") or opts.get("scratch")):
            package = self.session.getPackageConfig(tag, name)
            if package is None:
                raise koji.BuildError(f"package (image) {name} not in list for tag {tag}")
            if package["blocked"]:
                raise koji.BuildError(f"package (image) {name} is blocked for tag {tag}")
        data = {"name": name, "version": version, "release": release, "epoch": 0}
        build: Dict[str, Any] = self.session.host.initImageBuild(self.id, data)
        return build
