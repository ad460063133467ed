"""Which buildroots are expired, emptied and removed (contract 4.6)."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import time
from pathlib import Path
from typing import Any, Callable
from unittest.mock import Mock

import koji
import pytest

from kojid.daemon import buildroots, cleaner
from kojid.daemon.housekeeping import Housekeeping
from kojid.daemon.probes import Answer
from kojid.system.child import ExitStatus
from kojid.system.storage import Room
from tests.support import options

DAY = 86400


class Supervisor:
    """A supervisor whose helpers run at once, and whose tasks the test names."""

    def __init__(self) -> None:
        self.running: set[int] = set()

    def help_with(self, main: Callable[[], None], name: str, done: Callable[[ExitStatus], None]) -> int:
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        done(ExitStatus(code))
        return 1

    def job_of(self, task_id: int) -> Any:
        return task_id if task_id in self.running else None


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaner, "_become_helper", lambda: None)


class Site:
    def __init__(self, top: Path) -> None:
        self.mockdir, self.configs = top / "mock", top / "etc"
        self.mockdir.mkdir()
        self.configs.mkdir()
        self.session = Mock()
        self.rows: dict[int, dict[str, Any]] = {}
        self.states: dict[int, int] = {}
        self.session.listBuildroots.side_effect = lambda buildrootID: [
            self.rows[number] for number in buildrootID if number in self.rows
        ]
        self.session.getTaskInfo.side_effect = lambda ids: [
            {"id": number, "state": self.states[number]} if number in self.states else None for number in ids
        ]
        self.events = 0
        self.room = Room(20000, 500000)
        self.asked = itertools.count()
        self.probes = Mock()
        self.probes.answer.side_effect = lambda place: Answer(
            str(self.mockdir), self.room, "", time.monotonic() + next(self.asked)
        )
        self.supervisor = Supervisor()
        self.top = top
        self.renew()

    def renew(self, **settings: Any) -> None:
        """The same machine with a daemon that has just started."""
        values = options(
            mockdir=str(self.mockdir),
            mock_config_dir=str(self.configs),
            workdir=str(self.top / "work"),
            **{"task_log_dir": str(self.top / "logs"), **settings},
        )
        self.keeper = Housekeeping(
            self.session,
            values,
            self.supervisor,
            self.probes,
            self.count,  # type: ignore[arg-type]
        )

    def count(self) -> None:
        self.events += 1

    def directories(self) -> list[str]:
        return sorted(os.listdir(self.mockdir))

    def buildroot(self, number: int, age: float, state: str = "CLOSED") -> Path:
        name = f"tag-{number}-7"
        root = self.mockdir / name / "root"
        root.mkdir(parents=True)
        (root / "etc").mkdir()
        (self.mockdir / name / "result").mkdir()
        (self.mockdir / f"{name}-bootstrap" / "root" / "usr").mkdir(parents=True)
        for directory in (root, self.mockdir / f"{name}-bootstrap" / "root"):
            os.utime(directory, (time.time() - age, time.time() - age))
        text = f"# Koji buildroot id: {number}\n# Koji buildroot name: {name}\nconfig_opts = {{}}\n"
        (self.configs / f"{name}.cfg").write_text(text)
        self.rows[number] = {"id": number, "task_id": 100 + number, "retire_ts": time.time() - age, "state": 3}
        self.states[100 + number] = koji.TASK_STATES[state]
        return self.mockdir / name

    def config(self, number: int) -> Path:
        return self.configs / f"tag-{number}-7.cfg"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_buildroots_of_tasks_that_are_not_open_are_expired(site: Site) -> None:
    active = [
        {"id": 1, "task_id": None, "tag_name": "t", "arch": "x86_64"},
        {"id": 2, "task_id": 50, "tag_name": "t", "arch": "x86_64"},
        {"id": 3, "task_id": 51, "tag_name": "t", "arch": "x86_64"},
    ]
    site.keeper.update(active, [51])
    assert [call.args for call in site.session.host.setBuildRootState.call_args_list] == [(1, 3), (2, 3)]


def test_a_recent_one_is_left_alone(site: Site) -> None:
    top = site.buildroot(1, age=60)
    site.keeper.update([], [])
    assert (top / "root" / "etc").is_dir()


def test_an_older_one_is_emptied_with_its_bootstrap_and_results(site: Site) -> None:
    top = site.buildroot(1, age=200)
    site.keeper.update([], [])
    assert list((top / "root").iterdir()) == []
    assert not (top / "result").exists()
    assert list(Path(f"{top}-bootstrap", "root").iterdir()) == []
    assert site.config(1).exists()


def test_an_emptied_one_is_not_emptied_again_by_the_next_daemon(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    top = site.buildroot(1, age=200)
    site.keeper.update([], [])
    for directory in (top, Path(f"{top}-bootstrap")):
        os.utime(directory / "root", (0, 0))
    caplog.clear()
    site.renew()
    with caplog.at_level(logging.INFO, logger="koji"):
        site.keeper.update([], [])
    assert "Cleaning up: content of buildroot" not in caplog.text


def test_an_old_one_goes_with_its_configuration(site: Site) -> None:
    top = site.buildroot(1, age=2 * DAY)
    site.keeper.update([], [])
    assert not top.exists()
    assert not Path(f"{top}-bootstrap").exists()
    assert not site.config(1).exists()


def test_a_failed_tasks_buildroot_is_kept_for_its_lifetime(site: Site) -> None:
    top = site.buildroot(1, age=3600, state="FAILED")
    site.keeper.update([], [])
    assert (top / "root" / "etc").is_dir()


@pytest.mark.parametrize("room", [Room(10239, -1), Room(20000, 12499)], ids=["space", "inodes"])
def test_with_little_room_ended_tasks_buildroots_go_early_the_oldest_first_one_by_one(site: Site, room: Room) -> None:
    site.buildroot(1, age=3600, state="FAILED")
    site.buildroot(2, age=60)
    site.buildroot(3, age=7200, state="FAILED")
    site.buildroot(4, age=9000, state="OPEN")
    site.room = room
    left = []
    for _ in range(4):
        site.keeper.update([], [])
        left.append([name for name in site.directories() if not name.endswith("-bootstrap")])
    assert left == [
        ["tag-1-7", "tag-2-7", "tag-4-7"],
        ["tag-2-7", "tag-4-7"],
        ["tag-4-7"],
        ["tag-4-7"],
    ]
    assert site.events == 3


def test_room_is_looked_at_anew_before_the_next_one_goes(site: Site) -> None:
    for number in (1, 2):
        site.buildroot(number, age=60 + number)
    site.probes.answer.side_effect = lambda place: Answer(str(site.mockdir), Room(1), "", 1.0)
    for _ in range(3):
        site.keeper.update([], [])
    assert site.directories() == ["tag-1-7", "tag-1-7-bootstrap"]


def test_nothing_is_touched_while_mockdir_does_not_answer(site: Site) -> None:
    site.buildroot(1, age=2 * DAY)
    site.probes.answer.side_effect = lambda place: Answer(str(site.mockdir), None, "does not answer")
    site.keeper.update([], [])
    assert site.config(1).exists()


def test_what_failed_on_a_stopped_file_system_is_done_as_soon_as_it_is_mended(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = site.buildroot(1, age=2 * DAY)
    site.room = Room(20000, 500000, read_only=True)
    with monkeypatch.context() as broken:
        broken.setattr(buildroots, "remove", Mock(side_effect=OSError(errno.EROFS, os.strerror(errno.EROFS))))
        site.keeper.update([], [])
    site.keeper.update([], [])
    assert top.exists()
    site.room = Room(20000, 500000)
    site.keeper.update([], [])
    assert not top.exists()


def test_buildroots_in_use_and_unknown_ones_are_left_alone(site: Site) -> None:
    used, unknown = site.buildroot(1, age=2 * DAY), site.buildroot(2, age=2 * DAY)
    del site.rows[2]
    site.keeper.update([{"id": 1, "task_id": 101, "tag_name": "t", "arch": "x86_64"}], [101])
    assert (used / "root" / "etc").is_dir()
    assert (unknown / "root" / "etc").is_dir()


def test_a_task_that_was_taken_away_keeps_its_buildroot_until_its_processes_have_ended(site: Site) -> None:
    site.buildroot(1, age=2 * DAY, state="CANCELED")
    site.supervisor.running = {101}
    site.keeper.update([], [])
    assert site.config(1).exists()
    site.supervisor.running = set()
    site.keeper.update([], [])
    assert not site.config(1).exists()


def test_the_hub_is_asked_once_about_a_retired_buildroot(site: Site) -> None:
    site.buildroot(1, age=60)
    for _ in range(3):
        site.keeper.update([], [])
    assert site.session.listBuildroots.call_count == 1
    assert site.session.getTaskInfo.call_count == 1


def test_a_task_that_fails_after_its_buildroot_retired_keeps_it(site: Site) -> None:
    top = site.buildroot(1, age=60, state="OPEN")
    site.keeper.update([], [])
    site.states[101] = koji.TASK_STATES["FAILED"]
    site.rows[1]["retire_ts"] -= 600
    os.utime(top / "root", (time.time() - 600, time.time() - 600))
    for _ in range(3):
        site.keeper.update([], [])
    assert (top / "root" / "etc").is_dir()
    assert site.session.getTaskInfo.call_count == 2


def test_a_buildroot_unknown_to_the_hub_is_told_of_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.buildroot(1, age=60)
    del site.rows[1]
    for _ in range(3):
        site.keeper.update([], [])
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "left alone for now: buildroot tag-1-7 is not known to the hub as retired"
    ]
    assert site.session.listBuildroots.call_count == 1


def test_a_buildroot_that_came_up_since_the_hubs_list_is_no_stray(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.buildroot(1, age=60)
    site.rows[1].update(state=0, retire_ts=None)
    site.keeper.update([], [])
    assert all(record.levelname != "WARNING" for record in caplog.records)
    site.rows[1].update(state=3, retire_ts=time.time() - 2 * DAY)
    for name in ("tag-1-7", "tag-1-7-bootstrap"):
        os.utime(site.mockdir / name / "root", (0, 0))
    site.keeper.update([], [])
    assert not site.config(1).exists()


def test_files_without_both_marks_and_names_with_slashes_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text("# Koji buildroot id: 1\n")
    (tmp_path / "b.cfg").write_text("# Koji buildroot id: 2\n# Koji buildroot name: ../../etc\n")
    (tmp_path / "c.cfg").write_bytes(b"\xff\xfe\n")
    assert buildroots.scan(tmp_path) == []


def test_a_clean_up_of_everything_takes_what_has_ended_and_nothing_else(site: Site) -> None:
    site.buildroot(1, age=3600, state="FAILED")
    site.buildroot(2, age=60)
    site.buildroot(3, age=9000, state="OPEN")
    run = site.keeper.clean(dry=False, everything=True)
    assert site.events == 1
    site.keeper.update([], [])
    assert run.done
    assert {one["key"]: one["outcome"] for one in run.progress()["chores"]} == {
        "buildroot tag-1-7": "done",
        "buildroot tag-2-7": "done",
        "content of buildroot tag-3-7": "done",
    }
    assert site.directories() == ["tag-3-7", "tag-3-7-bootstrap"]


def test_what_a_dry_clean_up_lists_is_not_done_by_the_next_sweep(site: Site) -> None:
    site.buildroot(1, age=60)
    old = site.top / "work" / "tasks" / "7" / "7"
    old.mkdir(parents=True)
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    run = site.keeper.clean(dry=True, everything=True)
    for _ in range(3):
        site.keeper.update([], [])
    assert [(one["key"], one["why"]) for one in run.progress()["chores"]] == [
        ("buildroot tag-1-7", "its task 101 is closed"),
        (f"working directory {old}", "its task does not run here"),
    ]
    assert run.progress()["chores"][0]["paths"] == [str(site.mockdir / f"tag-1-7{end}") for end in ("", "-bootstrap")]
    assert (site.mockdir / "tag-1-7" / "root" / "etc").is_dir()
    assert old.exists()


def test_while_the_buildroots_do_not_answer_a_clean_up_says_so(site: Site) -> None:
    site.room = None  # type: ignore[assignment]
    run = site.keeper.clean(dry=True, everything=False)
    site.keeper.update([], [])
    assert run.done
    assert "does not answer" in run.progress()["trouble"]


def test_the_fate_of_each_buildroot_is_known_without_asking_the_hub(site: Site) -> None:
    for number, age, state in ((1, 60, "CLOSED"), (2, 60, "FAILED"), (3, 200, "CLOSED")):
        site.buildroot(number, age=age, state=state)
    site.buildroot(4, age=60)
    site.buildroot(5, age=60)
    del site.rows[5]
    active = [{"id": 4, "task_id": 104, "tag_name": "tag", "arch": "x86_64"}]
    site.keeper.update(active, [104])
    calls = len(site.session.method_calls)
    found = {row["id"]: row for row in site.keeper.fates()}
    assert len(site.session.method_calls) == calls
    assert {number: row["fate"] for number, row in found.items()} == {
        1: "to be emptied",
        2: "kept, its task failed",
        3: "emptied, to be removed",
        4: "in use",
        5: "not known to the hub",
    }
    assert found[1]["due"] == pytest.approx(time.time() + 60, abs=3)
    assert found[2]["due"] == pytest.approx(time.time() - 60 + 14400, abs=3)
    assert (found[4]["task"], found[4]["due"]) == (104, None)
