"""How big buildroots are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest

from kojid.daemon import measure
from kojid.daemon.measure import Measure
from kojid.errors import HostFault
from kojid.system.child import ExitStatus

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure.priority, "step_back", lambda: None)


def test_a_tree_is_measured_once_however_often_a_file_is_linked_and_no_link_is_followed(tmp_path: Path) -> None:
    top = tmp_path / "mock" / "tag-5-7"
    (top / "root").mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"x" * 9 * MIB)
    (top / "root" / "file").write_bytes(b"x" * MIB)
    os.link(top / "root" / "file", top / "root" / "again")
    (top / "root" / "link").symlink_to(tmp_path / "elsewhere")
    assert MIB <= measure.disk_usage(top) < 1.2 * MIB
    assert measure.disk_usage(tmp_path / "missing") == 0


def test_what_was_measured_is_kept_by_name(tmp_path: Path) -> None:
    for name in ("tag-5-7", "tag-5-7-bootstrap", "something else"):
        (tmp_path / "mock" / name).mkdir(parents=True)
    (tmp_path / "mock" / "tag-5-7" / "file").write_bytes(b"x" * MIB)
    assert measure.sizes(tmp_path) == {}
    measure.measure(tmp_path / "mock", tmp_path)
    found = measure.sizes(tmp_path)
    assert sorted(found) == ["tag-5-7", "tag-5-7-bootstrap"]
    assert found["tag-5-7"].bytes >= MIB
    (tmp_path / "sizes.json").write_text("[1]")
    assert measure.sizes(tmp_path) == {}


class Supervisor:
    def __init__(self) -> None:
        self.running: list[Callable[[ExitStatus], None]] = []
        self.trouble: list[Exception] = []

    def help_with(self, _main: Callable[[], None], _name: str, done: Callable[[ExitStatus], None]) -> int:
        if self.trouble:
            raise self.trouble.pop()
        self.running.append(done)
        return 1


def test_one_round_at_a_time_and_none_soon_after(tmp_path: Path) -> None:
    supervisor = Supervisor()
    made = Measure(supervisor, str(tmp_path), tmp_path)  # type: ignore[arg-type]
    supervisor.trouble = [HostFault("no process")]
    made.ask()
    assert not made.running
    made.ask()
    made.ask()
    assert made.running
    supervisor.running.pop()(ExitStatus(0))
    assert not made.running
    made.ask()
    assert supervisor.running == []
