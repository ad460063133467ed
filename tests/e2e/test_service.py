"""The daemon as a service: what systemd hears of it, life in the background, a restart that waits, mounts that stay."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List

import pytest

from kojid.system import mounts, processes
from tests.support.builder import ROOT, Builder, alive, builder_of, wait_for
from tests.support.chaosmachine import mount_small, run
from tests.support.sandboxhub import SandboxHub, running_hub

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with running_hub(tmp_path_factory.mktemp("hub"), soft_refusal_timeout=2) as started:
        yield started


@pytest.fixture
def builder(hub: SandboxHub, tmp_path: Path) -> Iterator[Builder]:
    with builder_of(hub, tmp_path / "builder") as made:
        yield made


def test_systemd_hears_that_it_is_ready_and_twice_in_each_interval_that_it_lives(
    builder: Builder, tmp_path: Path
) -> None:
    pytest.importorskip("systemd.daemon")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        builder.start("--force-lock", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
        heard: List[str] = []
        while heard.count("WATCHDOG=1") < 5 or not any(word.startswith("STATUS=") for word in heard):
            heard += systemd.recv(4096).decode().splitlines()
        assert "READY=1" in heard
        assert builder.stop() == 0
        while "STOPPING=1" not in heard:
            heard += systemd.recv(4096).decode().splitlines()


def test_without_fg_it_goes_into_the_background_and_works_there(builder: Builder) -> None:
    command = [sys.executable, str(ROOT / "bin" / "kojid"), "--force-lock", "--debug", "-c", str(builder.conf)]
    started = subprocess.run(command, cwd=builder.dir, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert started.returncode == 0, started.stderr

    def daemons() -> List[int]:
        marked = os.fsencode(builder.conf)
        found = [pid for pid in processes.snapshot() if marked in _words(pid)]
        ours = {pid: processes.read_state(pid) for pid in found}
        return [pid for pid, state in ours.items() if state is not None and state.parent not in found]

    (pid,) = wait_for(daemons)
    try:
        assert os.getsid(pid) != os.getsid(0)
        assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
        assert builder.ends(builder.task("sleep", 0)) == "CLOSED"
        os.kill(pid, signal.SIGHUP)  # begins anew in place, where it is
        assert builder.ends(builder.task("sleep", 0)) == "CLOSED"
        assert daemons() == [pid]
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not daemons())


def _words(pid: int) -> List[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_a_graceful_restart_that_waits_is_not_forgotten_in_a_crash(builder: Builder) -> None:
    builder.start("--force-lock")
    task_id = builder.task("sleep", 6)
    record = builder.running(task_id)
    builder.send(signal.SIGUSR1)
    wait_for(lambda: builder.lines("Initiating graceful restart"))
    builder.kill()
    builder.start()
    wait_for(lambda: builder.lines("still runs: re-attached"))
    assert alive(record.process)
    late = builder.task("sleep", 0)
    assert builder.ends(task_id) == "CLOSED"
    assert builder.ends(late) == "CLOSED"
    log = builder.log
    assert log.index("Restarting") < log.index(f"Attempting to take task {late}")
    assert not builder.ledger.restart_planned()
    assert builder.stop() == 0


def test_what_a_task_leaves_mounted_in_its_buildroot_is_taken_away(builder: Builder) -> None:
    builder.start("--force-lock")
    task_id = builder.task("sleep", 3)
    builder.running(task_id)
    (builder.dir / "etc").mkdir(exist_ok=True)
    config = builder.dir / "etc" / "tag-77-5.cfg"
    config.write_text("# Koji buildroot id: 77\n# Koji buildroot name: tag-77-5\n")
    inside, beside = (builder.dir / "mock" / name / "root" / "dev" for name in ("tag-77-5", "tag-77-55"))
    troubles = [mount_small(place) for place in (inside, beside)]
    try:
        if any(troubles):
            pytest.skip(troubles[0])
        builder.ledger.add_buildroot(task_id, 77)
        assert builder.ends(task_id) == "CLOSED"
        wait_for(lambda: not mounts.mounts_under(inside))
        assert mounts.mounts_under(beside)
    finally:
        run("umount", str(inside))
        run("umount", str(beside))
    assert builder.stop() == 0
