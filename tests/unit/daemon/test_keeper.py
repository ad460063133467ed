"""The record of the hub session: always above the numbers used, always with the key that is good."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from kojid.daemon.keeper import Keeper
from kojid.daemon.ledger import Ledger
from kojid.daemon.records import SessionRecord


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    ledger = Ledger(tmp_path / "ledger")
    ledger.open()
    session = Mock(sinfo={"session-id": 3, "session-key": "old"}, callnum=5)
    session.host.getID.return_value = 7
    session.getSessionInfo.return_value = {"start_ts": 12.5}
    made = Keeper(ledger, session, SessionRecord("https://hub", "user me", dict(session.sinfo), 0))
    made.keep()
    return made


def on_disk(keeper: Keeper) -> SessionRecord:
    record = keeper._ledger.session()
    assert record is not None
    return record


def test_the_record_is_above_every_number_that_was_used(keeper: Keeper) -> None:
    for number in range(5, 5000):
        keeper.session.callnum = number
        keeper.session.before_call()
        assert on_disk(keeper).numbers > number + 1 if number % 100 == 0 else keeper.record.numbers > number + 1


def test_numbers_are_not_written_down_one_by_one(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[SessionRecord] = []
    monkeypatch.setattr(keeper._ledger, "save_session", saved.append)
    for number in range(5, 5000):
        keeper.session.callnum = number
        keeper.session.before_call()
    assert len(saved) <= 6


def test_a_new_key_is_written_down(keeper: Keeper) -> None:
    keeper.session.sinfo = {"session-id": 3, "session-key": "new"}
    keeper.session.after_renewal()
    assert on_disk(keeper).info["session-key"] == "new"


def test_the_hub_is_asked_once_who_this_host_is(keeper: Keeper) -> None:
    assert keeper.identify() == keeper.identify() == (7, 12.5)
    keeper.session.host.getID.assert_called_once_with()
    assert on_disk(keeper).host_id == 7


def test_numbers_that_were_not_used_are_given_back(keeper: Keeper) -> None:
    keeper.session.callnum = 42
    keeper.settle()
    assert on_disk(keeper).numbers == 43


def test_a_full_disk_stops_nothing(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeper._ledger, "save_session", Mock(side_effect=OSError(28, "No space left on device")))
    keeper.session.after_renewal()
    assert "No space left on device" in caplog.text


def test_nothing_is_kept_of_a_session_that_ended(keeper: Keeper) -> None:
    keeper.forget()
    assert keeper._ledger.session() is None
    assert keeper.session.before_call is None
