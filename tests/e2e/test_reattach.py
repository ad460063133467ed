"""A build outlives its daemon: killed ten times in a row, told to begin anew ten times, and canceled in good time."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import koji
import pytest

from kojid.daemon.ledger import Ledger
from kojid.daemon.records import TaskRecord
from kojid.sandbox import configuration
from kojid.sandbox.distro.sources import samples
from tests.support.chaosmachine import full, mount_small, run
from tests.support.sandbox import Daemon, Sandbox, alive, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]


def talks(box: Sandbox, task_id: int) -> int:
    """The buildArch task of a build, once its %build has written something; 0 until then."""
    children = {row["method"]: row["id"] for row in box.admin.getTaskChildren(task_id)}
    arch_task = children.get("buildArch", 0)
    if not arch_task or "build.log" not in box.admin.listTaskOutput(arch_task):
        return 0
    return int(arch_task) if "talking line 3" in box.log(arch_task, "build.log") else 0


def records(builder: Daemon, *tasks: int) -> list[TaskRecord]:
    return [one for one in Ledger(Path(builder.options["state_dir"]) / "ledger").tasks() if one.task_id in tasks]


def completes(box: Sandbox, builder: Daemon, task_id: int, arch_task: int, before: list[TaskRecord]) -> None:
    """Both tasks end well in the processes that they had, with one buildroot, and nothing was freed."""
    box.closed(task_id, 180)
    builds = box.admin.listBuilds(taskID=task_id)
    assert [build["state"] for build in builds] == [koji.BUILD_STATES["COMPLETE"]]
    assert len(box.admin.listBuildroots(taskID=arch_task)) == 1
    assert not builder.lines(f"freeing stale tasks: .*({task_id}|{arch_task})")
    wait_for(lambda: not records(builder, task_id, arch_task), 30)
    for record in before:
        started = builder.lines(rf"Attempting to take task {record.task_id}\b")
        assert len(started) == 1


def test_a_build_outlives_ten_kills_of_its_daemon_in_a_row(
    box: Sandbox, builder: Daemon, repository: int, srpms: Path
) -> None:
    task_id = box.submit(samples.talking_build(srpms, "outlives-kills", seconds=25), "outlives-kills")
    arch_task = wait_for(lambda: talks(box, task_id), 120, "%build")
    before = records(builder, task_id, arch_task)
    assert len(before) == 2
    for _ in range(10):
        assert builder.process is not None
        builder.process.kill()
        builder.process.wait()
        builder.launch()
        assert alive([record.process for record in before]) == [record.process for record in before]
    assert records(builder, task_id, arch_task) == before
    completes(box, builder, task_id, arch_task, before)
    assert len(builder.lines(rf"task {arch_task} \(buildArch.*re-attached")) >= 1


def test_a_build_does_not_notice_ten_hups(box: Sandbox, builder: Daemon, repository: int, srpms: Path) -> None:
    task_id = box.submit(samples.talking_build(srpms, "outlives-hups", seconds=25), "outlives-hups")
    arch_task = wait_for(lambda: talks(box, task_id), 120, "%build")
    before = records(builder, task_id, arch_task)
    pid = builder.pid
    for _ in range(10):
        starts = len(builder.lines("Starting up"))
        assert builder.process is not None
        builder.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(builder.lines("Starting up")) > starts, 30)  # noqa: B023
    assert builder.process is not None
    assert builder.process.poll() is None
    assert builder.pid == pid
    assert records(builder, task_id, arch_task) == before
    completes(box, builder, task_id, arch_task, before)


@contextlib.contextmanager
def sleeptime(builder: Daemon, seconds: int) -> Iterator[None]:
    """Another beat for a while, by SIGHUP."""

    def change(value: int) -> None:
        starts = len(builder.lines("Starting up"))
        configuration.write_builder(builder.conf, {**builder.options, "sleeptime": value})
        assert builder.process is not None
        builder.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(builder.lines("Starting up")) > starts, 30)

    before = builder.options["sleeptime"]
    change(seconds)
    try:
        yield
    finally:
        change(before)


def test_a_canceled_build_that_writes_is_gone_long_before_the_next_heartbeat(
    box: Sandbox, builder: Daemon, repository: int, srpms: Path
) -> None:
    task_id = box.submit(samples.talking_build(srpms, "canceled"), "canceled")
    arch_task = wait_for(lambda: talks(box, task_id), 120, "%build")
    with sleeptime(builder, 15):
        wait_for(lambda: builder.log.rstrip().endswith("Sleeping for 15"), 60)
        processes = [record.process for record in records(builder, task_id, arch_task)]
        root = box.admin.listBuildroots(taskID=arch_task)[0]
        begun = time.monotonic()
        box.admin.cancelTask(task_id)
        chroot = f"-{root['id']}-"
        wait_for(lambda: not alive(processes) and not [line for line in box.processes() if chroot in line], 4)
        assert time.monotonic() - begun < 4
        wait_for(lambda: box.admin.getBuildroot(root["id"])["state"] == koji.BR_STATES["EXPIRED"], 2)
    assert not box.mounts()
    assert box.state(arch_task) == "CANCELED"


def test_a_build_does_not_mind_a_full_log_disk(box: Sandbox, builder: Daemon, repository: int, srpms: Path) -> None:
    place = Path(builder.options["task_log_dir"])
    trouble = mount_small(place, "256k")
    if trouble:
        pytest.skip(trouble)
    try:
        task_id = box.submit(samples.talking_build(srpms, "full-logs", seconds=3), "full-logs")
        arch_task = wait_for(lambda: talks(box, task_id), 120, "%build")
        before = records(builder, task_id, arch_task)
        with full(place):
            completes(box, builder, task_id, arch_task, before)
        assert "talking line 6" in box.log(arch_task, "build.log")
    finally:
        run("umount", "-l", str(place))
