"""How tasks began and ended, counted for the metrics: each task's end once, by whoever is the first to know it.

A task's own process counts its end once the hub knows it. Of one that could not say so the daemon counts what it sees:
that it ended the task, that the process died, or, of one that ended while no daemon ran, what the hub has of it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any, Deque, Dict, Optional

from kojid.daemon.jobs import Job
from kojid.metrics import tally
from kojid.system.child import ExitStatus
from kojid.system.processes import CLOCK_TICKS, ProcessId
from kojid.system.termination import Termination

_log = logging.getLogger("koji.TaskManager")
REMAINS, ORPHAN, STRAY = "remains", "orphan", "stray"  # kinds of leaked processes
HOST, PACKAGE, LIMIT, INTERNAL = "host", "package", "limit", "internal"
DROPPED, STOPPED, LOST, UNKNOWN = "dropped", "stopped", "lost", "unknown"
_leaks: Deque[ProcessId] = deque(maxlen=1000)  # one may be met as what a task left and as an orphan at the same time
# The hub's calls that end a task, and its states of tasks that a daemon finds ended.
OUTCOMES: Dict[str, str] = {"closeTask": "closed", "failTask": "failed", "refuseTask": "refused", "freeTasks": "freed"}
STATES: Dict[str, str] = {"CLOSED": "closed", "FAILED": "failed", "CANCELED": STOPPED, "FREE": "freed"}


def began(method: str) -> None:
    """The process of a task was started."""
    tally.count("kojid_tasks_started_total", method)


def ended(method: str, outcome: str) -> None:
    """A task has ended."""
    tally.count("kojid_tasks_ended_total", method, outcome)


def found_ended(method: str, state: str) -> None:
    """A task of a former daemon has ended; `state` is what the hub has of it."""
    ended(method, STATES.get(state, UNKNOWN))


def fault(method: str, kind: str) -> None:
    """A task has a fault."""
    tally.count("kojid_task_faults_total", method, kind)


def exited(job: Job, status: Optional[ExitStatus], *, outcome_left: bool) -> None:
    """The process of a task has ended.

    Args:
        job: the task.
        status: how; None of one that is no child of this daemon.
        outcome_left: whether its outcome is still to be delivered, and counted then.
    """
    tally.observe("kojid_task_duration_seconds", _age(job), job.method)
    if job.told or outcome_left:
        return
    if job.ending is not None:
        ended(job.method, STOPPED)
    else:
        ended(job.method, LOST if status is not None and not status.ok else UNKNOWN)


def _age(job: Job) -> float:
    """Seconds since its process was started, maybe by a former daemon."""
    began = job.process.start_time / float(CLOCK_TICKS)
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)


def leaked(kind: str, number: int) -> None:
    """So many processes were left behind."""
    tally.count("kojid_leaked_processes_total", kind, amount=float(number))


def ended_by_force(ending: Termination, leak: str) -> None:
    """A process tree has been ended; `leak` is what kind of leak the processes were, empty for none."""
    new = ending.met.difference(_leaks) if leak else set()
    if new:
        _leaks.extend(new)
        leaked(leak, len(new))
    if ending.leftover:
        tally.count("kojid_unkillable_processes_total", amount=float(len(ending.leftover)))


def heard(text: str) -> None:
    """Another process has counted this."""
    try:
        tally.merge(text)
    except (ValueError, TypeError) as error:
        _log.debug("what a task has counted can't be used: %s", error)


class Pickups:
    """How long tasks take from the hub's offer to the start of their process."""

    def __init__(self) -> None:
        self._offered: Dict[int, float] = {}

    def offered(self, tasks: Any) -> None:
        """The hub has assigned these tasks to this host; of those that it offers no more nothing is kept."""
        now = time.monotonic()
        self._offered = {task["id"]: self._offered.get(task["id"], now) for task in tasks}

    def tried(self, task_id: int) -> None:
        """A task that this host has chosen by itself is being taken."""
        self._offered.setdefault(task_id, time.monotonic())

    def started(self, handler: Any) -> None:
        """The process of a task was started."""
        since = self._offered.pop(handler.id, None)
        if since is not None:
            tally.observe("kojid_task_pickup_seconds", time.monotonic() - since)
        made = (getattr(handler, "taskinfo", None) or {}).get("create_ts")
        if isinstance(made, (int, float)):
            tally.observe("kojid_task_queue_seconds", max(0.0, time.time() - made))
