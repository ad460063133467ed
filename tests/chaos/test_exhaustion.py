"""A daemon without file descriptors to spare takes nothing it can't do, and is itself again afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaosscene import Scene
from tests.support.sandboxhub import running_hub

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("spare", [0, 3])
def test_a_daemon_without_file_descriptors_loses_no_task(tmp_path: Path, spare: int) -> None:
    with running_hub(tmp_path, soft_refusal_timeout=2) as hub:
        scene = Scene(hub, tmp_path)
        try:
            scene.daemon.start()
            scene.make("sleep", 6)
            scene.pause(1)
            with scene.descriptors("daemon", spare):
                for _ in range(3):
                    scene.make("sleep", 0)
                scene.pause(3)
            assert scene.daemon.lines("Too many open files")
            scene.check()
        finally:
            scene.close()
