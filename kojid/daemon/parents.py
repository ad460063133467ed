"""Parents that wait for their subtasks: they fill no place, so something else must bound how many there are.

A task without a parent is turned away, for another host or for later, while as many tasks wait here as may and it is of
a kind that does. Subtasks are always let in: those that wait here may be waiting for them (contract 11.1, item 7).
"""

from __future__ import annotations

import logging
from typing import Any, Mapping

from kojid.config.options import Options
from kojid.daemon import admission
from kojid.daemon.schedule.refusals import Refusals
from kojid.daemon.supervisor import Supervisor

_log = logging.getLogger("koji.TaskManager")


class Parents:
    """Bounds the waiting tasks.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
        supervisor: knows the methods of the tasks that run here.
        refusals: how a task is left to other hosts.
    """

    def __init__(self, session: Any, options: Options, supervisor: Supervisor, refusals: Refusals) -> None:
        self._session = session
        self._limit = admission.max_waiting(options)
        self._supervisor = supervisor
        self._refusals = refusals

    def turned_away(self, task: Mapping[str, Any], open_tasks: Mapping[int, Mapping[str, Any]]) -> bool:
        """Refuse a task, softly, that would add to too many waiting ones; returns whether it was refused.

        Args:
            task: the hub's row of a task that is assigned to this host.
            open_tasks: the open tasks of this host, by id.
        """
        waiting = [task_id for task_id, row in open_tasks.items() if row["waiting"]]
        if not self._limit or len(waiting) < self._limit:
            return False
        jobs = [self._supervisor.job_of(task_id) for task_id in waiting]
        if task["method"] not in {job.method for job in jobs if job is not None}:
            return False
        info = self._session.getTaskInfo(task["id"])
        if info is None or info["parent"] is not None:
            return False
        why = f"{len(waiting)} tasks wait for their subtasks here, max_waiting is {self._limit}"
        _log.info("Refusing task %s: %s", task["id"], why)
        self._refusals.refuse(task["id"], why)
        return True
