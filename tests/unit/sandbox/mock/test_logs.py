"""The logs: appended, owned by the caller, states with their time."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator

import pytest

from kojid.sandbox.mock.caller import Caller
from kojid.sandbox.mock.logs import Logs


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    caller = Caller(os.geteuid(), os.getegid())
    if os.geteuid():
        monkeypatch.setattr(os, "seteuid", lambda _uid: None)
        monkeypatch.setattr(os, "setegid", lambda _gid: None)
    made = Logs(tmp_path / "result", caller)
    yield made
    made.close()


def test_a_state_goes_to_stderr_and_with_its_time_to_the_log(logs: Logs, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), logs.state("chroot init"):
        raise KeyError
    lines = (logs.directory / "state.log").read_text().splitlines()
    assert [line.partition(" - ")[2] for line in lines] == ["Start: chroot init", "Finish: chroot init"]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - ", line) for line in lines)
    assert capsys.readouterr().err == "Start: chroot init\nFinish: chroot init\n"


def test_logs_are_appended_over_calls(logs: Logs) -> None:
    for line in ("one", "two"):
        logs.build(line)
        logs.close()
    assert (logs.directory / "build.log").read_text() == "one\ntwo\n"


def test_a_link_in_a_logs_place_is_not_followed(logs: Logs, tmp_path: Path) -> None:
    logs.directory.mkdir()
    (logs.directory / "root.log").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        logs.root("text")
    assert not (tmp_path / "victim").exists()
