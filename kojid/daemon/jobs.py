"""The tasks that run here, from the fork to the moment when nothing of them is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, Optional

from kojid.daemon.records import TaskRecord
from kojid.system.cgroups import Group
from kojid.system.processes import ProcessId
from kojid.system.termination import Family, Termination


@dataclass
class Job:
    """A task with a process of its own.

    Args:
        task_id: the hub's id.
        method: the task's method.
        process: its process, leader of its session.
        pidfd: readable when the process has ended; None where the kernel has no pidfds.
        session_id: its subsession on the hub.
        family: the process with all that descends from it.
        group: its control group, if it has one.
        child: whether the process is a child of this daemon, not of one before it.
        workdir: its working directory.
        started: monotonic time of the fork, or of the re-attachment.
        ending: set while it is being ended, and while what it left behind is.
        progress: what the time limits remember of it.
        record: what the ledger has of it.
        told: whether its process has counted its end.
        over: whether the hub knows how it ended.
    """

    task_id: int
    method: str
    process: ProcessId
    pidfd: Optional[int]
    session_id: int
    family: Family
    group: Optional[Group] = None
    child: bool = True
    workdir: Optional[str] = None
    started: float = field(default_factory=time.monotonic)
    ending: Optional[Termination] = None
    progress: Any = None
    record: Optional[TaskRecord] = None
    told: bool = False
    over: bool = False

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self.process.pid


class Jobs:
    """The jobs by task id; a process that is not one of them is nobody's."""

    def __init__(self) -> None:
        self._by_task: Dict[int, Job] = {}

    def add(self, job: Job) -> None:
        """Remember a job."""
        self._by_task[job.task_id] = job

    def forget(self, job: Job) -> None:
        """Its process is gone."""
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
