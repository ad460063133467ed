"""The live view: plots, keys and what they do."""

from __future__ import annotations

import os
import pty
import termios
from typing import Any

import pytest

from kojid.cli.dashboard import keys
from kojid.cli.dashboard.history import History, plot
from kojid.cli.dashboard.state import HELP, LOG, OVERVIEW, TASK, State


def task(number: int, cpu: float = 0.0) -> dict[str, Any]:
    return {"id": number, "cpu_seconds": cpu, "processes": []}


def picture(*tasks: dict[str, Any]) -> dict[str, Any]:
    machine = {"load": 1.5, "cpus": 2, "memory_available_mb": 250, "memory_total_mb": 1000}
    return {"machine": machine, "room": {"mockdir": {"free_mb": 77}}, "tasks": list(tasks)}


def test_a_plot_grows_with_its_values_and_shows_what_is_more_than_nothing() -> None:
    assert plot([None, 0.0, 0.001, 4.0, 8.0, 99.0], 1, 8.0) == ["  ▁▄██"]
    assert plot([2.0, 6.0, 8.0], 2, 8.0) == [" ▄█", "▄██"]
    assert plot([0.0, 1.0], 1, 1.0, ascii_only=True) == [" @"]
    assert plot([1.0], 1, 0.0) == [" "]


def test_history_has_the_last_values_and_none_where_there_were_none() -> None:
    history = History()
    assert history.last("load", 2) == [None, None]
    assert history.highest("load") == 0.0
    for value in (3.0, None, 1.0):
        history.add({"load": value})
    assert history.last("load", 4) == [None, 3.0, None, 1.0]
    assert history.last("load", 1) == [1.0]
    assert history.highest("load") == 3.0


def test_keys_are_told_at_once_and_the_terminal_is_put_back() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with keys.unbuffered(slave):
            assert keys.pressed(slave, 0.0) == []
            os.write(master, b"\x1b[A\x1b[Bq\x1bx")
            assert keys.pressed(slave, 5.0) == [keys.UP, keys.DOWN, keys.QUIT, keys.BACK, "x"]
        assert termios.tcgetattr(slave) == before
        os.close(master)
        assert keys.pressed(slave, 5.0) == [keys.QUIT]
    finally:
        os.close(slave)


def test_a_selection_stays_with_its_task_and_goes_on_to_another_when_that_ends() -> None:
    state = State(2.0)
    state.key(keys.ENTER)
    assert state.view == OVERVIEW
    state.take(picture(task(7), task(8), task(9)))
    assert state.selected == 7
    for key in (keys.UP, keys.DOWN, keys.DOWN, keys.DOWN):
        state.key(key)
    assert state.selected == 9
    state.key(keys.UP)
    state.take(picture(task(6), task(8)))
    assert state.selected == 8
    state.take(picture(task(6)))
    assert state.selected == 6
    state.take(picture())
    assert state.selected is None


def test_views_open_and_close() -> None:
    state = State(2.0)
    state.take(picture(task(7)))
    views = []
    for key in (keys.ENTER, "l", keys.BACK, keys.BACK, "?", "?", keys.QUIT):
        state.key(key)
        views.append(state.view)
    assert views == [TASK, LOG, TASK, OVERVIEW, HELP, OVERVIEW, OVERVIEW]
    assert state.over


def test_the_pace_has_its_limits() -> None:
    state = State(2.0)
    paces = []
    for key in "+++--":
        state.key(key)
        paces.append(state.interval)
    assert paces == [1.0, 0.5, 0.5, 1.0, 2.0]
    state.key(" ")
    assert state.paused


def test_processor_use_is_counted_between_two_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("kojid.cli.dashboard.state.time.monotonic", lambda: now[0])
    state = State(2.0)
    state.take(picture(task(7, cpu=10.0)))
    assert state.percent == {}
    now[0] = 102.0
    state.take(picture(task(7, cpu=13.0), task(8, cpu=1.0)))
    assert state.percent == {7: 150.0}
    assert state.history.last("memory", 1) == [75.0]
    assert state.history.last("disk", 1) == [77]
