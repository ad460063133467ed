"""The ledger on disk: what goes in comes out, for its owner only, and damage costs one record."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import stat
from pathlib import Path

import pytest

from kojid.daemon import records
from kojid.daemon.ledger import Ledger, LedgerInUse
from kojid.daemon.records import Outcome, RecordError, SessionRecord, TaskRecord
from kojid.errors import ConfigError
from kojid.system import forks

SESSION = SessionRecord("https://hub/kojihub", "user me", {"session-id": 3, "session-key": "k"}, 1000, 7, 12.5)
TASK = TaskRecord(5, "buildArch", "buildArch (a.src.rpm, x86_64)", 99, 12345, "boot", 8, "/sys/fs/cgroup/x", "/w/5")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "var" / "state")
    made.open()
    return made


def test_what_is_saved_is_read_again(ledger: Ledger) -> None:
    outcome = Outcome("refuseTask", [5], {"msg": "no rööm"})
    ledger.save_session(SESSION)
    ledger.save_task(TASK)
    ledger.save_outcome(5, outcome)
    for number in (11, 12):
        ledger.add_buildroot(5, number)
    assert ledger.session() == SESSION
    assert ledger.tasks() == [TASK]
    assert ledger.outcome(5) == outcome
    assert ledger.buildroots(5) == [11, 12]


def test_a_buildroot_of_which_only_a_part_can_be_noted_is_an_error(ledger: Ledger) -> None:
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, most))  # as a disk that has room for three bytes
    try:
        with pytest.raises(OSError, match="File too large"):
            ledger.add_buildroot(5, 12345)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))


def test_nothing_of_a_forgotten_task_stays(ledger: Ledger) -> None:
    ledger.save_task(TASK)
    ledger.save_outcome(5, Outcome("closeTask", [5, ""]))
    ledger.add_buildroot(5, 1)
    tasks = ledger.directory / "tasks"
    (tasks / ".5.json.a1b2").write_text("half a rec")  # its writer was killed
    others = tasks / ".55.json.a1b2"
    others.write_text("of a task that may live")
    ledger.forget_task(5)
    ledger.forget_task(5)
    assert list(tasks.iterdir()) == [others]
    assert (ledger.tasks(), ledger.outcome(5), ledger.buildroots(5)) == ([], None, [])


def test_only_its_owner_can_read_it(ledger: Ledger) -> None:
    ledger.save_session(SESSION)
    ledger.save_task(TASK)
    ledger.add_buildroot(5, 1)
    for path in [ledger.directory, *ledger.directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"task_id": 5}', "\x00\x00", '{"task_id": "five"}'])
def test_a_damaged_record_is_put_aside_and_the_others_stay(
    ledger: Ledger, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.save_task(TASK)
    damaged = ledger.directory / "tasks" / "6.json"
    damaged.write_text(text)
    assert ledger.tasks() == [TASK]
    assert "6.json can't be used" in caplog.text
    assert damaged.with_name("6.json.damaged").exists()
    assert ledger.tasks() == [TASK]


def test_text_that_is_no_utf8_is_damage_too(ledger: Ledger) -> None:
    (ledger.directory / "session.json").write_bytes(b"\xff\xfe{")
    assert ledger.session() is None


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(TaskRecord)])
def test_a_record_with_a_wrong_type_is_none(name: str) -> None:
    values = {**dataclasses.asdict(TASK), name: True}
    with pytest.raises(RecordError):
        records.parse(TaskRecord, json.dumps(values))


def test_what_a_newer_daemon_added_is_ignored() -> None:
    values = {**dataclasses.asdict(TASK), "version": 9, "colour": "green"}
    assert records.parse(TaskRecord, json.dumps(values)) == TASK


def test_an_outcome_can_only_be_one_of_the_calls_that_end_a_task() -> None:
    with pytest.raises(RecordError):
        records.parse(Outcome, json.dumps({"call": "openTask", "args": [5]}))


def test_a_second_daemon_is_kept_out_until_the_first_is_gone(ledger: Ledger) -> None:
    def second() -> None:
        try:
            Ledger(ledger.directory).open()
        except LedgerInUse:
            os._exit(9)

    assert os.waitstatus_to_exitcode(os.waitpid(forks.fork(second, name="second"), 0)[1]) == 9
    ledger.close()
    assert os.waitstatus_to_exitcode(os.waitpid(forks.fork(second, name="second"), 0)[1]) == 0


def test_what_killed_writers_left_is_tidied_away(ledger: Ledger) -> None:
    left, new = ledger.directory / "tasks" / ".5.json.old", ledger.directory / "tasks" / ".6.json.new"
    for path in (left, new):
        path.touch()
    os.utime(left, (0, 0))
    ledger.open()
    assert not left.exists()
    assert new.exists()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="state_dir"):
        Ledger(tmp_path / "file" / "state").open()
