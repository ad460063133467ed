"""The tasks that every builder knows: for tests, and for the administration of hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator, List

import koji
import pytest

from tests.support.sandbox import Daemon, Sandbox, alive, process_tree, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

CHANNEL = "generic"


@pytest.fixture(scope="module")
def host(box: Sandbox) -> Iterator[Daemon]:
    """A build host of its own channel."""
    daemon = box.daemon(CHANNEL).start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture(scope="module")
def slow(box: Sandbox, host: Daemon) -> int:
    """A task with a chain of subtasks, under way while the other tests run; it sleeps for 15 seconds."""
    return box.task("subtask", 1, channel=CHANNEL)


def test_sleep_sleeps_and_closes(box: Sandbox, host: Daemon, slow: int) -> None:
    task_id = box.task("sleep", 1, channel=CHANNEL)
    assert box.closed(task_id) is None
    row = box.admin.getTaskInfo(task_id)
    assert row["completion_ts"] - row["start_ts"] >= 1
    assert row["weight"] == 0.25


def test_what_fork_leaves_behind_is_ended(box: Sandbox, host: Daemon) -> None:
    task_id = box.task("fork", 3, 600, channel=CHANNEL)
    box.closed(task_id)
    wait_for(lambda: not [line for line in commands(host) if "sleep 600" in line], 60, "the sleeping processes")


def test_waiting_tasks_wake_up_for_each_child(box: Sandbox, host: Daemon) -> None:
    task_id = box.task("waittest", 2, 1, channel=CHANNEL)
    box.closed(task_id, 180)
    assert [row["state"] for row in box.admin.getTaskChildren(task_id)].count(koji.TASK_STATES["OPEN"]) == 0


def test_a_foreground_task_runs_in_the_daemon(box: Sandbox, host: Daemon) -> None:
    assert box.closed(box.task("someMethod", "anything", channel=CHANNEL)) == 42
    assert host.lines("running task in foreground")


def test_default_fails_as_an_invalid_method(box: Sandbox, host: Daemon) -> None:
    assert "Invalid method" in str(box.failed(box.task("default", channel=CHANNEL)))


def test_dependent_tasks_start_when_what_they_wait_for_has_ended(box: Sandbox, host: Daemon) -> None:
    first = box.task("sleep", 1, channel=CHANNEL)
    second = box.task("dependantTask", [first], [["sleep", [0]]], channel=CHANNEL)
    box.closed(second)
    child = box.admin.getTaskChildren(second)[0]
    assert child["create_ts"] >= box.admin.getTaskInfo(first)["completion_ts"]


def test_a_method_without_a_handler_is_refused_for_good(box: Sandbox, host: Daemon) -> None:
    task_id = box.task("noSuchMethod", channel=CHANNEL)
    refusals = wait_for(lambda: box.admin.scheduler.getTaskRefusals([["task_id", task_id]]), 90)
    assert [(row["soft"], row["msg"]) for row in refusals] == [(False, "no handler for method")]
    assert box.state(task_id) == "FREE"
    box.admin.cancelTask(task_id)
    assert host.lines(f"Refusing task {task_id}")


def test_the_methods_are_reported_to_the_hub(box: Sandbox, host: Daemon) -> None:
    rows = box.admin.scheduler.getHostData(hostID=box.admin.getHost(host.host)["id"])
    data = rows[0]["data"]
    methods = set((json.loads(data) if isinstance(data, str) else data)["methods"])
    assert {"build", "buildArch", "rebuildSRPM", "tagBuild", "newRepo", "createrepo", "waitrepo"} <= methods
    assert {"buildNotification", "tagNotification", "sleep", "restartHosts"} <= methods


def test_a_chain_of_subtasks_ends_from_the_bottom_up(box: Sandbox, host: Daemon, slow: int) -> None:
    box.closed(slow, 180)
    nodes = [node for _, node in box.tree(slow).walk()]
    assert [node.state for node in nodes] == ["CLOSED"] * 3
    labels = [box.admin.getTaskInfo(node.id)["label"] for node in nodes]
    assert labels == [None, "foo", "bar"]
    ends = [box.admin.getTaskInfo(node.id)["completion_ts"] for node in nodes]
    assert ends == sorted(ends, reverse=True)


def test_restart_hosts_restarts_the_daemon_in_place(box: Sandbox, host: Daemon) -> None:
    pid, starts = host.pid, len(host.lines("Starting up"))
    task_id = box.task("restartHosts", {"channel": CHANNEL}, channel=CHANNEL)
    box.closed(task_id, 180)
    assert host.process is not None and host.process.poll() is None and host.pid == pid
    assert len(host.lines("Starting up")) == starts + 1
    methods = sorted(row["method"] for row in box.admin.getTaskChildren(task_id))
    assert methods == ["restart", "restartVerify"]


def test_shutdown_ends_the_daemon_well(box: Sandbox) -> None:
    daemon = box.daemon("goes-down").start()
    box.task("shutdown", channel="goes-down")
    assert daemon.wait(90) == 0
    assert alive(process_tree(daemon.pid)) == []


def commands(host: Daemon) -> List[str]:
    """The command lines of the processes below a daemon."""
    found = [Path(f"/proc/{one.pid}/cmdline") for one in host.descendants()]
    return [path.read_bytes().replace(b"\0", b" ").decode() for path in found if path.exists()]
