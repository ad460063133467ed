"""Task processes that are about to be started, each behind a gate of its own.

All of a batch are forked before anything else is done. After each fork the kernel copies every page of memory that the
daemon writes to next, and between two forks it would write to the same ones again: the ledger's, the log's, the hub's.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional, Sequence

from kojid.daemon import steps
from kojid.daemon.gate import Gate
from kojid.errors import HostFault
from kojid.system import forks
from kojid.system.cgroups import Group


class Start:
    """One of them.

    Args:
        handler: the task's.
        session: its subsession, which the daemon forgets as soon as the process is there.

    Attributes:
        group: its control group, if it has one.
        pid: its process, once it was forked.
        fault: why it can't be started.
    """

    def __init__(self, handler: Any, session: Any) -> None:
        self.handler = handler
        self.session = session
        self.group: Optional[Group] = None
        self.pid: Optional[int] = None
        self.fault: Optional[HostFault] = None
        self._gate: Optional[Gate] = None

    @property
    def task_id(self) -> int:
        """The hub's id."""
        return int(self.handler.id)

    @property
    def method(self) -> str:
        """The task's method."""
        return str(self.handler.method)

    def prepare(self, group: Optional[Group]) -> None:
        """Make what has to be there before the fork."""
        self.group = group
        try:
            self._gate = Gate()
        except OSError as error:
            self.fail(error)

    def fork(self, main: Callable[[], None]) -> None:
        """Fork a process that calls `main`, if there is a gate for it to wait at."""
        if self._gate is None:
            return
        try:
            self.pid = forks.fork(main, name=f"task {self.task_id}")
        except HostFault as error:
            self.fail(error)
        else:
            steps.reached("forked")

    def fail(self, error: Exception) -> None:
        """It can't be started."""
        self.fault = HostFault(f"the task can't be started: {error}")
        self.fault.__cause__ = error

    def passed(self) -> bool:
        """In the process: wait at the gate; whether it was let through."""
        return self._gate is not None and self._gate.passed()

    def let_go(self) -> None:
        """Let the process go on."""
        if self._gate is not None:
            self._gate.open()
            self._gate = None

    def leave(self) -> None:
        """Close the gate, if it was not opened: a process that waits there goes away, having done nothing."""
        if self._gate is not None:
            self._gate.shut()
            self._gate = None


def fork_all(starts: Sequence[Start], abandon: Callable[[], None], main: Callable[[Start], None]) -> None:
    """Fork the processes of a batch.

    Args:
        starts: all of it, prepared. What can't be forked has a fault then.
        abandon: called in each process at once, to close what is the daemon's.
        main: called in each process that is let through its gate.
    """
    for start in starts:
        start.fork(functools.partial(_enter, start, starts, abandon, main))


def _enter(start: Start, starts: Sequence[Start], abandon: Callable[[], None], main: Callable[[Start], None]) -> None:
    """In the process of one of them."""
    for other in starts:
        if other is not start:
            other.leave()  # its gate is not this process's
    abandon()
    if start.passed():
        main(start)
