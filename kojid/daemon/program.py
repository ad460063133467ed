"""This program as it was called: how it starts anew in place under its process id (contract 1.4; 11.1, item 13)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any, Callable, List, Sequence

# A signal that comes before the new program has its handlers would end it without a word; these wait until then.
HELD_BACK = (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


class Terminated(BaseException):
    """TERM or INT came while there was no loop to take it."""


def raise_on_term() -> None:
    """Have TERM and INT raise `Terminated` wherever no loop takes them, from now on."""

    def leave(number: int, _frame: Any) -> None:
        raise Terminated(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))


class Program:
    """How to start it anew. Made before it goes into the background, for paths may be relative.

    Args:
        argv: the command line.
        check: raises KojidError when the configuration, as it is now, can't be used.
        detached: whether it goes into the background.
    """

    def __init__(self, argv: Sequence[str], check: Callable[[], None], *, detached: bool) -> None:
        self._argv = [os.path.abspath(argv[0]), *argv[1:]]
        self._directory = os.getcwd()
        self._detached = detached
        self.check = check

    def execute(self) -> None:
        """Replace this process; does not return. Raises OSError when the program is gone."""
        arguments: List[str] = [*self._argv[1:]]
        if self._detached and not {"-f", "--fg"} & set(arguments):
            arguments.append("--fg")  # already in the background: the process id stays
        with contextlib.suppress(OSError):
            os.chdir(self._directory)
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        os.execv(sys.executable, [sys.executable, self._argv[0], *arguments])  # noqa: S606
