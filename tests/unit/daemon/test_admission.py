"""Whether a host takes work, and the reason when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kojid.daemon import admission
from kojid.daemon.admission import Host, judge
from tests.support import options

DATA = {"enabled": True, "capacity": 2.0}


def verdict(tmp_path: Path, data: Any = DATA, load: float = 0.0, tasks: int = 0, **more: Any) -> admission.Verdict:
    settings = {"mockdir": str(tmp_path), "minspace": 0, "maxjobs": 3}
    pending = more.pop("restart_pending", False)
    settings.update(more)
    return judge(Host(data, load, tasks, pending), options(**settings))


@pytest.fixture(autouse=True)
def _idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission.storage, "load_average", lambda: 0.5)
    monkeypatch.setattr(admission.storage, "cpu_count", lambda: 2)


def test_an_idle_host_is_ready(tmp_path: Path) -> None:
    assert verdict(tmp_path).ready


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"restart_pending": True, "data": {"enabled": False}}, "Pending restart"),
        ({"data": {"enabled": False, "capacity": 0.0}, "load": 9.0}, "Host is disabled"),
        ({"load": 2.01, "tasks": 9}, "Task load (2.01) exceeds capacity (2.00)"),
        ({"tasks": 3, "minspace": 1 << 60}, "Full queue: 3 of 3 jobs"),
    ],
)
def test_the_first_obstacle_in_the_contracts_order_is_the_reason(
    tmp_path: Path, case: dict[str, Any], reason: str
) -> None:
    found = verdict(tmp_path, **case)
    assert not found.ready
    assert found.reason == reason


def test_a_load_that_equals_the_capacity_is_fine(tmp_path: Path) -> None:
    assert verdict(tmp_path, load=2.0).ready


def test_too_little_space_names_the_directory_and_both_figures(tmp_path: Path) -> None:
    reason = verdict(tmp_path, minspace=1 << 60).reason
    assert reason.startswith(f"Insufficient disk space at {tmp_path}: ")
    assert reason.endswith(f" MB, {1 << 60} MB required")


def test_a_missing_mockdir_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    found = verdict(tmp_path, mockdir=str(tmp_path / "gone"))
    assert not found.ready
    assert "No such file or directory" in found.reason


def test_a_busy_machine_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission.storage, "load_average", lambda: 8.1)
    assert verdict(tmp_path).reason == "Load average 8.10 > 8.00"
