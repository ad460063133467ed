"""Cleaning up beside the work: the hub's own record tells whether a heartbeat came late."""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.system import mounts
from tests.support.lightdaemon import LightDaemon, light_daemon
from tests.support.sandbox import wait_for
from tests.support.sandboxhub import running_hub

pytestmark = pytest.mark.e2e
FILES = 200_000
PER_DIRECTORY = 1000
BEAT = 1.0


@pytest.fixture
def hub(tmp_path: Path) -> Any:
    with running_hub(tmp_path) as running:
        yield running


def fill(directory: Path, files: int) -> None:
    """A chroot with that many files, made by a few processes."""
    script = (
        "import os, sys\n"
        "top, first, last, each = sys.argv[1], *map(int, sys.argv[2:])\n"
        "for number in range(first, last):\n"
        "    place = f'{top}/{number % 7}/{number}'\n"
        "    os.makedirs(place)\n"
        "    here = os.open(place, os.O_RDONLY)\n"
        "    for file in range(each):\n"
        "        os.close(os.open(str(file), os.O_CREAT | os.O_WRONLY, dir_fd=here))\n"
        "    os.close(here)\n"
    )
    half, whole = files // PER_DIRECTORY // 2, files // PER_DIRECTORY
    parts = [(0, half), (half, whole)]
    running = [
        subprocess.Popen(["python3", "-c", script, str(directory), str(a), str(b), str(PER_DIRECTORY)])
        for a, b in parts
    ]
    assert [process.wait(300) for process in running] == [0, 0]


def moments(daemon: LightDaemon) -> list[float]:
    """When the hub got this host's reports, seconds since the epoch."""
    lines = [" ".join(line.split()[:2]) for line in daemon.heartbeats()]
    return [datetime.datetime.strptime(line, "%Y-%m-%d %H:%M:%S,%f").timestamp() for line in lines]


def test_200000_files_are_removed_while_heartbeats_stay_in_time(hub: Any, tmp_path: Path) -> None:
    buildroot = tmp_path / "daemon-builder" / "mockdir" / "tag-5-7"
    fill(buildroot / "root", FILES)
    for place in (buildroot / "root", buildroot):
        os.utime(place, (0, 0))
    admin = hub.session("admin")
    with light_daemon(hub, tmp_path, sleeptime=int(BEAT), stray_buildroot_lifetime=3600) as daemon:
        wait_for(lambda: daemon.lines("Cleaning up: stray buildroot tag-5-7"), 30)
        begun = len(moments(daemon))
        wait_for(lambda: not buildroot.exists(), 300, daemon.log[-3000:])
        wait_for(lambda: len(moments(daemon)) > begun + 1, 30)
        task_id = admin.makeTask("sleep", [0])
        wait_for(lambda: admin.getTaskInfo(task_id)["state"] == koji.TASK_STATES["CLOSED"], 30)
        beats = moments(daemon)
        gaps = [later - earlier for earlier, later in zip(beats[begun - 1 :], beats[begun:])]
        print(f"{len(gaps)} heartbeats while {FILES} files went, the longest gap {max(gaps):.2f} s")
        assert max(gaps) < BEAT + 1


@pytest.mark.root
def test_a_leftover_busy_mount_stops_nothing(hub: Any, tmp_path: Path) -> None:
    place = tmp_path / "daemon-builder" / "mockdir" / "tag-5-7" / "root" / "proc"
    place.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs root and mounts: {done.stderr.strip()}")
    admin = hub.session("admin")
    try:
        with (place / "held open").open("w"):
            for directory in (place.parent, place.parent.parent):
                os.utime(directory, (0, 0))
            with light_daemon(hub, tmp_path) as daemon:
                wait_for(lambda: not place.parent.parent.exists(), 60, daemon.log[-3000:])
                task_id = admin.makeTask("sleep", [0])
                wait_for(lambda: admin.getTaskInfo(task_id)["state"] == koji.TASK_STATES["CLOSED"], 30)
        assert mounts.mounts_under(place) == []
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def test_a_dead_tasks_working_directory_goes_and_a_living_ones_stays(hub: Any, tmp_path: Path) -> None:
    admin = hub.session("admin")
    with light_daemon(hub, tmp_path, workdir_lifetime=2) as daemon:
        dead = Path(daemon.options["workdir"]) / "tasks" / "999" / "999"
        dead.mkdir(parents=True)
        task_id = admin.makeTask("sleep", [12])
        alive = Path(daemon.options["workdir"]) / "tasks" / str(task_id) / str(task_id)
        wait_for(alive.is_dir, 30)
        wait_for(lambda: not dead.exists(), 30)
        wait_for(lambda: admin.getTaskInfo(task_id)["state"] == koji.TASK_STATES["CLOSED"], 60)
        assert not daemon.lines(f"Cleaning up: working directory {alive}")
