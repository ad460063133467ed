"""What is known of file systems, without ever waiting for one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kojid.daemon import probes
from kojid.daemon.ledger import Ledger
from kojid.daemon.loop import Loop
from kojid.daemon.probes import Probes
from kojid.daemon.supervisor import Supervisor
from kojid.system import fsprobe, storage
from kojid.system.storage import Room
from tests.support import options

LONG = 30.0


class Site:
    def __init__(self, directory: Path) -> None:
        self.loop = Loop()
        self.events = 0
        (directory / "mock").mkdir()
        settings = options(
            mockdir=str(directory / "mock"),
            workdir=str(directory / "none"),
            topdir=str(directory),
            log_file=str(directory / "kojid.log"),
            mount_timeout=1,
        )
        self.ledger = Ledger(directory / "state")
        self.ledger.open()
        self.supervisor = Supervisor(self.loop, settings, lambda: None, self.ledger)
        self.probes = Probes(self.loop, settings, self.supervisor, self.count)

    def count(self) -> None:
        self.events += 1

    def turn_until(self, condition: object) -> None:
        assert callable(condition)
        deadline = time.monotonic() + LONG
        while not condition():
            assert time.monotonic() < deadline
            self.loop.turn(time.monotonic() + 0.1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.supervisor.close()
    made.loop.close()


def test_every_place_is_asked_and_a_missing_one_is_told_as_missing(site: Site, tmp_path: Path) -> None:
    assert site.probes.answer("mockdir").trouble == "not asked yet"
    site.probes.wait(LONG)
    found = site.probes.answer("mockdir")
    assert found.path == str(tmp_path / "mock")
    assert found.room is not None and found.room.free_mb == pytest.approx(storage.free_space_mb(tmp_path), abs=512)
    assert site.probes.answer("workdir").missing
    assert site.probes.answer("log_file").path == str(tmp_path)
    assert site.events == 1


def test_answers_are_asked_for_again_but_not_in_each_of_many_cycles(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.probes.wait(LONG)
    (tmp_path / "none").mkdir()
    site.probes.refresh()
    assert site.probes.answer("workdir").missing
    monkeypatch.setattr(probes, "_SHORTEST_INTERVAL", 0.0)

    def known() -> bool:
        site.probes.refresh()
        return site.probes.answer("workdir").room is not None

    site.turn_until(known)
    assert site.events == 2


def test_one_that_does_not_answer_costs_neither_the_others_nor_time(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = storage.room

    def room(path: str, *, try_writing: bool = False) -> Room:
        if path == str(tmp_path / "mock"):
            time.sleep(3600)
        return answers(path)

    monkeypatch.setattr(fsprobe.storage, "room", room)
    began = time.monotonic()
    site.probes.refresh()
    assert time.monotonic() - began < 0.5
    site.turn_until(lambda: site.events)
    assert site.probes.answer("mockdir").trouble == "does not answer in 1 s"
    assert site.probes.answer("topdir").room is not None


def test_a_hanging_process_is_not_joined_by_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the kernel's hands not even the process itself ends in time."""
    monkeypatch.setattr(probes, "_SHORTEST_INTERVAL", 0.0)
    monkeypatch.setattr(fsprobe, "serve", lambda places, requests, pipe, timeout: time.sleep(3600))
    asked = []
    real = site.supervisor.help_with
    monkeypatch.setattr(site.supervisor, "help_with", lambda *args: asked.append(real(*args)))
    site.probes.refresh()
    site.turn_until(lambda: site.events)
    for _ in range(3):
        site.probes.refresh()
    assert len(asked) == 1
    assert all(site.probes.answer(place).trouble == "does not answer in 1 s" for place in probes.PLACES)
    os.kill(asked[0], 9)
    monkeypatch.undo()
    monkeypatch.setattr(probes, "_SHORTEST_INTERVAL", 0.0)

    def answered() -> bool:
        site.probes.refresh()
        return site.probes.answer("mockdir").room is not None

    site.turn_until(answered)


def test_one_process_asks_again_and_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_SHORTEST_INTERVAL", 0.0)
    started = []
    real = site.supervisor.help_with
    monkeypatch.setattr(site.supervisor, "help_with", lambda *args: started.append(real(*args)))
    times = set()

    def asked_thrice() -> bool:
        site.probes.refresh()
        times.add(site.probes.answer("mockdir").asked)
        return len(times) > 3

    site.turn_until(asked_thrice)
    assert len(started) == 1


def test_a_process_that_was_killed_is_replaced(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_SHORTEST_INTERVAL", 0.0)
    started = []
    real = site.supervisor.help_with
    monkeypatch.setattr(site.supervisor, "help_with", lambda *args: started.append(real(*args)))
    site.probes.wait(LONG)
    first = site.probes.answer("mockdir").asked
    os.kill(started[0], 9)

    def asked_by_another() -> bool:
        site.probes.refresh()
        return len(started) > 1 and site.probes.answer("mockdir").asked > first

    site.turn_until(asked_by_another)
