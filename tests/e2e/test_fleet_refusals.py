"""A task that its host can't do, on hubs that keep refusals and on one that does not: another host does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.sandbox.hub.settings import HostSetting
from tests.support.fleet import running_fleet
from tests.support.sandbox import wait_for

pytestmark = pytest.mark.e2e

HOSTS = (HostSetting("builder"), HostSetting("second"))


@pytest.mark.parametrize("version", ["1.35.3", "1.33.2"])
def test_a_host_without_the_volume_leaves_its_repositories_to_another(tmp_path: Path, version: str) -> None:
    with running_fleet(tmp_path, version=version, hosts=HOSTS) as fleet:
        fleet.admin.createTag("empty")
        blind = fleet.builder("builder", topdir=tmp_path / "nowhere").start()
        task_id = fleet.admin.newRepo("empty")
        wait_for(lambda: f"Refusing task {task_id}: No access to repos dir" in blind.log, 90)
        cycles = blind.log.count("Task Load:")
        wait_for(lambda: blind.log.count("Task Load:") >= cycles + 4, 90)
        assert blind.log.count(f"Attempting to take task {task_id}") == 1

        second = fleet.builder("second").start()
        (row,) = fleet.all_closed([task_id], 90)
        assert row["host_id"] == second.id
