"""The signal that wakes a waiting task: SIGUSR2, kept in a pipe so that none is lost.

The daemon sends it when a subtask has ended. A task that sleeps by signal.pause misses one that arrives just before it
falls asleep (contract 11, item 17); a byte in a pipe waits until somebody looks.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import Any, Optional


class Wakeup:
    """The pipe between the signal's handler and the wait."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)

    def notify(self, *_signal: Any) -> None:
        """Wake whoever sleeps, now or when it is about to; also the signal's handler."""
        # a full pipe wakes as well as one byte more would
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def clear(self) -> None:
        """Forget the signals so far: what they told of is about to be looked at."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def sleep(self, seconds: float) -> bool:
        """Sleep until there is a signal since the last `clear`, at most so many seconds; True when there was one."""
        return bool(self._poll.poll(max(0.0, seconds) * 1000))

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._reader)
        os.close(self._writer)


_installed: Optional[Wakeup] = None


def install_wakeup() -> Wakeup:
    """Have SIGUSR2 wake this process's waits from now on; a process that was forked needs its own (contract 5.1)."""
    global _installed
    if _installed is not None and _installed.pid != os.getpid():
        _installed.close()  # the parent's pipe: this process would steal from it
        _installed = None
    if _installed is None:
        _installed = Wakeup()
    signal.signal(signal.SIGUSR2, _installed.notify)
    return _installed


def nap(seconds: float) -> None:
    """Sleep between two questions to the hub; the daemon cuts it short when something has ended here."""
    wakeup = current_wakeup()
    wakeup.sleep(seconds)
    wakeup.clear()


def current_wakeup() -> Wakeup:
    """This process's wake-up, installed now if it was not."""
    if _installed is None or _installed.pid != os.getpid():
        return install_wakeup()
    return _installed
