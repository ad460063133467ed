"""Time limits of tasks: those that are too old, and those that have come to a stand (options, off by default)."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from kojid.config.options import Options
from kojid.daemon import tasklog
from kojid.daemon.jobs import Job
from kojid.daemon.places import Places
from kojid.daemon.supervisor import Supervisor
from kojid.system.processes import CLOCK_TICKS, cpu_seconds

_log = logging.getLogger("koji.TaskManager")
_BUSY = 0.01  # of a processor; what merely waits uses less


@dataclass
class Progress:
    """When a task was last seen to get on, and how far it was then.

    Args:
        since: monotonic time.
        cpu: seconds of processor time.
        logged: bytes in its logs.
    """

    since: float
    cpu: float
    logged: int


class TimeLimits:
    """Watches over the tasks.

    Args:
        options: `task_idle_timeout` and `task_max_age`.
        supervisor: has a task fail.
        places: knows where its logs are.
    """

    def __init__(self, options: Options, supervisor: Supervisor, places: Places) -> None:
        self._options = options
        self._supervisor = supervisor
        self._places = places

    def check(self, tasks: Mapping[int, Mapping[str, Any]]) -> None:
        """Have tasks fail whose time is up; `tasks` are the hub's rows of the open ones by id."""
        for job in self._supervisor.jobs:
            if job.ending is None and job.task_id in tasks:
                why = self._why_too_old(job) or self._why_idle(job, waiting=bool(tasks[job.task_id].get("waiting")))
                if why:
                    _log.warning("task %s (%s, pid %s) fails: %s", job.task_id, job.method, job.pid, why)
                    self._supervisor.fail(job, why)

    def _why_too_old(self, job: Job) -> str:
        limit = self._options.task_max_age
        # Counted from the start of its process: it may be older than this daemon.
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - job.process.start_time / CLOCK_TICKS
        return f"the task runs for longer than task_max_age allows ({limit} seconds)" if 0 < limit < age else ""

    def _why_idle(self, job: Job, *, waiting: bool) -> str:
        limit = self._options.task_idle_timeout
        if limit <= 0:
            return ""
        now = Progress(time.monotonic(), self._cpu(job), sum(self._log_sizes(job)))
        before = job.progress
        if before is None or waiting or now.logged != before.logged or _worked(before, now):
            job.progress = now
            return ""
        if now.since - before.since <= limit:
            return ""
        return f"the task has come to a stand: no log grew and no processor time was used for {limit} seconds"

    def _cpu(self, job: Job) -> float:
        """Processor time so far: the group also counts what has ended, if the task could enter it."""
        grouped = (job.group.cpu_seconds() if job.group else None) or 0.0
        return max(grouped, sum(cpu_seconds(state.pid) for state in job.family.look()))

    def _log_sizes(self, job: Job) -> Iterator[int]:
        logs = [chroot / "result" for chroot in self._places.chroots(job.task_id)]
        if job.workdir:
            logs.append(Path(job.workdir))
        yield from _sizes([tasklog.path_of(job.task_id, self._options.task_log_dir)])
        for directory in logs:
            yield from _sizes(directory.glob("*.log"))


def _worked(before: Progress, now: Progress) -> bool:
    return now.cpu - before.cpu > _BUSY * max(1.0, now.since - before.since)


def _sizes(paths: Iterable[Path]) -> Iterator[int]:
    for path in paths:
        with contextlib.suppress(OSError):
            yield os.lstat(path).st_size
