"""`rebuildSRPM`: an uploaded source package is made anew in a buildroot, so that it is the build tag's own.

Contract 6.5.
"""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional

import koji

from kojid.sources import specs
from kojid.system.accounts import credentials_of
from kojid.system.files import list_beneath
from kojid.system.ownership import hand_over
from kojid.tasks.base import BaseBuildTask
from kojid.tasks.chroots import buildroot, put_file

MOCK_GROUP = "mock"


def give_to_mock(scmdir: str, options: Any) -> None:
    """Give a checkout to mockuser: source packages are made, and further sources fetched, under its number.

    Args:
        scmdir: the checkout, the daemon's own so far.
        options: the daemon's options.
    """
    if os.geteuid() == 0:
        user = credentials_of(options.mockuser, MOCK_GROUP)
        hand_over(scmdir, os.geteuid(), user.uid, user.groups[0])


class SourcePackageTask(BaseBuildTask):
    """What tasks that make a source package have in common: how the one that came out is taken."""

    def take_srpm(self, broot: Any) -> str:
        """Upload the source package of a buildroot's result directory; returns its file name. Errors of `find_srpm`."""
        srpm = self.find_srpm(broot)
        self.uploadFile(f"{broot.resultdir()}/{srpm}")
        return srpm

    def find_srpm(self, broot: Any) -> str:
        """The file name of the source package in a buildroot's result directory.

        Raises:
            koji.BuildError: there is none, there are several, or its name is not what its header says.
        """
        resultdir = Path(broot.resultdir())
        srpms = list_beneath(resultdir, "*.src.rpm")
        if not srpms:
            raise koji.BuildError(f"No srpms found in {resultdir}")
        if len(srpms) > 1:
            raise koji.BuildError(f"Multiple srpms found in {resultdir}: {', '.join(srpms)}")
        wanted = specs.source_file_name(specs.read_header_beneath(resultdir, srpms[0]))
        if wanted != srpms[0]:
            raise koji.BuildError(f"srpm name mismatch: {wanted} != {srpms[0]}")
        return srpms[0]

    def srpm_result(self, broot: Any, srpm: str, source: Dict[str, str]) -> Dict[str, Any]:
        """The task's result (contract 6.4).

        Args:
            broot: the buildroot.
            srpm: the source package's file name.
            source: where it came from: `source` as resolved, `url` as asked for.
        """
        below = self.getUploadDir()
        return {
            "srpm": f"{below}/{srpm}",
            "logs": [f"{below}/{name}" for name in sorted(broot.logs)],
            "brootid": broot.id,
            "source": source,
        }


class RebuildSRPM(SourcePackageTask):
    """Make an uploaded source package anew."""

    Methods: ClassVar[List[str]] = ["rebuildSRPM"]
    _taskWeight = 1.0

    def handler(self, srpm: str, build_tag: Any, opts: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Rebuild.

        Args:
            srpm: the source package's path below the hub's work directory.
            build_tag: id or name of the build tag.
            opts: repo_id, which has to be there; scratch.

        Returns:
            srpm and logs as paths below the hub's work directory, brootid, and source.
        """
        repo_id = (opts or {}).get("repo_id")
        if not repo_id:
            raise koji.BuildError("A repo id must be provided")
        path = self._source_package(srpm)
        event = self.session.repoInfo(repo_id, strict=True)["create_event"]
        tag = self.session.getTag(build_tag, strict=True, event=event)
        host = self.session.host.getHost()
        arch = self.find_arch("noarch", host, self.session.getBuildConfig(tag["id"], event=event))
        with buildroot(self, tag["id"], arch, repo_id=repo_id, install_group="srpm-build") as broot:
            self.logger.debug("Running srpm rebuild")
            broot.rebuild_srpm(put_file(Path(broot.rootdir()), f"{broot.tmpdir(within=True)}/srpm", path))
            name = self.take_srpm(broot)
            return self.srpm_result(broot, name, {"source": name, "url": name})

    def _source_package(self, srpm: str) -> Path:
        """The input, fetched and looked at before a buildroot is made for it."""
        path = Path(self.localPath(f"work/{srpm}"))
        if not path.exists():
            raise koji.BuildError(f"Input SRPM file missing: {path}")
        if not specs.is_source(specs.read_header(path)):
            raise koji.BuildError(f"{path.name} is not a source package")
        return path
