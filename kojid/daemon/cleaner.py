"""Cleaning up in a process of its own, one at a time, last in line for processor and disk.

Whatever is due is offered in each cycle; the oldest goes first. One that fails is left for a while, longer each time.
The process ends with the daemon, and what it had begun is taken up again later: every chore may be done twice.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from kojid.daemon.supervisor import Supervisor
from kojid.errors import HostFault, KojidError, explain
from kojid.system import locks, priority, syscalls
from kojid.system.child import ExitStatus

_log = logging.getLogger("koji.TaskManager")
_FIRST_BACKOFF = 60.0
_LONGEST_BACKOFF = 6 * 3600.0
_LONG = 3600.0  # seconds after which a chore under way is worth a line
_ELSEWHERE = 75  # exit status: another daemon's process cleans up here


@dataclass(frozen=True)
class Chore:
    """Something to clean up.

    Args:
        key: what it is, the same each time it is offered; shown in the log.
        age: seconds since it became garbage.
        work: does it, in the helper process.
        done: called in the daemon when it went through.
        why: why it may go, for whoever asks.
        paths: what is emptied or removed.
        doing: what the log says of it.
    """

    key: str
    age: float
    work: Callable[[], None]
    done: Callable[[], None] = lambda: None
    why: str = ""
    paths: Sequence[Path] = ()
    doing: str = "Cleaning up"


@dataclass(frozen=True)
class _Failure:
    again: float
    backoff: float


class Cleaner:
    """Does the chores.

    Args:
        supervisor: runs the process.
        directory: whoever cleans up in it locks it meanwhile.
        told: called with the key of each chore that has ended, and whether it went through.
    """

    def __init__(
        self, supervisor: Supervisor, directory: str, told: Callable[[str, bool], None] = lambda _key, _well: None
    ) -> None:
        self._supervisor = supervisor
        self._told = told
        self._directory = directory
        self._queue: List[Chore] = []
        self._current: Optional[Chore] = None
        self._warn_at = 0.0
        self._failures: Dict[str, _Failure] = {}

    @property
    def current(self) -> str:
        """The key of the chore under way; empty when there is none."""
        return self._current.key if self._current else ""

    def willing(self, key: str) -> bool:
        """Whether a chore could be done now: it is neither under way nor being left for a while."""
        failure = self._failures.get(key)
        return key != self.current and (failure is None or time.monotonic() >= failure.again)

    def forgive(self) -> None:
        """What failed before may be tried again at once."""
        self._failures.clear()

    def offer(self, chores: Sequence[Chore]) -> None:
        """All that is due now; it replaces what was offered before. Of two with one key the later one counts."""
        due = {chore.key: chore for chore in chores if chore.key != self.current}
        self._queue = sorted(due.values(), key=lambda chore: chore.age)
        if self._current is not None and time.monotonic() >= self._warn_at:
            self._warn_at = float("inf")
            _log.warning("cleaning up %s takes more than %d minutes; the rest waits", self.current, _LONG / 60)
        self._next()

    def _next(self) -> None:
        while self._current is None and self._queue:
            chore = self._queue.pop()
            if self.willing(chore.key):
                self._start(chore)

    def _start(self, chore: Chore) -> None:
        self._current, self._warn_at = chore, time.monotonic() + _LONG
        _log.info("%s: %s", chore.doing, chore.key)
        try:
            self._supervisor.help_with(
                lambda: _main(chore, self._directory), "cleanup", lambda status: self._ended(chore, status)
            )
        except HostFault as error:
            _log.warning("%s", explain(error))
            self._fail(chore)
            self._current = None

    def _ended(self, chore: Chore, status: ExitStatus) -> None:
        self._current = None
        self._told(chore.key, status.ok)
        if status.ok:
            self._failures.pop(chore.key, None)
            chore.done()
        else:
            backoff = self._fail(chore)
            if status.code != _ELSEWHERE:
                _log.warning("%s could not be cleaned up, see above; trying again in %d s", chore.key, backoff)
        self._next()

    def _fail(self, chore: Chore) -> float:
        before = self._failures.get(chore.key)
        backoff = _FIRST_BACKOFF if before is None else min(before.backoff * 2, _LONGEST_BACKOFF)
        self._failures[chore.key] = _Failure(time.monotonic() + backoff, backoff)
        return backoff


def _main(chore: Chore, directory: str) -> None:
    """The helper process; its exit status tells how it went."""
    _become_helper()
    try:
        lock = locks.hold(Path(directory), 0)
        if lock is None:
            _log.info("another process cleans up below %s", directory)
            sys.exit(_ELSEWHERE)
        try:
            chore.work()
        finally:
            os.close(lock)
    except (KojidError, OSError) as error:
        _log.warning("%s: %s", chore.key, explain(error))
        sys.exit(1)


def _become_helper() -> None:
    # What is half removed when the daemon dies is taken up again by the next one, not beside it.
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    priority.step_back()
