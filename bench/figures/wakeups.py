"""How long work waits for a builder to look: tasks that are assigned, and parents whose subtask has ended.

Waits of a builder that looks every 15 s spread over these 15 s. So that a few samples tell their median, each is taken
at another place between two beats, on a host of its own, all at once: 1.1, 4.3, 7.5, 10.7 and 13.9 s after a beat.
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Sequence

from bench.harness import Bench, Figure, Result, Results, measures, ratio
from bench.scene import Either, Scene, names, reports, scene
from tests.support.sandbox import wait_for

_SLEEPTIME = 15
_PATIENCE = 120.0
_SPREAD = "each sample on a host of its own, at another place between two beats"


def _places(bench: Bench) -> List[float]:
    """Seconds after a beat, spread evenly over the time between two, and over the second in which they lie."""
    count = bench.samples()
    return [(index + 0.5) * (_SLEEPTIME + 1) / count - 0.5 for index in range(count)]


@measures(
    Figure(
        "slot-reused",
        "s",
        "assigned → started at sleeptime 15, when a slot frees up: a task ends on a host of maxjobs 1, the next begins",
        ratio(0.05),
        how=f"the hub's completion time of the one to its start time of the other; {_SPREAD}",
        grows="does not grow with tasks or builders",
    ),
    Figure(
        "parent-awake",
        "s",
        "a subtask ends → its parent on the same host has gone on and closed, sleeptime 15",
        ratio(0.02),
        how=f"the hub's completion times of both, in a task `waittest`; {_SPREAD}",
        grows="with the hub's answer times: two requests",
    ),
)
def endings(bench: Bench) -> Results:
    """Tasks that end between two beats."""
    places = _places(bench)
    kinds = {kind: names(kind, len(places)) for kind in ("oursslot", "peerslot", "oursparent", "peerparent")}
    with scene(bench, [host for hosts in kinds.values() for host in hosts]) as place:
        first: Dict[str, int] = {}
        second: Dict[str, int] = {}
        for host, after in _pairs(kinds, "slot", places):
            first[host] = place.task(host, "sleep", after)
            second[host] = place.task(host, "sleep", 0)
        for host, after in _pairs(kinds, "parent", places):
            second[host] = int(place.admin.makeTask("waittest", [1, after], channel=host, assign=host))
        _start(place, kinds)
        rows = dict(zip(second, place.closed(list(second.values()), _PATIENCE)))
        for host, row in zip(first, place.closed(list(first.values()))):
            rows[host]["waited"] = rows[host]["start_ts"] - row["completion_ts"]
        for host, task_id in second.items():
            if host not in first:
                rows[host]["waited"] = rows[host]["completion_ts"] - _child_ended(place, task_id)
    return {
        "slot-reused": _result(kinds, "slot", rows),
        "parent-awake": _result(kinds, "parent", rows),
    }


def _pairs(kinds: Dict[str, List[str]], what: str, places: Sequence[float]) -> List[Any]:
    return [pair for whose in ("ours", "peer") for pair in zip(kinds[whose + what], places)]


def _start(place: Scene, kinds: Dict[str, List[str]]) -> None:
    for kind, hosts in kinds.items():
        make = place.ours if kind.startswith("ours") else place.peer
        for host in hosts:
            make(host, sleeptime=_SLEEPTIME, maxjobs=1 if kind.endswith("slot") else 10).launch()


def _child_ended(place: Scene, task_id: int) -> float:
    """When the last subtask of a parent ended; it has to be one of the same host."""
    parent = place.admin.getTaskInfo(task_id)
    children = place.admin.getTaskChildren(task_id)
    rows = place.admin.getTaskInfo([child["id"] for child in children])
    assert {row["host_id"] for row in rows} == {parent["host_id"]}, rows
    return float(max(row["completion_ts"] for row in rows))


def _result(kinds: Dict[str, List[str]], what: str, rows: Dict[str, Any]) -> Result:
    return Result(
        [rows[host]["waited"] for host in kinds[f"ours{what}"]], [rows[host]["waited"] for host in kinds[f"peer{what}"]]
    )


@measures(
    Figure(
        "idle-pickup",
        "s",
        "assigned → started at sleeptime 15, an idle host; ours with taskpoll = 1",
        ratio(0.15),
        how=f"the hub's creation time of a task that is assigned at once to its start time; {_SPREAD}",
        grows="with taskpoll: half of it, at the cost of a light call to the hub each time",
    )
)
def pickup(bench: Bench) -> Results:
    """Tasks that are assigned to a host that does nothing."""
    places = _places(bench)
    ours, peers = names("ours", len(places)), names("peer", len(places))
    with scene(bench, [*ours, *peers]) as place:
        builders: List[Either] = [place.ours(host, sleeptime=_SLEEPTIME, taskpoll=1).launch() for host in ours]
        builders += [place.peer(host, sleeptime=_SLEEPTIME).launch() for host in peers]
        beats = {one.host: _first_report(place, one) for one in builders}
        # by then a daemon that has just started looks no more often than usual
        due = [
            (beats[host] + 2 * _SLEEPTIME + after, host)
            for group in (ours, peers)
            for host, after in zip(group, places)
        ]
        tasks: Dict[str, int] = {}
        for moment, host in sorted(due):
            time.sleep(max(0.0, moment - time.time()))
            tasks[host] = place.task(host, "sleep", 0)
        rows = dict(zip(tasks, place.closed(list(tasks.values()), _PATIENCE)))
    waited = {host: row["start_ts"] - row["create_ts"] for host, row in rows.items()}
    return {"idle-pickup": Result([waited[host] for host in ours], [waited[host] for host in peers])}


def _first_report(place: Scene, builder: Either) -> float:
    wait_for(lambda: reports(place.tape.calls(0, builder.host)), _PATIENCE, builder.log[-2000:])
    return reports(place.tape.calls(0, builder.host))[0].moment
