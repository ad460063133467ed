"""Taking up the tasks of a former daemon, and settling those that ended while none looked (design, decision 7).

What became of each task is one line in the log.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Dict, List, Mapping

import koji

from kojid.config.options import Options
from kojid.daemon import outcomes, score
from kojid.daemon.endings import steps_of
from kojid.daemon.ledger import Ledger
from kojid.daemon.places import Places
from kojid.daemon.records import TaskRecord
from kojid.daemon.supervisor import Supervisor
from kojid.metrics import tally
from kojid.system import processes
from kojid.system.termination import Family, Termination

_log = logging.getLogger("koji.TaskManager")


def describe(record: TaskRecord) -> str:
    """A task on record in words."""
    label = record.subject if record.subject.startswith(record.method) else f"{record.method} {record.subject}"
    return f"task {record.task_id} ({label}, pid {record.pid})"


class Reattachment:
    """Settles the ledger's records with the machine and with the hub.

    Args:
        ledger: the records.
        supervisor: takes the living tasks.
        session: the daemon's hub session.
    """

    def __init__(self, ledger: Ledger, supervisor: Supervisor, session: Any) -> None:
        self._ledger = ledger
        self._supervisor = supervisor
        self._session = session

    def begin(self) -> None:
        """Take up what lives, and end what those that do not have left behind; the hub is not asked."""
        for record in self._ledger.tasks():
            if self._supervisor.attach(record) is not None:
                _log.info("%s still runs: re-attached", describe(record))
                tally.count("kojid_tasks_reattached_total")
            else:
                self._supervisor.sweep(record)
        self._supervisor.end_strays()

    def settle(self, stale: List[int]) -> List[int]:
        """Tell the hub what became of tasks that run no more, and drop their records.

        Args:
            stale: tasks that the hub has as open here and that have no process.

        Returns:
            Those of them that are to be freed; see `freed`.

        Raises:
            koji.GenericError, requests.RequestException: the hub could not be told; nothing is lost by that.
        """
        left = {one.task_id: one for one in self._ledger.tasks() if not self._is_here(one.task_id)}
        free = [task_id for task_id in stale if not self._deliver(task_id, left)]
        for task_id in stale:
            left.pop(task_id, None)
        self._drop(left)
        return free

    def _is_here(self, task_id: int) -> bool:
        return self._supervisor.job_of(task_id) is not None or self._supervisor.sweeping(task_id)

    def _deliver(self, task_id: int, left: Mapping[int, TaskRecord]) -> bool:
        outcome = self._ledger.outcome(task_id)
        if outcome is None:
            return False
        record = left.get(task_id)
        name = describe(record) if record else f"task {task_id}"
        _log.info("%s has ended, its outcome is delivered now: %s", name, outcome.call)
        method = record.method if record else ""
        taken = outcomes.deliver(self._session, task_id, method, outcome)
        score.ended(method, score.OUTCOMES[outcome.call] if taken else score.DROPPED)
        self._ledger.forget_task(task_id)
        return True

    def freed(self, tasks: List[int]) -> None:
        """The hub has taken these tasks back."""
        records = {record.task_id: record for record in self._ledger.tasks()}
        for task_id in tasks:
            if task_id in records:
                _log.info("%s is gone without an outcome: freed", describe(records[task_id]))
                score.ended(records[task_id].method, score.LOST)
                self._ledger.forget_task(task_id)

    def _drop(self, left: Dict[int, TaskRecord]) -> None:
        if not left:
            return
        ids = list(left)
        for task_id, info in zip(ids, self._session.getTaskInfo(ids)):
            state = koji.TASK_STATES[info["state"]] if info else "unknown"
            _log.info("%s has ended; the hub has it as %s", describe(left[task_id]), state)
            score.found_ended(left[task_id].method, state)
            self._ledger.forget_task(task_id)


def living(ledger: Ledger) -> List[TaskRecord]:
    """The tasks on record whose process runs."""
    boot_id = processes.boot_id()
    return [record for record in ledger.tasks() if record.boot_id == boot_id and processes.is_alive(record.process)]


def end_all(ledger: Ledger, options: Options, why: str) -> None:
    """End the processes of all tasks on record, and wait for that; their records stay to be settled.

    Args:
        ledger: the records.
        options: the settings, for the time limits.
        why: for the log.
    """
    places = Places(options, ledger)
    endings: List[Termination] = []
    for record in ledger.tasks():
        if record.boot_id != processes.boot_id():
            continue
        family = places.remains(record)
        if processes.is_alive(record.process):
            _log.warning("%s is ended: %s", describe(record), why)
            family = Family(record.pid, places.chroots(record.task_id), group=places.recorded_group(record))
        endings.append(Termination(record.pid, family=family, steps=steps_of(options), root_first=True))
    _see_through(endings)


def _see_through(endings: List[Termination]) -> None:
    while endings:
        times = [(ending.advance(time.monotonic()), ending) for ending in endings]
        endings = [ending for again, ending in times if again is not None]
        for again, ending in times:
            if again is None and ending.leftover:
                _log.error("these processes do not end: %s", ending.leftover)
        pauses = [again - time.monotonic() for again, _ in times if again is not None]
        if pauses:
            time.sleep(max(0.0, min(pauses)))
