"""The real `koji` client and the core's half of the hub: hosts, channels, users, tasks and their logs."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Iterator

import koji
import pytest

from tests.support.sandboxhub import SandboxHub, koji_client, running_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as started:
        yield started


@pytest.fixture(scope="module")
def builder(hub: SandboxHub) -> koji.ClientSession:
    session = hub.session("builder", exclusive=True)
    session.host.updateHost(0.0, True, data={"methods": ["sleep"], "maxjobs": 4})
    return session


def output(hub: SandboxHub, *args: str, user: str = "admin", status: int = 0) -> str:
    done = hub.koji(*args, user=user)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_hello_and_call(hub: SandboxHub) -> None:
    assert "admin" in output(hub, "hello")
    assert "Koji 1.35.3" in output(hub, "hello")
    assert "'name': 'builder'" in output(hub, "call", "getHost", "builder")
    assert "Invalid method: nothing" in output(hub, "call", "nothing", status=1)
    assert "getTaskInfo(task_id, request=False, strict=False)" in output(hub, "list-api", "getTaskInfo")
    assert "host.getTasks()" in output(hub, "list-api")


def test_hosts_and_channels(hub: SandboxHub, builder: koji.ClientSession) -> None:
    assert "builder" in output(hub, "list-hosts", "--enabled", "--ready")
    assert "Capacity: 10.0" in output(hub, "hostinfo", "builder")
    output(hub, "add-host", "slow1", "aarch64", "armhfp")
    output(hub, "edit-host", "--capacity=7", "--comment=old", "slow1")
    output(hub, "add-host-to-channel", "--new", "slow1", "slow")
    assert "slow1" in output(hub, "list-hosts", "--channel=slow", "--arch=aarch64")
    assert "slow" in output(hub, "list-channels")
    output(hub, "remove-host-from-channel", "slow1", "slow")
    output(hub, "disable-host", "slow1")
    assert "slow1" in output(hub, "list-hosts", "--not-enabled")
    output(hub, "enable-host", "slow1")
    output(hub, "add-channel", "spare", "--description=for later")
    assert "spare" in output(hub, "list-channels")


def test_users_and_permissions(hub: SandboxHub) -> None:
    output(hub, "add-user", "ann")
    output(hub, "grant-permission", "tag", "ann")
    assert "tag" in output(hub, "list-permissions", "--user=ann")
    assert "ann" in output(hub, "list-users")
    output(hub, "revoke-permission", "tag", "ann")
    output(hub, "disable-user", "ann")
    assert "admin permission required" in output(hub, "add-user", "bob", user="user", status=1)


def test_tasks_from_making_to_resubmitting(hub: SandboxHub, builder: koji.ClientSession) -> None:
    made = output(hub, "make-task", "--priority=7", "sleep", "3600")
    task_id = int(made.split()[-1])
    assert f"{task_id} " in output(hub, "list-tasks")
    assert [task["id"] for task in builder.host.getTasks()] == [task_id]
    builder.host.openTask(task_id)
    builder.rawUpload(b"a line\n", 0, koji.pathinfo.taskrelpath(task_id), "sleep.log", overwrite=True)
    shown = output(hub, "taskinfo", "-r", "-v", str(task_id))
    assert "State: open" in shown
    assert "Host: builder" in shown
    assert "sleep.log" in shown
    output(hub, "set-task-priority", "--priority=3", str(task_id))
    output(hub, "cancel", str(task_id))
    assert "State: canceled" in output(hub, "taskinfo", str(task_id))
    again = output(hub, "resubmit", "--nowait", str(task_id))
    new_id = max(task["id"] for task in hub.anonymous().listTasks())
    assert str(new_id) in again
    assert new_id > task_id
    output(hub, "cancel", str(new_id))


def test_watching_a_task_and_its_log(hub: SandboxHub, builder: koji.ClientSession, tmp_path: Path) -> None:
    task_id = int(output(hub, "make-task", "sleep", "1").split()[-1])
    builder.host.updateHost(0.0, True)
    builder.host.getTasks()
    builder.host.openTask(task_id)
    directory = koji.pathinfo.taskrelpath(task_id)
    builder.rawUpload(b"first line\n", 0, directory, "sleep.log", overwrite=True)
    common = [*koji_client(), "-c", str(hub.client_config("user")), "-p", "sandbox"]
    outputs = {name: tmp_path / name for name in ("watch-task", "watch-logs")}
    with contextlib.ExitStack() as files:
        watchers = {
            name: subprocess.Popen(
                [*common, name, str(task_id)], stdout=files.enter_context(path.open("wb")), stderr=subprocess.STDOUT
            )
            for name, path in outputs.items()
        }
    try:
        wait_for(outputs["watch-logs"], "first line")
        wait_for(outputs["watch-task"], "open (builder)")
        builder.rawUpload(b"second line\n", 11, directory, "sleep.log")
        wait_for(outputs["watch-logs"], "second line")
        builder.host.closeTask(task_id, koji.xmlrpcplus.dumps((None,), methodresponse=1))
        assert {name: watcher.wait(30) for name, watcher in watchers.items()} == {"watch-task": 0, "watch-logs": 0}
    finally:
        for watcher in watchers.values():
            if watcher.poll() is None:
                watcher.kill()
                watcher.wait()
    assert "completed successfully" in outputs["watch-task"].read_text()


def test_the_schedulers_notes(hub: SandboxHub, builder: koji.ClientSession) -> None:
    task_id = int(output(hub, "make-task", "sleep", "1").split()[-1])
    builder.host.updateHost(0.0, True)
    assert [task["id"] for task in builder.host.getTasks()] == [task_id]
    assert str(task_id) in output(hub, "scheduler-info", "--task", str(task_id))
    assert "Assigning task" in output(hub, "scheduler-logs", "--task", str(task_id))
    output(hub, "free-task", str(task_id))
    output(hub, "cancel", str(task_id))


def wait_for(path: Path, text: str, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while text not in path.read_text():
        assert time.monotonic() < deadline, f"{text!r} is not in {path.read_text()!r}"
        time.sleep(0.05)
