"""When the next cycle starts (design, decision 5).

A quiet builder keeps the beat of `sleeptime`: a whole cycle each. An event (a task ended here, made a subtask or began
to wait, a signal) starts a cycle at once and further ones after 0.5, 1, 2, 4 … seconds up to the beat, because that is
when the hub is likely to have something for us; so does, with the option `taskpoll`, the passing of so many seconds.
Those do not move the beat and are light. A cycle that failed is repeated with a growing pause, never slower than the
beat.
"""

from __future__ import annotations

import random
from typing import Optional

_FIRST_STEP = 0.5  # seconds after an event's own cycle
_SHORTEST_GAP = 0.05  # seconds between two cycles however many events arrive
_FIRST_BACKOFF = 1.0


class Beat:
    """Paces the cycles; all times are seconds of one monotonic clock.

    Args:
        interval: seconds between two cycles of a quiet builder (`sleeptime`).
        now: the time of the first cycle.

    Attributes:
        poll: seconds between two looks for tasks; 0 for none between the beats.
    """

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self.next = now
        self.poll = 0.0
        self._due = now
        self._last = now - interval
        self._step: Optional[float] = None
        self._backoff: Optional[float] = None

    def whole(self, now: float) -> bool:
        """Whether the cycle that begins now is a beat."""
        return now >= self._due - _SHORTEST_GAP

    def event(self, now: float, *, whole: bool = False) -> None:
        """Something happened that makes new work likely; `whole` if the next cycle has to look at everything."""
        self._step = _FIRST_STEP
        if whole:
            self._due = min(self._due, now)
        if self._backoff is None:
            self.next = min(self.next, max(now, self._last + _SHORTEST_GAP))

    def done(self, now: float, *, again: bool, whole: bool = True) -> float:
        """A cycle went through; returns the pause until the next one.

        Args:
            now: its end.
            again: whether the next one is wanted at once.
            whole: whether it was a beat.
        """
        self._last, self._backoff = now, None
        if whole:
            self._due = now + self.interval
        if again:
            self._step = _FIRST_STEP
            return self._pause(now, 0.0)
        pause = min(self.interval, max(0.0, self._due - now))
        if self.poll:
            pause = min(pause, self.poll)
        if self._step is not None:
            pause = min(pause, self._step)
            self._step = None if self._step >= self.interval else self._step * 2
        return self._pause(now, pause)

    def failed(self, now: float) -> float:
        """A cycle failed; returns the pause until the next try, with jitter so that a fleet does not move in step.

        That try is a whole one: what has become of the failed cycle's calls is not known.
        """
        self._last = self._due = now
        limit = _FIRST_BACKOFF if self._backoff is None else self._backoff * 2
        self._backoff = min(limit, max(self.interval, _FIRST_BACKOFF))
        return self._pause(now, self._backoff * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    def _pause(self, now: float, seconds: float) -> float:
        self.next = now + seconds
        return seconds
