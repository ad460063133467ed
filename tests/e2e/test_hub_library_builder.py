"""The sandbox hub serves a builder that is the koji library's own: TaskManager and handlers (issue 2, proof b)."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import koji
import pytest

from tests.support.sandboxhub import SandboxHub, running_hub

pytestmark = pytest.mark.e2e

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as started:
        yield started


@pytest.fixture(scope="module")
def builder(hub: SandboxHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    workdir = tmp_path_factory.mktemp("builder")
    command = [sys.executable, "-m", "bench.peer", hub.url, hub.certificate("builder"), hub.ca, workdir]
    process = subprocess.Popen([str(part) for part in command], cwd=CHECKOUT, stdin=subprocess.DEVNULL)
    try:
        yield workdir
        process.terminate()
        assert process.wait(30) == 0, (workdir / "builder.log").read_text()[-4000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def admin(hub: SandboxHub, builder: Path) -> Iterator[koji.ClientSession]:
    session = hub.session("admin")
    yield session
    session.logout()


def until(condition: Callable[[], Any], timeout: float = 30) -> Any:
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def finished(admin: koji.ClientSession, task_id: int) -> dict[str, Any]:
    until(lambda: admin.taskFinished(task_id))
    info: dict[str, Any] = admin.getTaskInfo(task_id)
    return info


def state(info: dict[str, Any]) -> Optional[str]:
    name: str = koji.TASK_STATES[info["state"]]
    return name


def test_sleep(admin: koji.ClientSession) -> None:
    task_id = admin.makeTask("sleep", [0])
    info = finished(admin, task_id)
    assert state(info) == "CLOSED"
    assert info["host_id"] == admin.getHost("builder")["id"]
    assert info["create_ts"] <= info["start_ts"] <= info["completion_ts"]
    assert admin.getTaskResult(task_id) is None


def test_fork(admin: koji.ClientSession) -> None:
    task_id = admin.makeTask("fork", [2, 0])
    assert state(finished(admin, task_id)) == "CLOSED"


def test_subtask_waits_for_what_is_below_it(admin: koji.ClientSession) -> None:
    task_id = admin.makeTask("subtask", [1])
    assert state(finished(admin, task_id)) == "CLOSED"
    below = [child for children in admin.getTaskDescendents(task_id).values() for child in children]
    assert sorted(child["method"] for child in below) == ["sleep", "subtask"]
    assert [state(child) for child in below] == ["CLOSED", "CLOSED"]
    assert not any(child["waiting"] for child in below)
    assert [child["priority"] for child in below] == [koji.PRIO_DEFAULT - 1, koji.PRIO_DEFAULT - 2]


def test_waittest_goes_on_although_the_child_that_may_fail_fails(admin: koji.ClientSession) -> None:
    task_id = admin.makeTask("waittest", [2, 0])
    assert state(finished(admin, task_id)) == "CLOSED"
    children = {child["label"]: state(child) for child in admin.getTaskChildren(task_id)}
    assert children == {"0": "CLOSED", "1": "CLOSED", "bad": "FAILED"}


def test_a_failed_task_has_its_fault(admin: koji.ClientSession) -> None:
    task_id = admin.makeTask("sleep", ["no number"])
    assert state(finished(admin, task_id)) == "FAILED"
    with pytest.raises(koji.xmlrpcplus.Fault, match="TypeError") as caught:
        admin.getTaskResult(task_id)
    assert caught.value.faultCode == 1


def test_a_wrong_call_is_a_parameter_error(admin: koji.ClientSession) -> None:
    task_id = admin.makeTask("sleep", [1, 2, 3])
    assert state(finished(admin, task_id)) == "FAILED"
    assert admin.getTaskResult(task_id, raise_fault=False)["faultCode"] == koji.ParameterError.faultCode


def test_an_unknown_method_is_refused_for_good(admin: koji.ClientSession) -> None:
    task_id = admin.makeTask("knitting", [])
    refusals = until(lambda: admin.scheduler.getTaskRefusals([["task_id", task_id]]))
    assert [(r["soft"], r["by_host"], r["msg"]) for r in refusals] == [(False, True, "no handler for method")]
    assert state(admin.getTaskInfo(task_id)) == "FREE"
    admin.cancelTask(task_id)


def test_a_canceled_task_is_killed(admin: koji.ClientSession, builder: Path) -> None:
    task_id = admin.makeTask("sleep", [600])
    until(lambda: state(admin.getTaskInfo(task_id)) == "OPEN")
    admin.cancelTask(task_id)
    until(lambda: f"Killing canceled task {task_id} " in (builder / "builder.log").read_text())
    until(lambda: f"(task {task_id})" in (builder / "builder.log").read_text())
    assert state(admin.getTaskInfo(task_id)) == "CANCELED"


def test_load_and_methods_are_reported(admin: koji.ClientSession) -> None:
    assert admin.getHost("builder")["ready"] is True
    data = admin.scheduler.getHostData(hostID=admin.getHost("builder")["id"])[0]["data"]
    assert '"sleep"' in data
    assert '"maxjobs": 10' in data


def test_a_heartbeat_costs_the_hub_a_few_milliseconds(hub: SandboxHub, admin: koji.ClientSession) -> None:
    until(lambda: len([call for call in hub.calls() if call.method == "host.updateHost"]) > 20)
    for method in ("host.updateHost", "host.getTasks", "host.getHostTasks"):
        costs = sorted(call.ms for call in hub.calls() if call.method == method)
        assert costs[len(costs) // 2] < 5, method
