"""Chores: one at a time, the oldest first, a failing one left for a while."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Callable

import pytest

from kojid.daemon import cleaner
from kojid.daemon.cleaner import Chore, Cleaner
from kojid.errors import HostFault
from kojid.system import forks
from kojid.system.child import ExitStatus


class Supervisor:
    """Helpers that the test lets end."""

    def __init__(self) -> None:
        self.done: list[Callable[[ExitStatus], None]] = []

    def help_with(self, main: Callable[[], None], name: str, done: Callable[[ExitStatus], None]) -> int:
        self.done.append(done)
        return 1

    def ends(self, code: int = 0) -> None:
        self.done.pop()(ExitStatus(code))


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


@pytest.fixture
def clean(supervisor: Supervisor, tmp_path: Path) -> Cleaner:
    return Cleaner(supervisor, str(tmp_path))  # type: ignore[arg-type]


def chore(key: str, age: float = 0.0, done: Callable[[], None] = lambda: None) -> Chore:
    return Chore(key, age, lambda: None, done)


def test_the_oldest_goes_first_and_one_at_a_time(supervisor: Supervisor, clean: Cleaner) -> None:
    order = []
    for _ in range(2):
        clean.offer([chore("new", 1), chore("old", 9), chore("middle", 5)])
    while supervisor.done:
        assert len(supervisor.done) == 1
        order.append(clean.current)
        supervisor.ends()
    assert order == ["old", "middle", "new"]
    assert clean.current == ""


def test_what_was_done_is_told_but_not_what_failed(supervisor: Supervisor, clean: Cleaner) -> None:
    told: list[str] = []
    clean.offer([chore("good", 2, lambda: told.append("good")), chore("bad", 1, lambda: told.append("bad"))])
    supervisor.ends(0)
    supervisor.ends(1)
    assert told == ["good"]


def test_a_failing_one_is_left_for_longer_each_time_and_stops_nothing_else(
    supervisor: Supervisor, clean: Cleaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(cleaner.time, "monotonic", lambda: clock[0])
    tries = []
    while clock[0] < 1000:
        clean.offer([chore("bad", 9), chore(f"good {clock[0]}", 1)])
        while supervisor.done:
            bad = clean.current == "bad"
            if bad:
                tries.append(clock[0])
            supervisor.ends(int(bad))
        clock[0] += 10
    assert tries == [0, 60, 180, 420, 900]


def test_one_that_takes_very_long_is_told_once(
    supervisor: Supervisor, clean: Cleaner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    monkeypatch.setattr(cleaner.time, "monotonic", lambda: clock[0])
    for now in (0, 3599, 3601, 9000):
        clock[0] = now
        clean.offer([chore("huge")])
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["cleaning up huge takes more than 60 minutes; the rest waits"]


def test_a_machine_without_a_process_to_give_counts_as_a_failure(clean: Cleaner, supervisor: Supervisor) -> None:
    def none(*_args: object) -> int:
        raise HostFault("no process")

    supervisor.help_with = none  # type: ignore[assignment,method-assign]
    clean.offer([chore("x")])
    assert clean.current == "" and not clean.willing("x")


def run(work: Callable[[], None], directory: Path) -> ExitStatus:
    pid = forks.fork(lambda: cleaner._main(Chore("x", 0, work), str(directory)), name="test")
    return ExitStatus.from_raw(os.waitpid(pid, 0)[1])


def test_the_process_says_why_it_failed(tmp_path: Path) -> None:
    def fails() -> None:
        raise HostFault("it is busy")

    assert run(lambda: (tmp_path / "done").touch(), tmp_path).ok
    assert (tmp_path / "done").exists()
    assert run(fails, tmp_path).code == 1


def test_two_daemons_processes_do_not_clean_up_in_one_place_at_once(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert run(lambda: (tmp_path / "done").touch(), tmp_path).code == 75
        assert not (tmp_path / "done").exists()
    finally:
        os.close(descriptor)


def test_the_process_ends_with_its_daemon(tmp_path: Path) -> None:
    """A daemon that is killed leaves nobody behind who still deletes."""
    reader, writer = os.pipe()

    def daemon() -> None:
        def work() -> None:
            os.write(writer, b"x")
            os.read(reader2, 1)

        reader2, _writer2 = os.pipe()
        forks.fork(lambda: cleaner._main(Chore("x", 0, work), str(tmp_path)), name="cleanup")
        os.read(reader2, 1)

    pid = forks.fork(daemon, name="daemon")
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert os.read(reader, 1) == b""  # the last end of the pipe is closed
    os.close(reader)
