"""Hosts that can't make repositories - no volume, no space, no working directory - leave them to those that can."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

from kojid.sandbox.hub.settings import HostSetting
from tests.support.lightdaemon import LightDaemon, light_daemon
from tests.support.reposcene import Scene, running_scene
from tests.support.sandbox import wait_for

pytestmark = pytest.mark.e2e

CHANNELS = ("default", "createrepo")
GOOD, POOR = "builder", "poor"


@pytest.fixture(scope="module", params=["1.35.3", "1.30.1"])
def scene(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    hosts = (HostSetting(GOOD, channels=CHANNELS), HostSetting(POOR, channels=CHANNELS))
    with running_scene(tmp_path_factory.mktemp("faults"), version=request.param, hosts=hosts) as made:
        made.tag("tagged", "x86_64", made.tiny)
        # no older metadata to take over, and databases, which alone are larger than the small disk
        made.tag("of-yum", "x86_64", made.tiny, **{"mock.package_manager": "yum"})
        yield made


@contextlib.contextmanager
def only_the_poor(scene: Scene, directory: Path, **options: Any) -> Iterator[LightDaemon]:
    """Inside the block only a host with these options takes tasks; afterwards only the good one does."""
    scene.admin.disableHost(GOOD)
    scene.admin.enableHost(POOR)
    with light_daemon(scene.hub, directory, POOR, **options) as poor:
        yield poor
        scene.admin.enableHost(GOOD)
        scene.admin.disableHost(POOR)


def test_without_the_volume_new_repo_is_left_to_another_host(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "unmounted").mkdir()
    with only_the_poor(scene, tmp_path, topdir=tmp_path / "unmounted") as poor:
        task = scene.new_repo("tagged")
        wait_for(lambda: poor.lines("No access to repos dir"), 90, poor.log)
    assert scene.repo_of(task).packages("x86_64")
    assert scene.admin.getTaskInfo(task)["host_id"] == scene.admin.getHost(GOOD)["id"]


def test_with_a_full_disk_createrepo_is_left_to_another_host(scene: Scene, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "small", 64))
        poor = stack.enter_context(only_the_poor(scene, tmp_path, workdir=disk, minspace_workdir=0))
        task = scene.new_repo("of-yum")
        # createrepo_c does not notice: it ends with status 0
        wait_for(lambda: poor.lines("Refusing task .*: createrepo_c has left broken metadata"), 90, poor.dir.name)
        scene.admin.enableHost(GOOD)
        assert scene.repo_of(task).packages("x86_64")
    (child,) = scene.children(task).values()
    assert child["host_id"] == scene.admin.getHost(GOOD)["id"]


def test_without_a_working_directory_waitrepo_is_left_to_another_host(scene: Scene, tmp_path: Path) -> None:
    repo = scene.repo_of(scene.new_repo("tagged"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "tasks").touch()  # a file where task directories go
    with only_the_poor(scene, tmp_path, workdir=tmp_path / "work") as poor:
        task = scene.admin.makeTask("waitrepo", ["tagged"])
        wait_for(lambda: poor.lines(f"Refusing task {task}: the working directory .* can't be made"), 90, poor.log)
    assert scene.closed(task)["id"] >= repo.id


@contextlib.contextmanager
def small_disk(directory: Path, kilobytes: int) -> Iterator[Path]:
    """A directory with little space."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a small file system is mounted")
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "small", str(directory)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)
