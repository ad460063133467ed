"""Tasks that this host does not want: told to the hub where it keeps refusals, else remembered here (contract 4.5)."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Dict, NamedTuple

from kojid.hub import capabilities

_log = logging.getLogger("koji.TaskManager")
SOFT_SECONDS = 900.0  # as long as a hub keeps a soft refusal (contract 4.3)
HARD_SECONDS = 86400.0  # "for good", in a memory that must not grow for ever


class _Refusal(NamedTuple):
    until: float
    soft: bool


class Refusals:
    """What was refused, and how.

    Args:
        session: the daemon's hub session.
        clock: seconds of a clock that nobody sets.
        seconds: how long a soft refusal is remembered here.
    """

    def __init__(
        self, session: Any, clock: Callable[[], float] = time.monotonic, seconds: float = SOFT_SECONDS
    ) -> None:
        self._seconds = seconds
        self._session = session
        self._clock = clock
        self._kept: Dict[int, _Refusal] = {}

    def refuse(self, task_id: int, msg: str, *, soft: bool = True, opened: bool = False) -> None:
        """Let another host have a task.

        Args:
            task_id: the task.
            msg: why, for whoever looks at the hub.
            soft: for a while; else for good.
            opened: it is open here, and has to be given back.
        """
        if capabilities.of(self._session).takes_refusals:
            self._session.host.refuseTask(task_id, soft=soft, msg=msg)
            return
        if opened:
            self._session.host.freeTasks([task_id])
        self.note(task_id, soft=soft)

    def note(self, task_id: int, *, soft: bool = True) -> None:
        """Remember here that a task is not wanted."""
        now = self._clock()
        self._kept = {known: refusal for known, refusal in self._kept.items() if refusal.until > now}
        self._kept[task_id] = _Refusal(now + (self._seconds if soft else HARD_SECONDS), soft)
        _log.debug("Leaving task %s to other hosts for %g s", task_id, self._kept[task_id].until - now)

    def in_force(self, task_id: int, *, assigned: bool = False) -> bool:
        """Whether a task is not to be tried now; one that somebody `assigned` to this host is, unless for good."""
        refusal = self._kept.get(task_id)
        if refusal is None or refusal.until <= self._clock():
            return False
        return not (assigned and refusal.soft)
