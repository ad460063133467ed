"""`distRepo`: a repository for distribution, arch by arch, the packages linked into it by the hub (contract 9.4)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, Dict, Iterable, List, Sequence

import koji

from kojid.repos import multilib
from kojid.tasks.base import BaseTaskHandler


class NewDistRepoTask(BaseTaskHandler):
    """Make a dist-repo that the hub has laid out."""

    Methods: ClassVar[List[str]] = ["distRepo"]
    _taskWeight = 0.1

    def handler(self, tag: Any, repo_id: int, keys: Sequence[str], task_opts: Dict[str, Any]) -> str:
        """Have subtasks make the arches and the hub put them in their place.

        Arches without multilib come first: with `multilib` those that have it take packages from them.

        Args:
            tag: id or name.
            repo_id: the repository.
            keys: the signing keys, the most wanted first.
            task_opts: the options (contract 9.4); those that this task reads are event, arch and multilib.

        Raises:
            koji.GenericError: there are no arches, an arch failed, or the hub does not take its outcome.
        """
        info = self.session.getTag(tag, strict=True, event=task_opts["event"])
        opts = {**task_opts, "arch": task_opts["arch"] or (info["arches"] or "").split()}
        if not opts["arch"]:
            raise koji.GenericError("No arches specified nor for the tag!")
        arches = sorted({str(koji.canonArch(arch)) for arch in opts["arch"]})
        first = [arch for arch in arches if not multilib.has_multilib(arch)]
        parameters = (tag, repo_id, keys, opts)
        tasks = self._spawn(first, *parameters)
        moved: List[str] = []
        if tasks and opts["multilib"]:
            self.wait(list(tasks.values()), all=True, failany=True)
            moved = self._move(repo_id, tasks, first)
        tasks.update(self._spawn((arch for arch in arches if arch not in first), *parameters))
        self.wait(list(tasks.values()), all=True, failany=True)
        self._move(repo_id, tasks, [arch for arch in arches if arch not in moved])
        self.session.host.repoDone(repo_id, {})
        return f"Dist repository #{repo_id} successfully generated"

    def _spawn(
        self, arches: Iterable[str], tag: Any, repo_id: int, keys: Sequence[str], opts: Dict[str, Any]
    ) -> Dict[str, int]:
        """Start the subtasks of arches; their ids by arch."""
        return {
            arch: self.session.host.subtask(
                method="createdistrepo",
                arglist=[tag, repo_id, arch, keys, opts],
                label=arch,
                parent=self.id,
                arch="noarch",
            )
            for arch in arches
        }

    def _move(self, repo_id: int, tasks: Dict[str, int], arches: Sequence[str]) -> List[str]:
        for arch in arches:
            self.session.host.distRepoMove(repo_id, koji.pathinfo.taskrelpath(tasks[arch]), arch)
        return list(arches)
