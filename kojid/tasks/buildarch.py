"""`buildArch`: a source package is built for one arch in a buildroot of its own (contract 6.3)."""

# Method and attribute names are koji's.
# ruff: noqa: N802, N815

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import koji

from kojid.sources import specs
from kojid.system.files import open_beneath
from kojid.tasks.base import BaseBuildTask
from kojid.tasks.chroots import buildroot

_SECONDS_PER_WEIGHT = 4800.0
_MOST_EXTRA_WEIGHT = 18.0
_HASH_FILE = "noarch_rpmdiff.json"


class BuildArchTask(BaseBuildTask):
    """Build a package for one arch."""

    Methods: ClassVar[List[str]] = ["buildArch"]
    _taskWeight = 1.5

    def handler(
        self, pkg: str, root: int, arch: str, keep_srpm: bool, opts: Optional[Dict[str, Any]] = None
    ) -> Dict[str, Any]:
        """Build.

        Args:
            pkg: the source package's path below the hub's work directory.
            root: the build tag.
            arch: what rpmbuild is to build for.
            keep_srpm: whether the source package that comes out is the build's.
            opts: repo_id, which has to be there.

        Returns:
            rpms, srpms and logs as paths below the hub's work directory, and brootid.
        """
        repo_id = (opts or {}).get("repo_id")
        if not repo_id:
            raise koji.BuildError("A repo id must be provided")
        event_id = self.session.repoInfo(repo_id, strict=True)["create_event"]
        srpm, name = self._source_package(pkg)
        self.updateWeight(name)
        br_arch = self._buildroot_arch(arch, root, event_id)
        with buildroot(self, root, br_arch, repo_id=repo_id) as broot:
            self.logger.debug("Running build")
            broot.build(srpm, arch)
            return self._collect(broot, keep_srpm)

    def _source_package(self, pkg: str) -> Tuple[str, str]:
        self.logger.debug("Reading SRPM")
        path = self.localPath(f"work/{pkg}")
        if not Path(path).exists():
            raise koji.BuildError(f"SRPM file missing: {path}")
        header = specs.read_header(path)
        if not specs.is_source(header):
            raise koji.BuildError("not a source package")
        return path, str(koji.get_header_field(header, "name"))

    def updateWeight(self, name: str) -> None:
        """Set the task's weight by how long builds of this package take: 0.75 for each hour, at most a day."""
        try:
            seconds = self.session.getAverageBuildDuration(name, age=6)
        except koji.ParameterError:
            seconds = self.session.getAverageBuildDuration(name)  # hubs that know no age
        if not seconds:
            return
        if seconds < 0:
            self.logger.warning("Negative average build duration for %s: %s", name, seconds)
            return
        weight = self.weight() + min(_MOST_EXTRA_WEIGHT, seconds / _SECONDS_PER_WEIGHT)
        self.session.host.setTaskWeight(self.id, weight)

    def _buildroot_arch(self, arch: str, root: int, event_id: int) -> str:
        # The parent gives a noarch task a real arch when the package can't be built everywhere.
        preferred = self.session.getTaskInfo(self.id)["arch"] if arch == "noarch" else None
        host = self.session.host.getHost()
        config = self.session.getBuildConfig(root, event=event_id)
        return str(self.find_arch(arch, host, config, preferred_arch=preferred))

    def _collect(self, broot: Any, keep_srpm: bool) -> Dict[str, Any]:
        resultdir = Path(broot.resultdir())
        results = broot.results()
        logs = sorted(broot.logs)
        hashes = self._write_hashes(resultdir, results.noarch)
        logs += [os.path.basename(path) for path in hashes]
        self.logger.debug("rpms: %r, srpms: %r, logs: %r", results.rpms, results.srpms, logs)
        if results.unexpected:
            self.logger.warning("unexpected: %r", results.unexpected)
        kept = self._kept_srpm(resultdir, results.srpms) if keep_srpm else []
        self.upload_files([*(f"{resultdir}/{name}" for name in [*results.rpms, *kept]), *hashes])
        below = broot.getUploadPath()
        return {
            "rpms": [f"{below}/{name}" for name in results.rpms],
            "srpms": [f"{below}/{name}" for name in kept],
            "logs": [f"{below}/{name}" for name in logs],
            "brootid": broot.id,
        }

    def _write_hashes(self, resultdir: Path, noarch_rpms: List[str]) -> List[str]:
        """The file with what the hub compares the noarch packages of several arches by; none without such packages."""
        hashes = {name: _rpmdiff_hash(resultdir, name) for name in noarch_rpms}
        if not hashes:
            return []
        path = Path(self.workdir, _HASH_FILE)
        path.write_text(json.dumps({str(self.id): hashes}, indent=2, sort_keys=True), encoding="utf-8")
        return [str(path)]

    def _kept_srpm(self, resultdir: Path, srpms: List[str]) -> List[str]:
        if not srpms:
            raise koji.BuildError(f"no srpm files found for task {self.id}")
        if len(srpms) > 1:
            raise koji.BuildError(f"multiple srpm files found for task {self.id}: {srpms}")
        header = specs.read_header_beneath(resultdir, srpms[0])
        for tag in ("packager", "vendor", "distribution"):
            if not koji.get_header_field(header, tag):
                raise koji.BuildError(f"The build system failed to set the {tag} tag")
        return srpms


def _rpmdiff_hash(resultdir: Path, name: str) -> str:
    from koji.rpmdiff import Rpmdiff  # here, not at the top: only this task needs it

    # By descriptor: the library opens its argument by name and would follow a link.
    with open_beneath(resultdir, name) as opened:
        path = f"/proc/self/fd/{opened.fileno()}"
        return str(Rpmdiff(path, path, ignore="S5TN").kojihash())
