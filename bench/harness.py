"""What a figure is, how one is registered, and how its samples are taken.

@measures(Figure("heartbeat-requests", "requests", "requests of an idle heartbeat", target=ratio(0.4)))
def heartbeat(bench: Bench) -> Results:
    with scene(bench) as place:
        return {"heartbeat-requests": bench.pair(place.count_ours, place.count_peer)}

A measurement is a function that gives one or more figures. Samples of ours and of the peer are taken in turn, so that
whatever else the machine does meets both.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

LIBRARY = "a daemon of the koji library's own `koji.daemon.TaskManager` (bench/peer.py), same configuration, same hub"
_SAMPLES, _QUICK, _SMALL = 5, 3, 1


@dataclass(frozen=True)
class Target:
    """What a figure is to reach.

    Args:
        kind: "ratio" (median of ours by median of the peer's), "absolute" (median of ours, in the figure's unit).
        most: the largest value that meets it.
    """

    kind: str
    most: float

    def __str__(self) -> str:
        return f"≤ {self.most:g}" if self.kind == "ratio" else f"≤ {self.most:g} absolute"


def ratio(most: float) -> Target:
    """At most this share of the peer's median."""
    return Target("ratio", most)


def at_most(most: float) -> Target:
    """At most this median, in the figure's unit."""
    return Target("absolute", most)


@dataclass(frozen=True)
class Figure:
    """One row of docs/performance.md.

    Args:
        name: by which it is run and found; words joined by "-".
        unit: of its samples. Less is better in every figure.
        what: it measures, in a few words.
        target: None shows the figure without a verdict.
        peer: what it is compared with.
        how: how a sample is taken, in a sentence.
        grows: how it grows with tasks, packages, files, builders, latency, in a sentence.
    """

    name: str
    unit: str
    what: str
    target: Optional[Target] = None
    peer: str = LIBRARY
    how: str = ""
    grows: str = ""


@dataclass
class Result:
    """The samples of one figure.

    Args:
        ours: in the figure's unit.
        peer: likewise; empty where there is nothing to compare with.
        note: what a reader has to know of this run, such as samples that were left out.
        skipped: why it was not measured; empty when it was.
        limit: what physics or the hub allow at best, in the figure's unit; None where nobody has measured it.
    """

    ours: List[float] = field(default_factory=list)
    peer: List[float] = field(default_factory=list)
    note: str = ""
    skipped: str = ""
    limit: Optional[float] = None

    @property
    def median(self) -> Optional[float]:
        """Of ours."""
        return statistics.median(self.ours) if self.ours else None

    @property
    def peer_median(self) -> Optional[float]:
        """Of the peer's."""
        return statistics.median(self.peer) if self.peer else None

    @property
    def ratio(self) -> Optional[float]:
        """Median of ours by median of the peer's; None without both."""
        return self.median / self.peer_median if self.median is not None and self.peer_median else None

    def verdict(self, target: Optional[Target]) -> str:
        """One of "skipped", "shown" (no target), "met", "missed"."""
        if self.skipped or self.median is None:
            return "skipped"
        value = None if target is None else self.ratio if target.kind == "ratio" else self.median
        if target is None or value is None:
            return "shown"
        return "met" if value <= target.most else "missed"


Results = Mapping[str, Result]


class Skip(Exception):
    """A measurement that can't be taken here; its text says why."""


@dataclass
class Bench:
    """One run of the suite, as measurements see it.

    Args:
        dir: of this measurement alone; every user may enter it.
        small: for tests: one sample, small amounts; only counts mean anything.
        quick: fewer samples.
        say: tells what is going on.
    """

    dir: Path
    small: bool = False
    quick: bool = False
    say: Callable[[str], None] = print

    def samples(self, usual: int = _SAMPLES) -> int:
        """How many samples to take, where `usual` is the number of a full run."""
        return min(usual, _SMALL if self.small else _QUICK if self.quick else usual)

    def size(self, usual: int, small: int) -> int:
        """An amount: of files, tasks, megabytes."""
        return small if self.small else usual

    def pair(self, ours: Callable[[], float], peer: Callable[[], float], samples: int = _SAMPLES) -> Result:
        """Samples of one figure, ours and the peer's in turn."""
        both = self.pairs(lambda: {"": ours()}, lambda: {"": peer()}, samples)
        return both[""]

    def pairs(
        self,
        ours: Callable[[], Mapping[str, float]],
        peer: Callable[[], Mapping[str, float]],
        samples: int = _SAMPLES,
    ) -> Dict[str, Result]:
        """Samples of several figures that are taken at once, ours and the peer's in turn; by figure."""
        found: Dict[str, Result] = {}
        for _turn in range(self.samples(samples)):
            for name, value in ours().items():
                found.setdefault(name, Result()).ours.append(value)
            for name, value in peer().items():
                found.setdefault(name, Result()).peer.append(value)
        return found

    def alone(self, ours: Callable[[], float], samples: int = _SAMPLES) -> Result:
        """Samples of a figure that has no peer."""
        return Result([ours() for _turn in range(self.samples(samples))])


Measure = Callable[[Bench], Results]


@dataclass(frozen=True)
class Measurement:
    """A function and the figures that it gives.

    Args:
        measure: the function.
        figures: what it gives.
        group: the module that it is in, a name for all of its figures.
    """

    measure: Measure
    figures: Tuple[Figure, ...]
    group: str


_registered: List[Measurement] = []


def measures(*figures: Figure) -> Callable[[Measure], Measure]:
    """Register a function that measures these figures; it returns their results by name."""

    def register(measure: Measure) -> Measure:
        taken = {one.name for one in all_figures()}
        for one in figures:
            if one.name in taken:
                raise ValueError(f"there is a figure {one.name} already")
        _registered.append(Measurement(measure, figures, measure.__module__.rpartition(".")[2]))
        return measure

    return register


def measurements() -> Sequence[Measurement]:
    """All that are registered; `bench.figures.load` has to have been called."""
    return tuple(_registered)


def all_figures() -> List[Figure]:
    """Every figure, in the order of their registration."""
    return [figure for one in _registered for figure in one.figures]


def chosen(names: Sequence[str]) -> List[Measurement]:
    """The measurements of these figures or modules, all without names.

    Raises:
        KeyError: there is none of a name.
    """
    for name in names:
        if not any(_answers(one, name) for one in _registered):
            raise KeyError(name)
    return [one for one in _registered if not names or any(_answers(one, name) for name in names)]


def _answers(measurement: Measurement, name: str) -> bool:
    return name == measurement.group or name in [figure.name for figure in measurement.figures]


def take(measurement: Measurement, bench: Bench) -> Dict[str, Result]:
    """Run one measurement; a `Skip` becomes the results' reason.

    Raises:
        KeyError: it gave no result for one of its figures.
    """
    begun = time.monotonic()
    try:
        results = dict(measurement.measure(bench))
    except Skip as reason:
        results = {figure.name: Result(skipped=str(reason)) for figure in measurement.figures}
    missing = [figure.name for figure in measurement.figures if figure.name not in results]
    if missing:
        raise KeyError(f"{measurement.measure.__name__} gave no result for {', '.join(missing)}")
    bench.say(f"   {time.monotonic() - begun:.1f} s")
    return results


def as_row(figure: Figure, result: Result) -> Dict[str, object]:
    """A figure with its result, as results.json has it."""
    return {
        "name": figure.name,
        "unit": figure.unit,
        "what": figure.what,
        "target": dataclasses.asdict(figure.target) if figure.target else None,
        "peer_is": figure.peer,
        **dataclasses.asdict(result),
        "median": result.median,
        "peer_median": result.peer_median,
        "ratio": result.ratio,
        "verdict": result.verdict(figure.target),
    }
