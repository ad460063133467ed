"""What a task's process says that it is at."""

from __future__ import annotations

from typing import Iterator

import pytest

from kojid.system import phases


@pytest.fixture
def heard() -> Iterator[list[str]]:
    names: list[str] = []
    phases.listen(names.append)
    yield names
    phases.listen(None)


def test_each_change_is_heard_once_and_the_former_phase_comes_back(heard: list[str]) -> None:
    @phases.during("init")
    def work() -> int:
        phases.enter("init")
        with phases.during("upload"):
            return 7

    phases.enter("at work")
    assert work() == 7
    assert heard == ["at work", "init", "upload", "init", "at work"]


def test_it_comes_back_after_an_exception_too(heard: list[str]) -> None:
    phases.enter("at work")
    with pytest.raises(KeyError), phases.during("init"):
        raise KeyError
    assert heard[-1] == "at work"


def test_without_a_listener_nothing_happens() -> None:
    with phases.during("init"):
        phases.enter("upload")
