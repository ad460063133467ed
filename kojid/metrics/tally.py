"""What this process has counted so far. Nothing is kept, and next to nothing done, until `begin` was called.

The daemon keeps its tally for as long as it runs. A task's process begins anew after the fork and gives what it has
counted to the daemon in pieces that fit into a message: `take` there, `merge` here.
"""

from __future__ import annotations

import bisect
import json
import math
import threading
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from kojid.metrics.table import BY_NAME, COUNTER, HISTOGRAM, Metric

Key = Tuple[str, ...]  # a metric's name and the values of its labels
OTHER = "other"
MOST_SERIES = 200  # of one metric: what plugins name must not grow without bounds
_LONGEST_LABEL = 64
_ENTRIES = 60  # per message; each takes some hundred bytes at most


class Tally:
    """Counts and histograms.

    Attributes:
        counts: of counters.
        spans: of histograms: how many fell into each bucket, the one without an end included, and last their sum.
    """

    def __init__(self) -> None:
        self.counts: Dict[Key, float] = {}
        self.spans: Dict[Key, List[float]] = {}
        self._series: Dict[str, int] = {}

    def count(self, name: str, labels: Tuple[str, ...], amount: float) -> None:
        """Add to a counter."""
        key = self._key(self.counts, name, labels)
        self.counts[key] = self.counts.get(key, 0.0) + amount

    def observe(self, name: str, labels: Tuple[str, ...], seconds: float) -> None:
        """Add one observation to a histogram."""
        bounds = BY_NAME[name].buckets
        span = self._span(name, labels)
        span[bisect.bisect_left(bounds, seconds)] += 1
        span[-1] += seconds

    def _span(self, name: str, labels: Tuple[str, ...]) -> List[float]:
        key = self._key(self.spans, name, labels)
        return self.spans.setdefault(key, [0.0] * (len(BY_NAME[name].buckets) + 2))

    def _key(self, known: Any, name: str, labels: Tuple[str, ...]) -> Key:
        key = (name, *labels)
        if key in known or not labels:
            return key
        key = (name, *(label[:_LONGEST_LABEL] for label in labels))
        if key in known:
            return key
        if self._series.get(name, 0) >= MOST_SERIES:
            return (name, *(OTHER for _ in labels))
        self._series[name] = self._series.get(name, 0) + 1
        return key

    def forget(self, keys: Iterable[Key]) -> None:
        """These are somebody else's now."""
        for key in keys:
            self.counts.pop(key, None)
            self.spans.pop(key, None)
            if len(key) > 1 and self._series.get(key[0]):
                self._series[key[0]] -= 1

    def add(self, entry: Any) -> None:
        """Add what another process has counted. Raises ValueError for what is no entry of `take`."""
        name, labels, amounts = _checked(entry)
        if BY_NAME[name].kind == COUNTER:
            self.count(name, labels, amounts[0])
            return
        span = self._span(name, labels)
        for index, amount in enumerate(amounts):
            span[index] += amount


def _checked(entry: Any) -> Tuple[str, Tuple[str, ...], List[float]]:
    if not isinstance(entry, list) or len(entry) != 3 or not all(isinstance(part, list) for part in entry[1:]):
        raise ValueError("this is no entry of a tally")
    metric = BY_NAME.get(str(entry[0]))
    labels = tuple(str(label) for label in entry[1])
    amounts = [float(amount) for amount in entry[2]]
    if metric is None or len(labels) != len(metric.labels) or len(amounts) != _width(metric):
        raise ValueError(f"there is no such metric: {str(entry[0])[:_LONGEST_LABEL]}")
    if not all(math.isfinite(amount) and amount >= 0 for amount in amounts):
        raise ValueError(f"{metric.name} can't grow by that")
    return metric.name, labels, amounts


def _width(metric: Metric) -> int:
    """How many numbers an entry of a metric has; none for a gauge, which is not counted."""
    return {COUNTER: 1, HISTOGRAM: len(metric.buckets) + 2}.get(metric.kind, -1)


_tally: Optional[Tally] = None
_turn = threading.Lock()  # uploads side by side are counted by several threads


def begin() -> None:
    """Count from now on, from 0."""
    global _tally
    _tally = Tally()


def renew() -> None:
    """In a process that was just forked: begin at 0 if the parent counts."""
    if _tally is not None:
        begin()


def end() -> None:
    """Count no more, and forget."""
    global _tally
    _tally = None


def counting() -> bool:
    """Whether anything is counted."""
    return _tally is not None


def count(name: str, *labels: str, amount: float = 1.0) -> None:
    """Add to a counter of the table; label values in the table's order."""
    if _tally is not None:
        with _turn:
            _tally.count(name, labels, amount)


def observe(name: str, seconds: float, *labels: str) -> None:
    """Add an observation to a histogram of the table."""
    if _tally is not None:
        with _turn:
            _tally.observe(name, labels, seconds)


def current() -> Tally:
    """What was counted; nothing when nothing is."""
    return _tally or Tally()


def take() -> Iterator[str]:
    """What was counted since the last time, in pieces for `merge`.

    Each piece is forgotten here once the next one is asked for: who can't deliver one stops, and gets it again later.
    """
    if _tally is None:
        return
    counted = _tally
    while counted.counts or counted.spans:
        counts = list(counted.counts.items())[:_ENTRIES]
        spans = list(counted.spans.items())[: _ENTRIES - len(counts)]
        rows: List[Any] = [[key[0], list(key[1:]), [value]] for key, value in counts]
        rows += [[key[0], list(key[1:]), [round(one, 6) for one in span]] for key, span in spans]
        yield json.dumps(rows, separators=(",", ":"))
        counted.forget([key for key, _ in (*counts, *spans)])


def merge(text: str) -> None:
    """Add a piece of another process's tally. Raises ValueError for what is none."""
    if _tally is None:
        return
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise ValueError("this is no tally")
    for row in rows:
        _tally.add(row)
