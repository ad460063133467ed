"""What tasks that run an image tool in a buildroot have in common: the buildroot, and what is taken out of it.

Other bases and the tasks of plugins add the tool: `chrootimages` those that work after a kickstart file.
"""

# Method names are koji's: subclasses of plugins know them.
# ruff: noqa: N802

from __future__ import annotations

import os
from typing import Any, BinaryIO, ClassVar, ContextManager, Dict, List, Type

import koji

from kojid.hub.upload import Uploader
from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.chroots import buildroot
from kojid.tasks.images import outputs

Row = Dict[str, Any]


class ChrootTask(BaseTaskHandler):
    """Make an image in a buildroot.

    Attributes:
        opts: the task's options, which the handler sets.
        bind_opts: what of the host is mounted in the buildroot; subclasses may leave it empty.
        fault: type of the fault of an image that can't be made.
    """

    Methods: ClassVar[List[str]] = []
    bind_opts: ClassVar[Dict[str, Any]] = {"dirs": {"/dev": "/dev"}}
    fault: ClassVar[Type[koji.GenericError]] = koji.LiveCDError
    opts: Row

    def image_buildroot(self, build_tag: Any, repo_info: Row, arch: str, group: str) -> ContextManager[Any]:
        """A buildroot with the tool, for the length of a block; it is expired at the end.

        Args:
            build_tag: id of the build tag.
            repo_info: the repository.
            arch: of the buildroot.
            group: the package group that has the tool.
        """
        return buildroot(self, build_tag, arch, **self._root_options(repo_info, group))

    def _root_options(self, repo_info: Row, group: str) -> Dict[str, Any]:
        options = {"install_group": group, "setup_dns": True, "repo_id": repo_info["id"]}
        return {**options, "bind_opts": self.bind_opts} if self.bind_opts else options

    def upload(self, source: BinaryIO, name: str) -> None:
        """Upload an open file to the task's directory."""
        Uploader(self.session, self.getUploadDir()).file(source, name)

    def take_files(self, broot: Any, directory: str) -> List[str]:
        """Upload all files in or below a directory; returns their names.

        Raises:
            The task's `fault`: there are none, or two have the same name.
        """
        found = outputs.below(broot.rootdir(), directory)
        if found.others:
            self.logger.warning("Not uploaded, no regular files: %r", found.others)
        if not found.files:
            raise self.fault("Could not find image build results!")
        if found.doubles:
            raise self.fault(f"several files have the same name: {', '.join(found.doubles)}")
        self.upload_files([f"{broot.rootdir()}{directory}/{path}" for path in found.files])
        return [os.path.basename(path) for path in found.files]

    def cached_packages(self, broot: Any, cachedir: str) -> List[Row]:
        """What `getImagePackages` finds; nothing for a scratch build, of which no hub keeps a record."""
        return [] if self.opts.get("scratch") else self.getImagePackages(broot, cachedir)

    def getImagePackages(self, broot: Any, cachedir: str) -> List[Row]:
        """The packages in the tool's cache, those of external repositories marked.

        Raises:
            The task's `fault`: there are none.
        """
        found = outputs.packages(broot.rootdir(), cachedir)
        if not found:
            raise self.fault(f"no packages found in the cache {cachedir} of the image tool")
        broot.markExternalRPMs(found)
        return found
