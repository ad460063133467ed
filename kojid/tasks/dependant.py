"""`dependantTask`: tasks that start when other tasks, not its children, have ended (contract 6.12)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Sequence

import koji

from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.wakeup import nap

_FIRST_PAUSE = 1.0  # seconds
_LONGEST_PAUSE = 15.0
_FAILED = (koji.TASK_STATES["CANCELED"], koji.TASK_STATES["FAILED"])


class DependantTask(BaseTaskHandler):
    """Wait for tasks, then run others."""

    Methods: ClassVar[List[str]] = ["dependantTask"]
    _taskWeight = 0.2

    def handler(self, wait_list: Sequence[Any], task_list: Sequence[Sequence[Any]]) -> None:
        """Wait, then spawn the tasks and wait for them.

        Args:
            wait_list: task ids; what is no task is left out.
            task_list: for each task to spawn [method, arguments] or [method, arguments, options].

        Raises:
            koji.GenericError: a task that was waited for failed or was canceled.
        """
        pending = [task for task in dict.fromkeys(wait_list) if isinstance(task, int)]
        pause = _FIRST_PAUSE
        while pending:
            pending = self._unfinished(pending)
            if pending:
                nap(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        subtasks = [self._spawn(*task) for task in task_list]
        if subtasks:
            self.wait(subtasks, all=True)

    def _unfinished(self, tasks: List[int]) -> List[int]:
        """Which of the tasks have yet to end; one question for all."""
        unfinished = []
        for task_id, info in zip(tasks, self.session.getTaskInfo(tasks)):
            if info is None:
                self.logger.debug("invalid task id %s, removing from wait_list", task_id)
            elif info["state"] in _FAILED:
                raise koji.GenericError(f"Dependency {task_id} failed to complete.")
            elif info["state"] != koji.TASK_STATES["CLOSED"]:
                unfinished.append(task_id)
        return unfinished

    def _spawn(self, method: str, arguments: List[Any], options: Any = None) -> int:
        opts: Dict[str, Any] = dict(options or {})
        return int(self.session.host.subtask(method=method, arglist=arguments, parent=self.id, **opts))
