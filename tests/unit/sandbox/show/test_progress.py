"""What is shown of a task while it runs."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Dict, List, Optional

import koji
import pytest

from kojid.sandbox import logtail
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.logtail import Tail
from kojid.sandbox.progress import Lines, Terminal, Watcher, tree_lines
from kojid.sandbox.tasktree import Node, Reader


def row(task_id: int, state: str, method: str = "sleep", **more: Any) -> Dict[str, Any]:
    made = {"id": task_id, "state": koji.TASK_STATES[state], "method": method, "request": [1], "host_id": None}
    return {**made, "arch": "noarch", "create_ts": 100.0, "start_ts": None, "completion_ts": None, **more}


class Multicall:
    """Collects calls and answers them at the end, as the library's does."""

    def __init__(self, session: FakeSession) -> None:
        self._session = session
        self._calls: List[Any] = []

    def __enter__(self) -> Multicall:
        return self

    def __exit__(self, *exc: object) -> None:
        for made, name, args in self._calls:
            made.result = getattr(self._session, name)(*args)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            made = type("Call", (), {})()
            self._calls.append((made, name, args))
            return made

        return call


class FakeSession:
    """A hub with one task and two subtasks, at several moments."""

    def __init__(self, moments: List[Dict[int, List[Dict[str, Any]]]]) -> None:
        self.moments = moments
        self.looks = 0

    def multicall(self, strict: bool) -> Multicall:
        self.looks = min(self.looks + 1, len(self.moments))
        return Multicall(self)

    def getTaskInfo(self, task_id: int, **kwargs: Any) -> Dict[str, Any]:
        return self.moments[self.looks - 1][0][0]

    def getTaskDescendents(self, task_id: int, **kwargs: Any) -> Dict[str, List[Dict[str, Any]]]:
        return {str(parent): rows for parent, rows in self.moments[self.looks - 1].items() if parent}

    def getHost(self, host_id: int, strict: bool) -> Dict[str, Any]:
        return {"name": f"host{host_id}"}


RUNNING = {0: [row(1, "OPEN", host_id=7, start_ts=110.0)], 1: [row(3, "FREE"), row(2, "OPEN", host_id=7)], 2: [], 3: []}
ENDED = {0: [row(1, "CLOSED", host_id=7, start_ts=110.0, completion_ts=112.5)], 1: []}


def test_the_tree_is_read_in_the_order_of_ids() -> None:
    root = Reader(FakeSession([RUNNING])).read(1)
    assert [(depth, node.id, node.state, node.host) for depth, node in root.walk()] == [
        (0, 1, "OPEN", "host7"),
        (1, 2, "OPEN", "host7"),
        (1, 3, "FREE", ""),
    ]
    assert not root.ended


def test_an_ended_task_shows_how_long_it_ran() -> None:
    root = Reader(FakeSession([ENDED])).read(1)
    assert root.ended and root.seconds == 2.5
    assert tree_lines(root)[0].endswith("closed   host7         2.5 s")


def test_lines_are_printed_for_changes_only() -> None:
    out = io.StringIO()
    shown = Lines(out)
    root = Node(1, "build", "OPEN", "host7", 1.0)
    shown.show(root, Tail(1, "build.log", ["first", "second"]))
    shown.show(root, Tail(1, "build.log", ["first", "second"]))
    root.state = "CLOSED"
    shown.show(root, None)
    lines = out.getvalue().splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["1", "build", "open"],
        ["|", "build.log:", "second"],
        ["1", "build", "closed"],
    ]


def test_a_terminal_is_drawn_anew_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((40, 10)))
    out = io.StringIO()
    shown = Terminal(out)
    root = Node(1, "a task with a rather long label that does not fit", "OPEN", "host7", 1.0)
    shown.show(root, Tail(1, "build.log", [f"line {number}" for number in range(20)]))
    first = out.getvalue()
    assert first.startswith("\x1b[J")
    assert len(first.splitlines()) == 8 and all(len(line) < 43 for line in first.splitlines())
    shown.show(root, None)
    assert out.getvalue()[len(first) :].startswith("\x1b[8F\x1b[J")


def test_a_task_is_followed_to_its_end(tmp_path: Path) -> None:
    out = io.StringIO()
    watcher = Watcher(FakeSession([RUNNING, ENDED]), koji.PathInfo(str(tmp_path)), out)
    assert watcher.follow(1, 30).state == "CLOSED"
    assert "closed" in out.getvalue()


def test_a_task_that_does_not_end_is_told(tmp_path: Path) -> None:
    watcher = Watcher(FakeSession([RUNNING]), koji.PathInfo(str(tmp_path)), io.StringIO())
    with pytest.raises(SandboxError, match="task 1 has not ended within 0 seconds"):
        watcher.follow(1, 0)


@pytest.mark.parametrize("newest", ["build.log", "root.log"])
def test_the_log_that_grew_last_is_shown(tmp_path: Path, newest: str) -> None:
    paths = koji.PathInfo(str(tmp_path))
    directory = Path(paths.task(5))
    directory.mkdir(parents=True)
    for age, name in enumerate(["build.log", "root.log", "state.log", "dnf.rpm.log"]):
        (directory / name).write_text(f"one\nof {name}\n")
        os.utime(directory / name, (age, age))
    os.utime(directory / newest, (50, 50))
    os.utime(directory / "state.log", (99, 99))
    assert logtail.newest(paths, [4, 5], 1) == Tail(5, newest, [f"of {newest}"])


def test_without_logs_there_is_no_tail(tmp_path: Path) -> None:
    nothing: Optional[Tail] = logtail.newest(koji.PathInfo(str(tmp_path)), [1, 2], 5)
    assert nothing is None
