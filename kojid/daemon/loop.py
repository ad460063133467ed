"""The one loop of the daemon: child exits, signals, messages of tasks and timers over a single selector.

Nothing in here waits for anything but the selector (design, decision 4). Callbacks run in the loop and must not block.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import signal
import time
from types import FrameType
from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple

Callback = Callable[[], None]


class Interrupted(BaseException):
    """A signal that ends the daemon came while it waited for the hub."""


class Loop:
    """A selector with timers and signals; `close` puts the process's signals back as they were."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: List[Tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._signals: Dict[int, Callback] = {}
        self._urgent: Set[int] = set()
        self._interruptible = False
        self._pending: List[int] = []
        self._previous: Dict[int, object] = {}
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self.watch(self._reader, self._drain)

    def watch(self, fd: int, callback: Callback, *, writable: bool = False) -> None:
        """Call `callback` whenever `fd` is readable, or when it is `writable`.

        A pidfd is readable when its process has ended.
        """
        self._selector.register(fd, selectors.EVENT_WRITE if writable else selectors.EVENT_READ, callback)

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`; nothing happens if it is not watched."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def at(self, when: float, callback: Callback) -> None:
        """Call `callback` once at the monotonic time `when`."""
        heapq.heappush(self._timers, (when, next(self._order), callback))

    def on_signal(self, number: int, callback: Callback, *, urgent: bool = False) -> None:
        """Call `callback` from the loop after signal `number`, never in the middle of something else.

        An `urgent` signal also ends, by `Interrupted`, what runs inside `interruptible`.
        """
        self._signals[number] = callback
        if urgent:
            self._urgent.add(number)
        self._previous.setdefault(number, signal.signal(number, self._note))

    def _note(self, number: int, _frame: Optional[FrameType]) -> None:
        self._pending.append(number)
        if self._interruptible and number in self._urgent:
            raise Interrupted

    @contextlib.contextmanager
    def interruptible(self, allowed: bool = True) -> Iterator[None]:
        """Let urgent signals break into a wait for the hub; with `allowed` off, keep them out for a while."""
        before, self._interruptible = self._interruptible, allowed
        try:
            yield
        finally:
            self._interruptible = before

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 512):
                pass

    def turn(self, until: float) -> None:
        """Run callbacks of whatever happens up to the monotonic time `until`, at most one round of them."""
        deadline = min(until, self._timers[0][0]) if self._timers else until
        timeout = 0.0 if self._pending else max(0.0, deadline - time.monotonic())
        for key, _events in self._selector.select(timeout):
            key.data()
        while self._pending:
            callback = self._signals.get(self._pending.pop(0))
            if callback is not None:
                callback()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        """Give the signals back and close the descriptors."""
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, previous in self._previous.items():
            signal.signal(number, previous)  # type: ignore[arg-type]
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptors; all that is left to do in a forked child, whose signals are its own."""
        self._selector.close()
        os.close(self._reader)
        os.close(self._writer)
