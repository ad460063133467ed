"""A builder that is gone, and one that was cut off the network: what they had runs elsewhere, and counts once."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any, Dict, Iterator

import koji
import pytest

from kojid.sandbox.hub.settings import HostSetting
from tests.support.fleet import Builder, Fleet, running_fleet
from tests.support.netns import Island, island
from tests.support.sandbox import alive, process_tree, wait_for

pytestmark = pytest.mark.e2e

HOSTS = (HostSetting("builder"), HostSetting("second"))
PATIENCE = {"ready_timeout": 4, "host_timeout": 5, "hosts": HOSTS}
LONG = 14  # seconds of a task, longer than the hub's patience and the way back together


def opened(fleet: Fleet, task_id: int, host: Builder) -> bool:
    row: Dict[str, Any] = fleet.admin.getTaskInfo(task_id)
    return bool(row["state"] == koji.TASK_STATES["OPEN"] and row["host_id"] == host.id)


def messages(fleet: Fleet, task_id: int) -> list[str]:
    """What the hub's scheduler said of a task."""
    return [row["msg"] for row in fleet.admin.scheduler.getLogMessages([["task_id", task_id]])]


def test_the_tasks_of_a_machine_that_is_gone_run_elsewhere(tmp_path: Path) -> None:
    with running_fleet(tmp_path, **PATIENCE) as fleet:
        first = fleet.builder("builder").start()
        tasks = [fleet.admin.makeTask("sleep", [4]) for _ in range(3)]
        wait_for(lambda: all(opened(fleet, task_id, first) for task_id in tasks), 30)
        below = process_tree(first.pid)
        first.kill()
        for process in alive(below):  # the whole machine: tasks alone would go on and end well
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

        second = fleet.builder("second").start()
        rows = fleet.all_closed(tasks, 30)
        assert {row["host_id"] for row in rows} == {second.id}
        assert all("Freeing task from unresponsive host" in messages(fleet, task_id) for task_id in tasks)


@pytest.fixture
def apart() -> Iterator[Island]:
    with island() as made:
        yield made


def test_the_copy_of_a_builder_that_was_cut_off_dies_and_the_result_counts_once(tmp_path: Path, apart: Island) -> None:
    with running_fleet(tmp_path, address=apart.home, **PATIENCE) as fleet:
        lost = fleet.builder("builder", before=apart.enter, timeout=3, maxjobs=3).start()
        task_id = fleet.admin.makeTask("sleep", [LONG])
        wait_for(lambda: opened(fleet, task_id, lost) and f"[task {task_id}] Sleeping" in lost.log, 30)
        copy = process_tree(lost.pid, without="probe")
        assert copy

        apart.cut()
        second = fleet.builder("second").start()
        wait_for(lambda: opened(fleet, task_id, second), 30)
        assert alive(copy) == copy, "the copy did not survive the outage"
        apart.join()
        wait_for(lambda: f"Killing reassigned task {task_id}" in lost.log, 10)
        wait_for(lambda: alive(copy) == [], 10)

        (row,) = fleet.all_closed([task_id], 40)
        assert row["host_id"] == second.id
        assert f"[task {task_id}] RESPONSE" not in lost.log
        assert second.log.count(f"[task {task_id}] RESPONSE") == 1
        assert second.log.count(f"Attempting to take task {task_id}") == 1

        again = fleet.admin.makeTask("sleep", [0], assign="builder")
        assert fleet.all_closed([again], 30)[0]["host_id"] == lost.id
        assert lost.process is not None and lost.process.poll() is None
