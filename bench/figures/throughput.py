"""Many tasks that do nothing: how fast they go through one host, and what each costs in calls."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Dict

from bench.harness import Bench, Figure, Results, measures, ratio
from bench.places import CHECKOUT
from bench.scene import REPORT, Either, Scene, methods, reports, scene
from kojid.sandbox.requirements import environment
from tests.support.sandbox import wait_for

_SLEEPTIME, _JOBS = 15, 10
_PATIENCE = 600.0
_OF_HEARTBEATS = (REPORT, "listBuildroots", "host.getHostTasks", "host.getHost", "host.getTasks")
_HOW = (
    f"tasks `sleep` of no time that are assigned before the daemon starts; sleeptime {_SLEEPTIME}, maxjobs {_JOBS}; "
    "from the hub's records"
)


@measures(
    Figure(
        "tasks-40",
        "s",
        "40 trivial tasks, from the heartbeat that first sees them to the last CLOSED",
        ratio(0.5),
        how=f"{_HOW}. The limit is bench/floor.py: a process and a session each, nothing else",
        grows="in proportion to the tasks",
    ),
    Figure(
        "task-calls",
        "calls",
        "hub calls per trivial task, heartbeats meanwhile included, those in one request each counted",
        ratio(0.6),
        how=_HOW,
        grows="does not grow with tasks",
    ),
    Figure(
        "task-own-calls",
        "calls",
        "hub calls per trivial task without those that heartbeats are made of",
        how=_HOW,
        grows="does not grow with tasks",
    ),
    Figure(
        "task-requests",
        "requests",
        "HTTP requests per trivial task, heartbeats meanwhile included",
        how=_HOW,
        grows="does not grow with tasks",
    ),
)
def forty(bench: Bench) -> Results:
    """Forty tasks, a host's share of a mass rebuild."""
    count = bench.size(40, small=8)
    with scene(bench, ("ours", "peer", "floor")) as place:
        found = bench.pairs(
            lambda: _life(place, place.ours("ours", sleeptime=_SLEEPTIME, maxjobs=_JOBS), count),
            lambda: _life(place, place.peer("peer", sleeptime=_SLEEPTIME, maxjobs=_JOBS), count),
        )
        found["tasks-40"].limit = statistics.median(_floor(place, count) for _ in range(bench.samples()))
        return found


@measures(
    Figure(
        "tasks-400",
        "s",
        "400 trivial tasks, likewise",
        how=f"{_HOW}; one sample",
        grows="in proportion to the tasks",
    )
)
def four_hundred(bench: Bench) -> Results:
    """Ten times as many: does a task's time stay the same?"""
    count = bench.size(400, small=12)
    with scene(bench, ("ours", "peer")) as place:
        return {
            "tasks-400": bench.pair(
                lambda: _life(place, place.ours("ours", sleeptime=_SLEEPTIME, maxjobs=_JOBS), count)["tasks-40"],
                lambda: _life(place, place.peer("peer", sleeptime=_SLEEPTIME, maxjobs=_JOBS), count)["tasks-40"],
                samples=1,
            )
        }


def _floor(place: Scene, count: int) -> float:
    """How long it takes to open and to close so many tasks with a process and a session each, and nothing else."""
    tasks = [str(place.task("floor", "sleep", 0)) for _number in range(count)]
    words = [sys.executable, "-m", "bench.floor", place.hub.url, place.hub.certificate("floor"), place.hub.ca, *tasks]
    done = subprocess.run(
        list(map(str, words)), cwd=CHECKOUT, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def _life(place: Scene, builder: Either, count: int) -> Dict[str, float]:
    """One life of a daemon that finds so many tasks; the samples of all figures."""
    tasks = [place.task(builder.host, "sleep", 0) for _number in range(count)]
    mark = place.tape.mark()
    builder.launch()
    try:
        # Asking the hub for each of them time and again would be a load of its own, on both cores.
        wait_for(lambda: place.tape.count("host.closeTask", mark) >= count, _PATIENCE, f"{count} tasks closed")
        rows = place.closed(tasks, _PATIENCE)
        calls = place.tape.calls(mark, builder.host)
    finally:
        builder.stop()
    begun = reports(calls)[0].moment
    ended = max(row["completion_ts"] for row in rows)
    # logins are over when the first task is looked at
    during = [call for call in calls if begun <= call.moment <= ended + 0.05]
    return {
        "tasks-40": ended - begun,
        "task-calls": len(methods(during)) / count,
        "task-own-calls": sum(1 for name in methods(during) if name not in _OF_HEARTBEATS) / count,
        "task-requests": len(during) / count,
    }
