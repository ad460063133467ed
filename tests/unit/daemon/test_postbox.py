"""What a process has counted reaches the daemon, or is kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator, List

import pytest

from kojid.daemon import mailbox, postbox
from kojid.daemon.mailbox import Mailbox, Message
from kojid.daemon.postbox import ENDED, TALLY, Postbox
from kojid.metrics import tally

RETRY = ("kojid_hub_retries_total", "getTag")


@pytest.fixture(autouse=True)
def counting() -> Iterator[None]:
    tally.begin()
    tally.count(*RETRY)
    yield
    tally.end()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Mailbox]:
    made = Mailbox(tmp_path)
    yield made
    made.close()


def test_all_is_delivered_and_the_last_word_after_it(box: Mailbox, tmp_path: Path) -> None:
    Postbox(tmp_path, 7).empty(ENDED)
    heard = list(box.receive())
    assert [(one.word, one.task_id) for one in heard] == [(TALLY, 7), (ENDED, 7)]
    tally.begin()
    tally.merge(heard[0].text)
    assert tally.current().counts == {RETRY: 1.0}


def test_without_a_daemon_it_is_kept_for_the_next_one_and_nobody_waits(tmp_path: Path) -> None:
    sender, begun = Postbox(tmp_path, 7), time.monotonic()
    sender.empty(ENDED)
    assert time.monotonic() - begun < 0.5
    assert tally.current().counts == {RETRY: 1.0}
    box = Mailbox(tmp_path)
    sender.empty(ENDED)
    assert [one.word for one in box.receive()] == [TALLY, ENDED]
    box.close()


def test_a_full_mailbox_costs_a_moment_and_loses_nothing(box: Mailbox, tmp_path: Path) -> None:
    while mailbox.post(tmp_path, "wake", 1):
        pass
    begun = time.monotonic()
    Postbox(tmp_path, 7).empty(ENDED)
    assert 0.9 < time.monotonic() - begun < 5
    assert tally.current().counts == {RETRY: 1.0}
    assert {one.word for one in box.receive()} == {"wake"}


def test_on_the_way_it_is_delivered_now_and_then(box: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Postbox(tmp_path, 7)
    sender.pass_by()
    assert not list(box.receive())
    monkeypatch.setattr(postbox, "_INTERVAL", -1.0)
    sender = Postbox(tmp_path, 7)
    sender.pass_by()
    assert [one.word for one in box.receive()] == [TALLY]


def test_a_daemon_of_an_earlier_release_ignores_it(box: Mailbox, tmp_path: Path) -> None:
    """It takes what follows the word for the task's id, and that has to be a number."""
    Postbox(tmp_path, 7).empty()
    heard: List[Message] = list(box.receive())
    assert not f"{heard[0].task_id} {heard[0].text}".isdigit()


def test_nothing_is_sent_when_nothing_is_counted(box: Mailbox, tmp_path: Path) -> None:
    tally.end()
    Postbox(tmp_path, 7).empty(ENDED)
    assert not list(box.receive())
