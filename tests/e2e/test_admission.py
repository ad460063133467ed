"""Which tasks a running daemon takes, seen from the hub."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Iterator

import koji
import pytest

from tests.support.lightdaemon import light_daemon
from tests.support.sandbox import wait_for
from tests.support.sandboxhub import SandboxHub, running_hub

pytestmark = pytest.mark.e2e
ENDED = [koji.TASK_STATES[name] for name in ("CLOSED", "CANCELED", "FAILED")]
OPEN = koji.TASK_STATES["OPEN"]


def states(admin: Any, parents: list[int]) -> list[int]:
    return [admin.getTaskInfo(task_id)["state"] for task_id in parents]


def children(admin: Any, parents: list[int]) -> list[int]:
    return [row["state"] for task_id in parents for row in admin.getTaskChildren(task_id)]


@pytest.fixture
def hub(tmp_path: Path) -> Any:
    with running_hub(tmp_path) as running:
        yield running


def two_waiting_parents(hub: SandboxHub) -> list[int]:
    admin = hub.session("admin")
    parents = [admin.makeTask("waittest", [2, 1]) for _ in range(2)]
    wait_for(lambda: states(admin, parents) == [OPEN, OPEN] and len(children(admin, parents)) == 6, 30)
    return parents


def test_parents_that_fill_the_host_still_get_their_subtasks_done(hub: SandboxHub, tmp_path: Path) -> None:
    admin = hub.session("admin")
    with light_daemon(hub, tmp_path, maxjobs=2) as daemon:
        parents = two_waiting_parents(hub)
        wait_for(lambda: all(state in ENDED for state in states(admin, parents)), 60, daemon.log[-3000:])
        assert states(admin, parents) == [koji.TASK_STATES["CLOSED"]] * 2
        status = json.loads((daemon.dir / "state_dir" / "status.json").read_text())
        assert status["maxjobs"] == 2


def test_the_stock_rule_locks_such_a_host_up(hub: SandboxHub, tmp_path: Path) -> None:
    """What `max_waiting = 0` brings back."""
    admin = hub.session("admin")
    with light_daemon(hub, tmp_path, maxjobs=2, max_waiting=0) as daemon:
        parents = two_waiting_parents(hub)
        wait_for(lambda: daemon.lines("INFO.*Full queue: 2 of 2 jobs"), 30)
        beats = len(daemon.heartbeats())
        wait_for(lambda: len(daemon.heartbeats()) > beats + 3, 30)
        assert states(admin, parents) == [OPEN, OPEN]
        assert not set(children(admin, parents)) & {OPEN, *ENDED}


def test_what_keeps_tasks_away_is_told_in_the_log_once_and_in_the_status_file(hub: SandboxHub, tmp_path: Path) -> None:
    with light_daemon(hub, tmp_path, mininodes=10**12) as daemon:
        beats = len(daemon.heartbeats())
        wait_for(lambda: len(daemon.heartbeats()) > beats + 2, 30)
        assert len(daemon.lines("INFO.*Insufficient inodes")) == 1
        status = json.loads((daemon.dir / "state_dir" / "status.json").read_text())
        assert status["ready"] is False
        assert status["reason"].startswith(f"Insufficient inodes at {daemon.options['mockdir']}: ")
        assert not hub.session("admin").getHost("builder")["ready"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB and few inodes as the daemon's `workdir`."""
    place = tmp_path / "daemon-builder" / "workdir"
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=16m,nr_inodes=100", "none", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs root and mounts: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


@pytest.mark.root
def test_a_full_or_read_only_file_system_keeps_tasks_away_until_it_is_mended(
    hub: SandboxHub, tmp_path: Path, small: Path
) -> None:
    admin = hub.session("admin")

    def ready() -> bool:
        return bool(admin.getHost("builder")["ready"])

    with light_daemon(hub, tmp_path, minspace_workdir=8, mininodes=50) as daemon:
        wait_for(ready, 30)
        (small / "big").write_bytes(b"x" * (12 << 20))
        wait_for(lambda: not ready(), 30)
        assert daemon.lines(f"INFO.*Insufficient disk space at {small}: 4 MB, 8 MB required")
        (small / "big").unlink()
        wait_for(ready, 30)
        for number in range(60):
            (small / str(number)).touch()
        wait_for(lambda: not ready(), 30)
        assert daemon.lines(f"INFO.*Insufficient inodes at {small}: ")
        for number in range(60):
            (small / str(number)).unlink()
        wait_for(ready, 30)
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        wait_for(lambda: not ready(), 30)
        assert daemon.lines(f"INFO.*The file system of {small} is read-only")
        subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
        task_id = admin.makeTask("sleep", [0])
        wait_for(lambda: admin.getTaskInfo(task_id)["state"] == koji.TASK_STATES["CLOSED"], 30)
        assert len(daemon.lines("INFO.*Ready for tasks again")) == 3
