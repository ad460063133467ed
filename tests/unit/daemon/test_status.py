"""The status file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from kojid.daemon.admission import Verdict
from kojid.daemon.jobs import Job, Jobs
from kojid.daemon.probes import Answer
from kojid.daemon.records import TaskRecord
from kojid.daemon.status import StatusFile
from kojid.system import processes
from kojid.system.processes import ProcessId
from kojid.system.storage import Room
from tests.support import options

PROBES = Mock()
PROBES.answer.side_effect = lambda place: (
    Answer("/gone", None, "does not answer") if place == "topdir" else Answer("/there", Room(5, 6))
)


def read(directory: Path) -> Any:
    return json.loads((directory / "state" / "status.json").read_text())


def test_it_says_what_runs_and_why_nothing_more_comes(tmp_path: Path) -> None:
    jobs = Jobs()
    record = TaskRecord(7, "build", "build (demo, x.src.rpm)", 4711, 1, "boot", 1, parent=5)
    jobs.add(Job(7, "build", ProcessId(4711, 1), None, 1, Mock(), record=record))
    tasks = {7: {"id": 7, "waiting": True, "weight": 0.2}}
    file = StatusFile(options(state_dir=str(tmp_path / "state"), maxjobs=4), PROBES)
    file.write(Verdict(False, "Host is disabled", "disabled", 12.0), tasks, jobs)
    found = read(tmp_path)
    assert found.pop("time") > 0
    assert found.pop("room")["topdir"] == {"path": "/gone", "trouble": "does not answer"}
    assert found == {
        "pid": os.getpid(),
        "start_time": processes.start_time(os.getpid()),
        "ready": False,
        "reason": "Host is disabled",
        "kind": "disabled",
        "since": 12.0,
        "jobs": 1,
        "maxjobs": 4,
        "waiting": 1,
        "tasks": [
            {
                "id": 7,
                "method": "build",
                "subject": "build (demo, x.src.rpm)",
                "parent": 5,
                "pid": 4711,
                "start_time": 1,
                "waiting": True,
                "weight": 0.2,
                "ending": False,
            }
        ],
    }
    assert (tmp_path / "state" / "status.json").stat().st_mode & 0o777 == 0o644


def test_it_is_written_when_something_changed(tmp_path: Path) -> None:
    file = StatusFile(options(state_dir=str(tmp_path / "state")), PROBES)
    file.write(Verdict(True), {}, Jobs())
    (tmp_path / "state" / "status.json").unlink()
    file.write(Verdict(True), {}, Jobs())
    assert not (tmp_path / "state" / "status.json").exists()
    file.write(Verdict(False, "Full queue"), {}, Jobs())
    assert read(tmp_path)["reason"] == "Full queue"


def test_that_it_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    file = StatusFile(options(state_dir=str(tmp_path / "state")), PROBES)
    for reason in ("one", "two"):
        file.write(Verdict(False, reason), {}, Jobs())
    assert len(caplog.records) == 1
