"""A whole build of a trivial package from git: how much of its time is work, and how much the builder's own.

The library has no builds, so there is no peer: the stock daemon's 98 s on a real hub, of which 10 s were work, are what
the figure's aim comes from.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Dict, List

from bench.harness import Bench, Figure, Result, Results, Skip, at_most, measures
from bench.scene import Tape, reports
from kojid.sandbox import content, requirements, setup
from kojid.sandbox.layout import BUILDER
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.shopgit import GitShop

_SLEEPTIME = 15
_NOWHERE = 9  # the port of a mail server that nobody asks for anything
_TIMED = """#!/bin/sh
begun=$(date +%s.%N)
{mock} "$@"
status=$?
echo "$begun $(date +%s.%N)" >> {times}
exit $status
"""
_HOW = (
    f"`koji build` of a noarch package from git in the sandbox, its mock wrapped in a script that notes its time; "
    f"sleeptime {_SLEEPTIME}, the sandbox hub assigns every 0.2 s; each build begins at another place between two beats"
)


@measures(
    Figure(
        "build-waiting",
        "s",
        "build of a trivial package, sleeptime 15: all of its time that mock does not run; the checkout and all "
        "transfers count as waiting, too",
        at_most(15),
        "none",
        _HOW,
        "with the hand-overs from task to task, not with the package",
    ),
    Figure(
        "build-total",
        "s",
        "the same build from its creation to CLOSED",
        None,
        "none",
        _HOW,
        "with the package",
    ),
)
def trivial(bench: Bench) -> Results:
    """Builds one after the other, each of a package of its own."""
    if os.geteuid() != 0:
        raise Skip("builds run in chroots: this needs root")
    missing = requirements.missing_packages()
    if missing:
        raise Skip(f"packages are missing: {' '.join(missing)}")
    found: Dict[str, List[float]] = {"build-waiting": [], "build-total": []}
    count = bench.samples()
    with contextlib.ExitStack() as stack:
        box = Sandbox.make(bench.dir / "sandbox", _NOWHERE)
        stack.callback(box.close)
        shop = stack.enter_context(GitShop.serving(bench.dir / "git"))
        times = bench.dir / "mock-times"
        daemon = _daemon(box, bench.dir, times)
        daemon.start()
        box.regenerate()
        for number in range(count):
            url = shop.package(f"trivial{number}")
            content.add_packages(box.admin, content.DEST_TAG, [f"trivial{number}"])
            _rest(box, daemon, (number + 0.5) * _SLEEPTIME / count)
            times.write_text("")
            task_id = int(box.admin.build(url, content.TARGET, {}))
            box.closed(task_id, 600)
            row = box.admin.getTaskInfo(task_id)
            total = row["completion_ts"] - row["create_ts"]
            found["build-total"].append(total)
            found["build-waiting"].append(total - _time_of_mock(times))
    return {name: Result(values) for name, values in found.items()}


def _daemon(box: Sandbox, directory: Path, times: Path) -> Daemon:
    """The builder, with a mock that notes when it begins and ends."""
    times.touch()
    times.chmod(0o666)  # mock runs as another user
    timed = directory / "timed-mock"
    timed.write_text(_TIMED.format(mock=setup.mock_path(box.layout), times=times))
    timed.chmod(0o755)
    return box.daemon(BUILDER, sleeptime=_SLEEPTIME, mockpath=timed, allowed_scms="127.0.0.1*:/shop/*:no:")


def _rest(box: Sandbox, daemon: Daemon, after: float) -> None:
    """Wait until the builder keeps to its slow beat, as it does when nothing happens, and so long after one."""
    tape = Tape(box.layout.hub_dir)
    mark = tape.mark()

    def slow() -> bool:
        beats = [call.moment for call in reports(tape.calls(mark, BUILDER))]
        return len(beats) > 1 and beats[-1] - beats[-2] > _SLEEPTIME * 0.5

    wait_for(slow, 120, daemon.log[-2000:])
    beat = reports(tape.calls(mark, BUILDER))[-1].moment
    time.sleep(max(0.0, beat + after - time.time()))


def _time_of_mock(times: Path) -> float:
    """Seconds in which at least one mock ran."""
    spans = sorted(tuple(map(float, line.split())) for line in times.read_text().splitlines())
    total = until = 0.0
    for begun, ended in spans:
        total += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return total
