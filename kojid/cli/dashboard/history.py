"""Figures over time, and small plots of them in characters."""

from __future__ import annotations

from collections import deque
from typing import Deque, Dict, List, Mapping, Optional

_LONGEST = 600  # samples
_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:-=+*#@"


class History:
    """The last values of each figure, the oldest first."""

    def __init__(self) -> None:
        self._values: Dict[str, Deque[Optional[float]]] = {}

    def add(self, values: Mapping[str, Optional[float]]) -> None:
        """One sample of each figure; None where it is not known."""
        for name, value in values.items():
            self._values.setdefault(name, deque(maxlen=_LONGEST)).append(value)

    def last(self, name: str, count: int) -> List[Optional[float]]:
        """The last so many values of a figure, with None in front where there have not been as many."""
        found = list(self._values.get(name, ()))[-count:]
        return [None] * (count - len(found)) + found

    def highest(self, name: str) -> float:
        """The highest value of a figure that is remembered; 0 when there is none."""
        return max((value for value in self._values.get(name, ()) if value is not None), default=0.0)


def plot(values: List[Optional[float]], height: int, top: float, *, ascii_only: bool = False) -> List[str]:
    """A bar chart, one column for each value, as lines from the top to the bottom.

    Args:
        values: from left to right; None leaves its column empty.
        height: lines.
        top: the value that fills a column.
        ascii_only: for terminals that show nothing else.
    """
    marks = _ASCII if ascii_only else _BLOCKS
    steps = len(marks) - 1
    whole = [_steps(value, top, height * steps) for value in values]
    return [
        "".join(marks[max(0, min(steps, filled - row * steps))] for filled in whole) for row in reversed(range(height))
    ]


def _steps(value: Optional[float], top: float, most: int) -> int:
    """How many steps of a column are filled; what is more than nothing is seen."""
    if value is None or value <= 0 or top <= 0:
        return 0
    return max(1, min(most, round(value / top * most)))
