"""What a builder needs of its host: time to start, memory, processor time of heartbeats."""

from __future__ import annotations

import time
from typing import Callable, Dict, List, Mapping

import koji

from bench import proc
from bench.harness import LIBRARY, Bench, Figure, Result, Results, measures, ratio
from bench.scene import PATIENCE, Either, Scene, names, reports, scene
from tests.support.sandbox import wait_for

_STOCK = (
    "the same daemon of the koji library, which also imports at its start what the stock daemon imports then (dnf, "
    "librepo, rpm, Cheetah … as far as they are installed here; contract 11.4, item 47)"
)
_MEMORY = "smaps_rollup of the daemon after three heartbeats"
_TASK_MEMORY = "smaps_rollup of the process of a task `sleep`, once it sleeps"
_BEATS = 50


def _memory(name: str, what: str, how: str, target: float = 0.0, peer: str = _STOCK) -> Figure:
    grows = "with the open tasks of the host, some kB each" if "parent" in name else "with what the task itself needs"
    return Figure(name, "MB", what, ratio(target) if target else None, peer, how, grows)


@measures(
    Figure(
        "start",
        "s",
        "daemon started until its first report is on the hub",
        peer=_STOCK,
        how="wall clock from exec to the hub's log, login included",
        grows="by a call for each open task that is found",
    ),
    _memory("parent-rss", "resident memory of the daemon", _MEMORY, 0.7),
    _memory("parent-private", "private memory of the daemon", _MEMORY),
    _memory("parent-pss", "proportional share of memory of the daemon", _MEMORY),
    _memory("helpers-private", "private memory of the processes that the daemon keeps beside it", _MEMORY),
    _memory("task-rss", "resident memory of a task's process", _TASK_MEMORY),
    _memory("task-private", "private memory of a task's process", _TASK_MEMORY),
    _memory("task-pss", "proportional share of memory of a task's process", _TASK_MEMORY),
    _memory("parent-rss-bare", "resident memory of the daemon, beside the bare library", _MEMORY, peer=LIBRARY),
    Figure("start-bare", "s", "as start, beside the bare library", how="as start", grows="as start"),
)
def footprint(bench: Bench) -> Results:
    """Start, look, stop, time and again."""
    with scene(bench, ("ours", "peer", "bare")) as place:
        found = bench.pairs(
            lambda: _look(place, lambda: place.ours("ours", sleeptime=1)),
            lambda: {
                **_look(place, lambda: place.peer("peer", sleeptime=1, stock_imports=1)),
                **_bare(_look(place, lambda: place.peer("bare", sleeptime=1))),
            },
        )
        for name in ("start", "parent-rss"):
            found[f"{name}-bare"].ours = found[name].ours
        return found


def _bare(sample: Mapping[str, float]) -> Dict[str, float]:
    return {f"{name}-bare": sample[name] for name in ("start", "parent-rss")}


def _look(place: Scene, make: Callable[[], Either]) -> Dict[str, float]:
    """One life of a daemon: the samples of all figures."""
    builder = make()
    mark, begun = place.tape.mark(), time.time()
    builder.launch()
    try:
        wait_for(lambda: reports(place.tape.calls(mark, builder.host)), PATIENCE, builder.host)
        found = {"start": reports(place.tape.calls(mark, builder.host))[0].moment - begun}
        place.heartbeats(builder, 3)
        found.update({f"parent-{kind}": value for kind, value in proc.memory(builder.pid).items()})
        found["helpers-private"] = sum(_private(pid) for pid in proc.children(builder.pid))
        task_id = place.task(builder.host, "sleep", 600)
        worker = wait_for(lambda: _task_process(place, builder, task_id), PATIENCE, "a task's process")
        found.update({f"task-{kind}": value for kind, value in proc.memory(worker).items()})
        place.admin.cancelTask(task_id)
    finally:
        builder.stop()
    return found


def _private(pid: int) -> float:
    """Megabytes; none of a process that has just ended."""
    try:
        return proc.memory(pid)["private"]
    except (OSError, KeyError):
        return 0.0


def _task_process(place: Scene, builder: Either, task_id: int) -> int:
    """The process of the one task of a builder, once it sleeps; 0 before."""
    if place.admin.getTaskInfo(task_id)["state"] != koji.TASK_STATES["OPEN"]:
        return 0
    return next((pid for pid in proc.children(builder.pid) if proc.sleeps(pid)), 0)


@measures(
    Figure(
        "cpu",
        "CPU s",
        "processor time of 100 idle heartbeats, with the processes that the daemon starts for them",
        ratio(0.7),
        how=f"/proc/PID/stat before and after {_BEATS} heartbeats at sleeptime 1, times {100 // _BEATS}; the samples "
        "are of as many daemons of each kind at once",
        grows="with the open tasks and the buildroots on the disk",
    )
)
def processor_time(bench: Bench) -> Results:
    """Several daemons of both kinds at once: nearly all of the time they sleep."""
    count = bench.samples()
    beats = bench.size(_BEATS, small=3)
    ours, peers = names("ours", count), names("peer", count)
    with scene(bench, [*ours, *peers]) as place:
        for host in ours:
            place.ours(host, sleeptime=1).launch()
        for host in peers:
            place.peer(host, sleeptime=1).launch()
        builders: List[Either] = [*place.fleet.builders, *place.peers]
        meters = [_Meter(place, builder) for builder in builders]
        wait_for(lambda: _all_done(meters, beats), PATIENCE, "heartbeats of all")
        costs = {meter.builder.host: meter.cost(100) for meter in meters}
    return {"cpu": Result([costs[host] for host in ours], [costs[host] for host in peers])}


def _all_done(meters: List[_Meter], beats: int) -> bool:
    """Look at each of them once."""
    time.sleep(0.2)  # looking costs the processor time that the daemons may want
    done = [meter.done(beats) for meter in meters]
    return all(done)


class _Meter:
    """Takes a daemon's processor time after its second report and after so many more."""

    def __init__(self, place: Scene, builder: Either) -> None:
        self.builder = builder
        self._place = place
        self._first = self._last = (0, 0.0)
        self._seen = 0
        self._mark = 0

    def done(self, beats: int) -> bool:
        """Look; whether so many heartbeats have been seen."""
        if self._last[0] - self._first[0] < beats or not self._first[0]:
            mark = self._place.tape.mark()
            self._seen += len(reports(self._place.tape.calls(self._mark, self.builder.host, mark)))
            self._mark = mark
            now = (self._seen, proc.cpu(self.builder.pid))
            if not self._first[0] and self._seen >= 2:
                self._first = now
            self._last = now
            return bool(self._first[0]) and now[0] - self._first[0] >= beats
        return True

    def cost(self, beats: int) -> float:
        """Seconds for so many heartbeats."""
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0]) * beats
