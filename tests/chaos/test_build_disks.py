"""The file system of mockdir gives out during a build: that is the host's fault, and costs the build nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Iterator, Tuple

import koji
import pytest

from kojid.sandbox.distro.sources import samples
from tests.support.chaosbuilds import BuildSite, Round, build_site
from tests.support.chaosmachine import LoopDisk
from tests.support.mailserver import MailServer
from tests.support.sandbox import Daemon, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

_MOST, _LEAST = 800, 400  # MB of the file system, and that must be free there for a task
_WRITES = "for i in $(seq 30); do echo talking line $i; head -c 200000 /dev/zero > made.$i || exit 1; sleep 0.5; done"


@pytest.fixture(scope="module")
def place(machine: None, mails: MailServer) -> Iterator[Tuple[BuildSite, LoopDisk]]:
    disks = []

    def give_disk(daemon: Daemon) -> None:
        mockdir = Path(daemon.options["mockdir"])
        status = mockdir.stat()
        disks.append(LoopDisk(mockdir, _MOST))
        if disks[0].trouble:
            pytest.skip(disks[0].trouble)
        os.chown(mockdir, -1, status.st_gid)
        mockdir.chmod(0o2775)

    try:
        with build_site(mails.port, give_disk, minspace=_LEAST) as site:
            yield site, disks[0]
            disks[0].close()
    finally:
        for disk in disks:
            disk.close()


def in_init(happening: Round) -> bool:
    """Whether the chroot of the buildArch task is being made."""
    site = happening.site
    for row in site.box.admin.getTaskChildren(happening.task_id):
        if row["method"] == "buildArch":
            for root in site.box.admin.listBuildroots(taskID=row["id"]):
                return any(Path(site.daemon.options["mockdir"]).glob(f"*-{root['id']}-*/root/usr"))
    return False


def given_back(happening: Round, reason: str) -> None:
    """The task was given back for the disk's sake, and the host says why it takes no other."""
    site = happening.site
    arch_task = site.box.child(happening.task_id, "buildArch")["id"]
    refusal = f"Refusing task {arch_task}: .*{site.daemon.options['mockdir']}"
    patiently(happening, lambda: site.daemon.lines(refusal), refusal)
    patiently(happening, lambda: site.box.state(arch_task) == "FREE", f"task {arch_task} is not free")
    patiently(happening, lambda: not site.box.admin.getHost(site.daemon.host)["ready"], "the host is still ready")
    patiently(happening, lambda: site.daemon.lines(f"INFO.*{reason}"), reason)
    roots = site.box.admin.listBuildroots(taskID=arch_task)
    assert [koji.BR_STATES[root["state"]] for root in roots] == ["EXPIRED"]
    patiently(happening, lambda: not site.box.processes(), "processes are left")


def patiently(happening: Round, condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; a vain wait tells what the machine was doing."""
    try:
        wait_for(condition, 120, what)
    except AssertionError as error:
        site = happening.site
        tree, processes = site.box.describe(happening.task_id), site.box.processes()
        raise AssertionError(f"{error}\n{tree}\nprocesses: {processes}\n{site.daemon.log[-6000:]}") from None


def test_a_build_whose_disk_is_full_during_init_is_done_when_there_is_room(place: Tuple[BuildSite, LoopDisk]) -> None:
    site, disk = place
    happening = Round(site, "full-init")
    wait_for(lambda: in_init(happening), 120)
    with disk.full():
        given_back(happening, f"Insufficient disk space at {disk.place}")
    happening.check()


def test_a_build_whose_disk_is_full_during_its_build_is_done_when_there_is_room(
    place: Tuple[BuildSite, LoopDisk],
) -> None:
    site, disk = place
    happening = Round(site, "full-build", lambda out: samples.noarch(out, "full-build", build=_WRITES))
    happening.comes_to("%build")
    with disk.full():
        given_back(happening, f"Insufficient disk space at {disk.place}")
    happening.check()


def test_a_build_whose_disk_stops_is_done_when_it_is_mended(place: Tuple[BuildSite, LoopDisk]) -> None:
    site, disk = place
    if disk.why_it_cant_stop:
        pytest.skip(disk.why_it_cant_stop)
    happening = Round(site, "stopped", lambda out: samples.noarch(out, "stopped", build=_WRITES))
    happening.comes_to("%build")
    disk.stop()
    given_back(happening, f"The file system of {disk.place} is read-only")
    patiently(happening, disk.mended, f"{disk.place} can't be unmounted")
    happening.check()
