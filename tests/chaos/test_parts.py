"""Parts of the machine that give out, one at a time: what the daemon says and does then, beside losing nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Iterator

import koji
import pytest

from tests.support.chaosmachine import Clock
from tests.support.chaosscene import Scene
from tests.support.faultproxy import Fault, delay, late
from tests.support.sandbox import wait_for
from tests.support.sandboxhub import running_hub

pytestmark = pytest.mark.e2e

_QUICK = ("task_int_timeout", "task_term_timeout", "task_kill_timeout")


@contextlib.contextmanager
def scene_of(directory: Path, *, strict: bool = True, **given: Any) -> Iterator[Scene]:
    """A hub and a daemon at work; all invariants hold at the end of the block, and then everything ends."""
    with running_hub(directory, soft_refusal_timeout=2, strict_call_numbers=strict) as hub:
        scene = Scene(hub, directory, **given)
        try:
            scene.daemon.start()
            yield scene
            if scene.left_out:
                pytest.skip("; ".join(scene.left_out))
            scene.check()
        finally:
            scene.close()


def test_a_daemon_without_file_descriptors_loses_no_task(tmp_path: Path) -> None:
    with scene_of(tmp_path) as scene:
        scene.make("sleep", 6)
        scene.pause(1)
        with scene.descriptors("daemon", 0):
            for _ in range(3):
                scene.make("sleep", 0)
            wait_for(lambda: scene.daemon.lines("Too many open files"), 60)


def test_a_task_that_uses_up_its_file_descriptors_fails_and_says_so(tmp_path: Path) -> None:
    with scene_of(tmp_path) as scene:
        scene.make("hoard", result=koji.GenericError("Too many open files"))


def test_a_daemon_that_gets_no_process_gives_tasks_back(tmp_path: Path) -> None:
    with scene_of(tmp_path) as scene:
        running = scene.make("sleep", 4)
        wait_for(lambda: scene.runs(running), 30)
        with scene.crowded():
            if not scene.left_out:
                scene.make("sleep", 0)
                wait_for(lambda: scene.daemon.lines("no process for task"), 30)


@pytest.mark.parametrize("years", [1, -1])
def test_tasks_outlast_a_clock_that_jumps(tmp_path: Path, years: int) -> None:
    """Set back by a year, it makes every certificate one of the future: no call to the hub gets through meanwhile."""
    with scene_of(tmp_path, clock=True) as scene:
        running = scene.make("sleep", 2)
        waiting = scene.make("waittest", 1, 1)
        wait_for(lambda: scene.runs(running) and scene.runs(waiting), 30)
        with scene.clock_off(years * Clock.YEAR):
            scene.make("sleep", 0)
            scene.pause(3)


def test_a_child_that_the_kernel_holds_stops_nothing(tmp_path: Path) -> None:
    with scene_of(tmp_path, **dict.fromkeys(_QUICK, 1)) as scene, scene.frozen() as path:
        if path:
            stuck = scene.make("scribble", path, result=0)
            wait_for(lambda: scene.runs(stuck), 30)
            scene.cancel(stuck)
            wait_for(lambda: scene.daemon.lines("these processes do not end"), 30)
            done = scene.make("sleep", 0)
            wait_for(lambda: scene.admin.getTaskInfo(done)["state"] == koji.TASK_STATES["CLOSED"], 30)


@pytest.mark.parametrize("strict", [True, False], ids=["numbers enforced", "numbers ignored"])
@pytest.mark.parametrize("fault", [late(5), delay(5)], ids=["reply late", "call late"])
def test_a_task_whose_taking_times_out_runs_once(tmp_path: Path, fault: Fault, strict: bool) -> None:
    """The daemon gives the call up after 3 s; what it asked for is done, before or after that."""
    with scene_of(tmp_path, strict=strict) as scene:
        scene.proxy.on("host.openTask", fault)
        task_id = scene.make("tally", str(tmp_path / "runs"), 6, result=1)
        wait_for(lambda: scene.runs(task_id), 60)
        assert scene.proxy.hits() == {"multiCall": 1}
