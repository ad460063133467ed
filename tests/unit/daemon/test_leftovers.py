"""What stock kojid leaves for ever, and what must never be taken for it."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kojid.daemon import buildroots, cleaner
from kojid.errors import HostFault
from kojid.system import mounts
from kojid.system.storage import Room
from tests.unit.daemon.test_housekeeping import DAY, Site

EXPIRED, BUILDING = 3, 2


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaner, "_become_helper", lambda: None)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def stray(site: Site, name: str = "tag-5-7", age: float = 3 * DAY) -> Path:
    """A buildroot's directory of which no configuration is left."""
    directory = site.mockdir / name
    (directory / "root" / "etc").mkdir(parents=True)
    (directory / "result").mkdir()
    when = time.time() - age
    for place in (directory / "root", directory / "result", directory):
        os.utime(place, (when, when))
    return directory


def row(number: int, state: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "task_id": 50, "state": state, "tag_name": "tag", "repo_id": 7, "retire_ts": 1.0, **more}


def sweep(site: Site, active: Any = (), open_tasks: Any = ()) -> None:
    site.keeper.update(active, open_tasks)


class TestStrayBuildroots:
    def test_one_without_configuration_goes_with_its_bootstrap_after_its_lifetime(self, site: Site) -> None:
        stray(site)
        stray(site, "tag-5-7-bootstrap")
        young = stray(site, "tag-6-7", age=DAY)
        sweep(site)
        assert site.directories() == [young.name]

    def test_a_mockdir_that_has_just_gone_holds_none(self, site: Site) -> None:
        site.mockdir.rmdir()
        sweep(site)
        assert not site.mockdir.exists()

    def test_the_bootstrap_alone_goes_too(self, site: Site) -> None:
        stray(site, "tag-5-7-bootstrap")
        sweep(site)
        assert site.directories() == []

    def test_the_hub_decides_about_those_it_knows(self, site: Site) -> None:
        for number in (5, 6, 8):
            stray(site, f"tag-{number}-7")
        site.rows = {5: row(5, EXPIRED), 6: row(6, BUILDING), 8: row(8, EXPIRED, repo_id=9)}
        sweep(site)
        assert site.directories() == ["tag-6-7", "tag-8-7"]

    def test_one_whose_task_still_has_processes_here_stays(self, site: Site) -> None:
        stray(site)
        site.rows = {5: row(5, EXPIRED)}
        site.supervisor.running = {50}
        sweep(site)
        assert site.directories() == ["tag-5-7"]

    def test_with_little_room_those_go_early_that_the_hub_has_as_expired(self, site: Site) -> None:
        for number, age in ((5, 3600), (6, 3600), (8, 60)):
            stray(site, f"tag-{number}-7", age)
        site.rows = {5: row(5, EXPIRED), 8: row(8, EXPIRED)}
        sweep(site)
        assert len(site.directories()) == 3
        site.room = Room(10)
        site.renew()
        sweep(site)
        assert site.directories() == ["tag-6-7", "tag-8-7"]

    def test_one_that_is_active_on_this_host_stays(self, site: Site) -> None:
        stray(site)
        sweep(site, [{"id": 5, "task_id": 50, "tag_name": "tag", "arch": "x86_64"}], [50])
        assert site.directories() == ["tag-5-7"]

    @pytest.mark.parametrize("name", ["fedora-39-x86_64", "tag-5", "-5-7", "tag-05-7", "tag-5-7x", "cache", "5-7"])
    def test_other_names_are_not_ours(self, site: Site, name: str) -> None:
        stray(site, name)
        sweep(site)
        assert site.directories() == [name]

    def test_links_files_and_what_mock_did_not_make_stay(self, site: Site) -> None:
        elsewhere = stray(site, "elsewhere")
        (site.mockdir / "tag-1-7").symlink_to(elsewhere)
        (site.mockdir / "tag-2-7").write_text("a file")
        (site.mockdir / "tag-3-7" / "photos").mkdir(parents=True)
        for name in ("tag-2-7", "tag-3-7", "tag-3-7/photos"):
            os.utime(site.mockdir / name, (0, 0))
        before = site.directories()
        sweep(site)
        assert site.directories() == before
        assert (elsewhere / "root" / "etc").is_dir()

    @pytest.mark.root
    def test_another_users_directory_stays(self, site: Site) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root: gives a directory away")
        os.chown(stray(site), 4242, 4242)
        sweep(site)
        assert site.directories() == ["tag-5-7"]

    def test_lifetime_0_keeps_them(self, site: Site) -> None:
        site.renew(stray_buildroot_lifetime=0)
        stray(site)
        sweep(site)
        assert site.directories() == ["tag-5-7"]

    def test_one_with_configuration_that_the_hub_does_not_know_goes_after_its_lifetime(self, site: Site) -> None:
        site.buildroot(1, age=3 * DAY)
        del site.rows[1]
        sweep(site)
        assert site.config(1).exists()  # it was written just now
        old = time.time() - 3 * DAY
        for place in (site.config(1), site.mockdir / "tag-1-7", site.mockdir / "tag-1-7-bootstrap"):
            os.utime(place, (old, old))
        for name in ("root", "result"):
            os.utime(site.mockdir / "tag-1-7" / name, (old, old))
        sweep(site)
        assert site.directories() == [] and not site.config(1).exists()

    def test_a_process_in_it_keeps_it(self, site: Site) -> None:
        directory = stray(site)
        with subprocess.Popen([sys.executable, "-c", "input()"], cwd=directory / "root", stdin=subprocess.PIPE) as user:
            sweep(site)
            assert (directory / "root" / "etc").is_dir()
            user.communicate(b"\n")

    def test_mock_that_has_locked_it_keeps_it(self, site: Site) -> None:
        directory = stray(site)
        code = (
            "import fcntl, sys; f = open('buildroot.lock', 'a+'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB);"
            "print(flush=True); input()"
        )
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as mock:
            assert mock.stdout is not None
            mock.stdout.readline()
            assert buildroots.inhabitants.locked_by_mock(directory)
            with pytest.raises(HostFault, match="in use"):
                buildroots.remove_unused(buildroots.Local(5, "tag-5-7", None), [directory])
            mock.communicate(b"\n")
        assert not buildroots.inhabitants.locked_by_mock(directory)


class TestWorkdirs:
    def make(self, site: Site, relative: str, age: float = 2 * DAY) -> Path:
        directory = site.top / "work" / "tasks" / relative
        directory.mkdir(parents=True)
        (directory / "file").touch()
        for place in (directory / "file", directory):
            os.utime(place, (time.time() - age, time.time() - age))
        return directory

    def test_those_of_dead_tasks_go_after_their_lifetime(self, site: Site) -> None:
        dead, open_one, runs = (self.make(site, f"{number}/{number}") for number in (1, 2, 3))
        young = self.make(site, "4/4", age=60)
        other_group = self.make(site, "5/10005")
        site.supervisor.running = {3}
        sweep(site, open_tasks=[2])
        assert not dead.exists() and not other_group.exists()
        assert open_one.exists() and runs.exists() and young.exists()

    def test_one_that_is_gone_is_not_offered_again(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        site.renew(task_log_dir="")
        self.make(site, "1/1")
        for _ in range(3):
            sweep(site)
        assert caplog.text.count("Cleaning up: working directory") == 1

    def test_with_little_room_they_go_early(self, site: Site) -> None:
        dead, young = self.make(site, "1/1", age=3600), self.make(site, "2/2", age=60)
        site.room = Room(639)
        sweep(site)
        assert not dead.exists() and young.exists()

    def test_a_recent_file_in_it_keeps_it(self, site: Site) -> None:
        directory = self.make(site, "1/1")
        os.utime(directory / "file")
        sweep(site)
        assert directory.exists()

    @pytest.mark.parametrize("relative", ["7/8", "x/7", "7/x", "7/7x"])
    def test_other_places_are_not_ours(self, site: Site, relative: str) -> None:
        directory = self.make(site, relative)
        sweep(site)
        assert directory.exists()

    def test_a_link_is_not_followed(self, site: Site) -> None:
        elsewhere = self.make(site, "../elsewhere")
        (site.top / "work" / "tasks" / "7").mkdir()
        (site.top / "work" / "tasks" / "7" / "7").symlink_to(elsewhere)
        (site.top / "work" / "tasks" / "8").symlink_to(site.top / "work" / "tasks" / "7")
        sweep(site)
        assert elsewhere.exists()

    def test_lifetime_0_keeps_them(self, site: Site) -> None:
        site.renew(workdir_lifetime=0)
        directory = self.make(site, "1/1")
        sweep(site)
        assert directory.exists()


def test_old_logs_of_tasks_go(site: Site) -> None:
    logs = site.top / "logs"
    logs.mkdir()
    for name, age in (("1.log", 8 * DAY), ("2.log", DAY), ("notes", 9 * DAY)):
        (logs / name).touch()
        os.utime(logs / name, (time.time() - age, time.time() - age))
    sweep(site)
    assert sorted(os.listdir(logs)) == ["2.log", "notes"]


@pytest.fixture
def mount(site: Site) -> Any:
    """Mounts a tmpfs in a buildroot; a skip where that can't be."""
    made = []

    def put(directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "none", str(directory)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs root and mounts: {done.stderr.strip()}")
        made.append(directory)
        return directory

    yield put
    for directory in made:
        subprocess.run(["umount", "-l", str(directory)], capture_output=True, check=False)


@pytest.mark.root
class TestStaleMounts:
    def test_a_mount_in_a_dead_buildroot_is_taken_away_even_if_it_is_busy(self, site: Site, mount: Any) -> None:
        site.renew(stale_mount_delay=1, stray_buildroot_lifetime=0)
        place = mount(site.mockdir / "tag-5-7" / "root" / "pro c")
        neighbour = mount(site.mockdir / "tag-5-70" / "root" / "proc")
        site.rows = {5: row(5, EXPIRED)}
        with (place / "held open").open("w"):
            deadline = time.monotonic() + 10
            while mounts.mounts_under(place):
                assert time.monotonic() < deadline
                sweep(site)
        assert mounts.mounts_under(neighbour)

    def test_mounts_of_others_stay(self, site: Site, mount: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fcntl, "flock", lambda *args: None)
        site.renew(stale_mount_delay=1, stray_buildroot_lifetime=0)
        places = [mount(site.mockdir / name / "root") for name in ("tag-5-7", "tag-6-7", "fedora-39-x86_64")]
        site.rows = {5: row(5, BUILDING)}
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            sweep(site, [{"id": 6, "task_id": 50, "tag_name": "tag", "arch": "x86_64"}], [50])
        assert all(mounts.mounts_under(place) for place in places)

    def test_a_busy_mount_in_one_buildroot_stops_no_other(
        self, site: Site, mount: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Where not even detaching works, the buildroot stays, is told of, and everything else goes on."""
        stray(site, "tag-5-7", age=9 * DAY)
        mount(site.mockdir / "tag-5-7" / "root" / "proc")
        os.utime(site.mockdir / "tag-5-7" / "root", (0, 0))
        stray(site, "tag-6-7")
        monkeypatch.setattr(mounts.syscalls, "umount2", lambda target, flags: None)
        for _ in range(3):
            sweep(site)
        assert site.directories() == ["tag-5-7"]
        told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len([line for line in told if "something is mounted on" in line]) == 1
        assert len(told) == 2
