"""The drain of a host, on disk."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from kojid.daemon import drain
from kojid.daemon.admission import Admission, Host
from kojid.daemon.probes import Answer
from kojid.system import storage
from kojid.system.storage import Room
from tests.support import options

HOST = Host({"enabled": True, "capacity": 4}, 0.0, 0)


def test_it_lasts_until_it_is_ended(tmp_path: Path) -> None:
    place = str(tmp_path / "state")
    assert drain.read(place) is None
    made = drain.begin(place, "new\ndisks ")
    assert str(made) == "Drained: new disks"
    assert drain.read(place) == made
    assert drain.begin(place, "").since == made.since
    assert str(drain.read(place)) == "Drained"
    assert drain.end(place) is not None
    assert drain.end(place) is None
    assert drain.read(place) is None


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"reason": "x"}', '{"reason": "x", "since": "y"}'])
def test_a_damaged_file_drains_all_the_same(tmp_path: Path, text: str) -> None:
    (tmp_path / "drained").write_text(text)
    assert "is damaged" in str(drain.read(str(tmp_path)))


def test_a_drained_host_is_not_ready_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "load_average", lambda: 0.5)
    caplog.set_level("INFO", logger="koji")
    probes = Mock()
    probes.answer.return_value = Answer("/there", Room(10**6))
    judge = Admission(options(state_dir=str(tmp_path)), probes, lambda: "")
    assert judge.judge(HOST).ready
    drain.begin(str(tmp_path), "new disks")
    verdict = judge.judge(HOST)
    assert (verdict.ready, verdict.kind, verdict.reason) == (False, "drained", "Drained: new disks")
    drain.end(str(tmp_path))
    assert judge.judge(HOST).ready
    assert [record.message for record in caplog.records] == ["Drained: new disks", "Ready for tasks again"]
