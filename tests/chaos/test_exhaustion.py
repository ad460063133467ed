"""A daemon without file descriptors to spare takes nothing it can't do, and is itself again afterwards."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import Iterator

import pytest

from tests.support.chaosscene import Scene
from tests.support.sandboxhub import running_hub

pytestmark = pytest.mark.e2e


@contextlib.contextmanager
def descriptors(pid: int, spare: int) -> Iterator[None]:
    """A running process may only open so many more files."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = [number for number in range(len(used) + spare + 1) if number not in used]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[spare], before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("spare", [0, 3])
def test_a_daemon_without_file_descriptors_loses_no_task(tmp_path: Path, spare: int) -> None:
    with running_hub(tmp_path, soft_refusal_timeout=2) as hub:
        scene = Scene(hub, tmp_path)
        try:
            scene.daemon.start()
            scene.make("sleep", 6)
            scene.pause(1)
            assert scene.daemon.process is not None
            with descriptors(scene.daemon.process.pid, spare):
                for _ in range(3):
                    scene.make("sleep", 0)
                scene.pause(3)
            assert scene.daemon.lines("Too many open files")
            scene.check()
        finally:
            scene.close()
