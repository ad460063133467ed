"""What signals do to a builder with work in its hands."""

from __future__ import annotations

import signal
from typing import List

import pytest

from tests.support.sandbox import Daemon, Sandbox, alive, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]


def in_order(text: str, phrases: List[str]) -> bool:
    """Whether the phrases stand in a text one after the other."""
    place = 0
    for phrase in phrases:
        place = text.find(phrase, place)
        if place < 0:
            return False
        place += len(phrase)
    return True


def sleeping(box: Sandbox, daemon: Daemon, seconds: int) -> int:
    task_id = box.task("sleep", seconds, channel=daemon.name)
    wait_for(lambda: box.state(task_id) == "OPEN" and daemon.descendants(), 90)
    return task_id


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_end_gives_the_tasks_back(box: Sandbox, name: str) -> None:
    daemon = box.daemon(f"ends-by-{name.lower()}").start()
    task_id = sleeping(box, daemon, 600)
    below = daemon.descendants()

    assert daemon.process is not None
    daemon.process.send_signal(signal.Signals[name])
    assert daemon.wait(60) == 0

    assert box.state(task_id) in ("FREE", "ASSIGNED")
    assert alive(below) == []
    assert not box.admin.getHost(daemon.host)["ready"]
    assert in_order(daemon.log, ["Exiting", "Shutting down, please wait..."])
    box.admin.cancelTask(task_id)


def test_a_graceful_restart_waits_for_the_tasks_and_takes_no_new_ones(box: Sandbox) -> None:
    daemon = box.daemon("restarts").start()
    running = sleeping(box, daemon, 4)
    pid = daemon.pid

    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: daemon.lines("Pending restart"), 10)
    late = box.task("sleep", 0, channel=daemon.name)
    box.closed(running, 90)
    box.closed(late, 90)

    assert daemon.process.poll() is None and daemon.pid == pid
    assert len(daemon.lines("Starting up")) == 2
    assert in_order(daemon.log, ["Initiating graceful restart", "Pending restart", "Starting up"])
    assert box.admin.getTaskInfo(late)["start_ts"] >= box.admin.getTaskInfo(running)["completion_ts"]
    assert daemon.stop() == 0
