"""Two daemons for one host: the hub's lock belongs to one of them."""

from __future__ import annotations

import pytest

from tests.support.sandbox import Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

HOST = "contested"


def test_the_second_daemon_is_told_unless_it_takes_the_lock(box: Sandbox) -> None:
    first = box.daemon("first", HOST).start()

    second = box.daemon("second", HOST)
    assert second.run() == 1
    assert "Unable to get lock. Trying using --force-lock" in second.log
    assert "Starting up" not in second.log
    box.closed(box.task("sleep", 0, channel=HOST), 90)
    assert first.process is not None and first.process.poll() is None

    third = box.daemon("third", HOST).start("--force-lock")
    assert first.wait(60) == 1
    assert first.lines("Authentication error|Session expired")
    task_id = box.task("sleep", 0, channel=HOST)
    box.closed(task_id, 90)
    wait_for(lambda: third.lines(f"Attempting to take task {task_id}"), 5)
    assert third.stop() == 0
