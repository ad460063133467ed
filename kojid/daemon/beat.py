"""When the next cycle starts (design, decision 5).

A quiet builder keeps the beat of `sleeptime`. An event (a task ended here, made a subtask or began to wait, a signal)
starts a cycle at once and further ones after 0.5, 1, 2, 4 … seconds up to the beat, because that is when the hub is
likely to have something for us. A cycle that failed is repeated with a growing pause, never slower than the beat.
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
    """

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self.next = now
        self._last = now - interval
        self._step: Optional[float] = None
        self._backoff: Optional[float] = None

    def event(self, now: float) -> None:
        """Something happened that makes new work likely."""
        self._step = _FIRST_STEP
        if self._backoff is None:
            self.next = min(self.next, max(now, self._last + _SHORTEST_GAP))

    def done(self, now: float, *, again: bool) -> float:
        """A cycle went through; `again` asks for the next one at once. Returns the pause until the next one."""
        self._last, self._backoff = now, None
        if again:
            self._step = _FIRST_STEP
            return self._pause(now, 0.0)
        if self._step is None:
            return self._pause(now, self.interval)
        pause = min(self._step, self.interval)
        self._step = None if self._step >= self.interval else self._step * 2
        return self._pause(now, pause)

    def failed(self, now: float) -> float:
        """A cycle failed; returns the pause until the next try, with jitter so that a fleet does not move in step."""
        self._last = now
        limit = _FIRST_BACKOFF if self._backoff is None else self._backoff * 2
        self._backoff = min(limit, max(self.interval, _FIRST_BACKOFF))
        return self._pause(now, self._backoff * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    def _pause(self, now: float, seconds: float) -> float:
        self.next = now + seconds
        return seconds
