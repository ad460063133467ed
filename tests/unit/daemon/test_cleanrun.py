"""A clean-up that was asked for."""

from __future__ import annotations

from typing import Any

from kojid.daemon.cleaner import Chore
from kojid.daemon.cleanrun import Run


def chores(*names: str) -> list[Chore]:
    return [Chore(name, 5.0, lambda: None, why="over") for name in names]


def outcomes(run: Run) -> dict[str, Any]:
    return {chore["key"]: chore["outcome"] for chore in run.progress()["chores"]}


def test_it_is_done_when_each_thing_has_had_its_turn() -> None:
    run = Run(1, dry=False, everything=True)
    assert (run.due, run.progress()["listed"]) == (True, False)
    run.offered(chores("a", "b", "c"), "")
    assert run.due
    run.ended("a", well=True)
    run.ended("b", well=False)
    assert not run.done
    run.offered(chores("b"), "c")  # it is under way
    assert not run.done
    run.offered(chores("b"), "")
    assert (run.done, run.due) == (True, False)
    assert outcomes(run) == {"a": "done", "b": "failed", "c": "gone"}


def test_a_dry_one_is_done_with_its_list() -> None:
    run = Run(1, dry=True, everything=False)
    run.offered(chores("a"), "")
    assert (run.done, run.due) == (True, False)
    assert outcomes(run) == {"a": ""}


def test_one_that_nothing_can_be_said_to_is_done() -> None:
    run = Run(1, dry=False, everything=False)
    run.refused("the mount is dead")
    assert (run.done, run.due, run.progress()["trouble"]) == (True, False, "the mount is dead")
