"""The tasks that run here: one record each, from the fork to the moment when nothing of it is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Dict, Iterator, Optional

from kojid.system.termination import Termination


@dataclass
class Job:
    """A task with a process of its own.

    Args:
        task_id: the hub's id.
        method: the task's method.
        pid: its process, leader of its session.
        pidfd: readable when the process has ended; None where the kernel has no pidfds.
        session_id: its subsession on the hub.
        events: read end of the pipe on which the process tells of hub calls that matter to the loop.
        started: monotonic time of the fork.
        ending: set while it is being ended.
    """

    task_id: int
    method: str
    pid: int
    pidfd: Optional[int]
    session_id: int
    events: int
    started: float = field(default_factory=time.monotonic)
    ending: Optional[Termination] = None


class Jobs:
    """The jobs by task id; a process that is not one of them is nobody's."""

    def __init__(self) -> None:
        self._by_task: Dict[int, Job] = {}

    def add(self, job: Job) -> None:
        """Remember a job."""
        self._by_task[job.task_id] = job

    def forget(self, job: Job) -> None:
        """Its process has been reaped."""
        self._by_task.pop(job.task_id, None)

    def get(self, task_id: int) -> Optional[Job]:
        """The job of a task, if it runs here."""
        return self._by_task.get(task_id)

    def pids(self) -> Dict[int, int]:
        """Task id to process id, as the log shows them."""
        return {task_id: job.pid for task_id, job in sorted(self._by_task.items())}

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._by_task.values()))

    def __len__(self) -> int:
        return len(self._by_task)
