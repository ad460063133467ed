"""`chainbuild`: packages built in levels, each with what the levels before have put into the repository.

Contract 6.6. It only spawns and waits; run again from the start, it finds its subtasks by their labels.
"""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Optional, Sequence

import koji

from kojid.sources.scm import is_scm_url
from kojid.tasks.base import BaseTaskHandler


class ChainBuildTask(BaseTaskHandler):
    """Build in levels."""

    Methods: ClassVar[List[str]] = ["chainbuild"]
    _taskWeight = 0.1

    def handler(self, srcs: Sequence[Sequence[str]], target: str, opts: Optional[Dict[str, Any]] = None) -> None:
        """Build level by level.

        Args:
            srcs: the levels, each a list of URLs of version control, which are built side by side, and of
                name-version-releases, which the next level's repository has to hold.
            target: name of the build target.
            opts: of the build tasks, handed on as they are.

        Raises:
            koji.BuildError: a scratch build, or a source that is none.
            koji.GenericError: there is no such target.
            any fault: of a build that failed; those beside it are canceled.
        """
        if (opts or {}).get("scratch"):
            raise koji.BuildError("--scratch is not allowed with chain-builds")
        _check_sources(srcs)
        info = self.session.getBuildTarget(target)
        if not info:
            raise koji.GenericError(f"unknown build target: {target}")
        awaited: List[str] = []
        for number, level in enumerate(srcs):
            if awaited:
                self._wait_for_repo(info["build_tag_name"], awaited, number)
            builds = self._build_level(level, number, target, opts)
            awaited = [source for source in level if not is_scm_url(source)] + builds

    def _wait_for_repo(self, tag: str, nvrs: List[str], number: int) -> None:
        task_id = self.session.host.subtask(
            method="waitrepo", arglist=[tag, None, nvrs], label=f"wait {number}", parent=self.id
        )
        self.wait(task_id, all=True, failany=True)

    def _build_level(self, level: Sequence[str], number: int, target: str, opts: Optional[Dict[str, Any]]) -> List[str]:
        """Build a level's URLs side by side; returns the name-version-releases of what came out."""
        tasks = [
            self.session.host.subtask(
                method="build", arglist=[source, target, opts], label=f"build {number},{place}", parent=self.id
            )
            for place, source in enumerate(level)
            if is_scm_url(source)
        ]
        if tasks:
            self.wait(tasks, all=True, failany=True)
        found = [self.session.listBuilds(taskID=task_id) for task_id in tasks]
        return [builds[0]["nvr"] for builds in found if builds]


def _check_sources(srcs: Any) -> None:
    """Refuse what is no list of lists of texts: a text in a level's place would be taken letter by letter."""
    levels = srcs if isinstance(srcs, (list, tuple)) else [srcs]
    for level in levels:
        if not isinstance(level, (list, tuple)) or not all(isinstance(source, str) for source in level):
            raise koji.BuildError(f"Invalid source specification: {level}")
