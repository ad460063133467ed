"""Choosing among free tasks as builders did before hubs had a scheduler (contract 4.4; hubs up to 1.33).

A bin is a channel with an arch. Every host knows the load of all hosts of its bins; the one with the most capacity
left takes a task at once, the others wait the longer the more hosts are better placed than they are.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Container, Dict, Iterator, List, Sequence, Tuple

import koji

from kojid.daemon.schedule.base import IsHere, Task
from kojid.daemon.schedule.refusals import Refusals

_log = logging.getLogger("koji.TaskManager")
_FREE = koji.TASK_STATES["FREE"]
_ASSIGNED = koji.TASK_STATES["ASSIGNED"]
_FORGET_AFTER = 10  # times the delay: by then a task was taken, or can't be


class Bins:
    """Which of the free tasks this host takes now.

    Args:
        host_id: this host.
        methods: the task methods that it has handlers for.
        delay: `task_avail_delay`, seconds that the worst placed host waits.
        refusals: tasks that it does not want.
        is_here: whether a task is open or running here.
        clock: seconds of a clock that nobody sets.
    """

    question = "host.getLoadData"
    at_once = 1  # each one taken changes this host's place among the others

    def __init__(
        self,
        host_id: int,
        methods: Container[str],
        delay: float,
        refusals: Refusals,
        is_here: IsHere,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host_id = host_id
        self._methods = methods
        self._delay = float(delay)
        self._refusals = refusals
        self._is_here = is_here
        self._clock = clock
        self._first_seen: Dict[int, float] = {}
        self._available = 0.0

    def candidates(self, answer: Tuple[List[Dict[str, Any]], List[Task]]) -> Iterator[Task]:
        """See `Schedule`; raises koji.GenericError for a task in a state that nobody could take it in."""
        hosts, tasks = answer
        _log.debug("Load Data:")
        _log.debug("  hosts: %r", hosts)
        _log.debug("  tasks: %r", tasks)
        own = next((host for host in hosts if host["id"] == self._host_id), None)
        bins = {} if own is None else self._others(hosts, own)
        _log.debug("bins: %r", dict.fromkeys(bins, 1))
        if own is None:
            _log.info("Server did not report this host. Are we disabled?")
            return
        if not bins:
            _log.info("No bins for this host. Missing channel/arch config?")
        self._available = _available(own)
        self._forget()
        for task in tasks:
            _log.debug("task: %r", task)
            if self._is_for_us(task, bins):
                yield task

    def took(self, weight: float) -> None:
        """See `Schedule`: this host's place among the others is another one now."""
        self._available -= weight

    def _others(self, hosts: Sequence[Dict[str, Any]], own: Dict[str, Any]) -> Dict[str, List[float]]:
        """The bins of this host, with the available capacity of every other host of each."""
        bins: Dict[str, List[float]] = {name: [] for name in _bins(own)}
        for host in hosts:
            if host is own:
                continue
            for name in bins.keys() & set(_bins(host)):
                bins[name].append(_available(host))
        return bins

    def _is_for_us(self, task: Task, bins: Dict[str, List[float]]) -> bool:
        state, task_id = task["state"], task["id"]
        if state not in (_FREE, _ASSIGNED):
            raise koji.GenericError(f"Invalid task state reported by server: {dict(task)}")
        assigned = state == _ASSIGNED
        if self._refusals.in_force(task_id, assigned=assigned):
            return False
        if self._is_here(task_id):
            _log.debug("Task %s freed or reassigned", task_id)
            return False
        if assigned:
            _log.debug("task is assigned")
            return bool(task["host_id"] == self._host_id)
        if task["method"] not in self._methods:
            _log.warning("Skipping task %s, no handler for method %s", task_id, task["method"])
            self._refusals.note(task_id, soft=False)
            return False
        name = f"{task['channel_id']}:{task['arch']}"
        _log.debug("task is free, bin=%r", name)
        return name in bins and not self._waits(task_id, bins[name])

    def _waits(self, task_id: int, others: Sequence[float]) -> bool:
        """Whether better placed hosts still have their chance (contract 4.4, step 8)."""
        seen = self._first_seen.setdefault(task_id, self._clock())
        age, rank = self._clock() - seen, self._rank(others)
        if age < self._delay * rank:
            _log.debug("skipping task %i, age=%s rank=%s", task_id, int(age), rank)
            return True
        del self._first_seen[task_id]
        return False

    def _rank(self, others: Sequence[float]) -> float:
        """0.0 for the host with the most capacity left in a bin, 1.0 for the one with the least."""
        if not others:
            return 0.0
        return sum(1 for other in others if other > self._available) / len(others)

    def _forget(self) -> None:
        oldest = self._clock() - _FORGET_AFTER * self._delay
        self._first_seen = {task_id: seen for task_id, seen in self._first_seen.items() if seen >= oldest}


def _bins(host: Dict[str, Any]) -> List[str]:
    arches = [*(host["arches"] or "").split(), "noarch"]
    return [f"{channel}:{arch}" for channel in host["channels"] for arch in arches]


def _available(host: Dict[str, Any]) -> float:
    return float(host["capacity"] - host["task_load"])
