"""What a task's process tells its daemon, and where it waits before it may begin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import koji
import pytest

from kojid.daemon import mailbox
from kojid.daemon.desk import Desk
from kojid.daemon.gate import Gate
from kojid.daemon.ledger import Ledger
from kojid.daemon.mailbox import Mailbox
from kojid.daemon.records import Outcome
from kojid.errors import ConfigError
from kojid.system import forks


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / ("deep" * 40) / "ledger")
    made.open()
    return made


@pytest.fixture
def box(ledger: Ledger) -> Iterator[Mailbox]:
    made = Mailbox(ledger.directory)
    yield made
    made.close()


@pytest.mark.parametrize("method", ["host.subtask", "host.subtask2", "host.taskSetWait"])
def test_calls_that_bring_work_wake_the_daemon(ledger: Ledger, box: Mailbox, method: str) -> None:
    session = Mock()
    Desk(ledger, 5).attend(session)
    session.after_call("getTaskInfo", {})
    session.after_call(method, None)
    assert list(box.receive()) == [("wake", 5, "")]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (koji.ActionNotAllowed("host 1 does not own task 5"), True),
        (koji.AuthError("Invalid session or bad credentials"), True),
        (koji.AuthLockError("User locked by another session"), True),
        (koji.RetryError("again"), False),
        (koji.SequenceError("7 > 6"), False),
        (koji.AuthExpired("expired"), False),
        (koji.BuildError("no"), False),
    ],
)
def test_a_refusal_that_may_mean_the_task_is_lost_is_told(
    ledger: Ledger, box: Mailbox, error: koji.GenericError, told: bool
) -> None:
    session = Mock()
    Desk(ledger, 5).attend(session)
    session.after_refusal(error)
    assert list(box.receive()) == ([("lost", 5, "")] if told else [])


def test_the_buildroots_that_it_makes_are_on_record(ledger: Ledger) -> None:
    session = Mock()
    Desk(ledger, 5).attend(session)
    session.after_call("host.newBuildRoot", 31)
    session.after_call("host.newBuildRoot", None)
    assert ledger.buildroots(5) == [31]


def test_without_a_daemon_a_call_costs_nothing(ledger: Ledger) -> None:
    assert not mailbox.send(ledger.directory, "wake", 5)
    assert not mailbox.send(ledger.directory / "gone", "wake", 5)


def test_a_daemon_that_does_not_listen_is_not_waited_for(ledger: Ledger, box: Mailbox) -> None:
    for _ in range(10_000):
        assert mailbox.send(ledger.directory, "wake", 5)
    assert list(box.receive())


def test_a_new_daemon_takes_the_place_of_a_dead_ones_socket(ledger: Ledger, box: Mailbox) -> None:
    second = Mailbox(ledger.directory)
    assert mailbox.send(ledger.directory, "wake", 6)
    assert list(second.receive()) == [("wake", 6, "")]
    assert list(box.receive()) == []
    second.close()


def test_only_a_verdict_of_the_daemon_is_a_reason_to_fail(ledger: Ledger) -> None:
    desk = Desk(ledger, 5)
    assert desk.verdict() is None
    desk.keep(Outcome("closeTask", [5, ""]))
    assert desk.verdict() is None
    ledger.save_outcome(5, Outcome("failTask", [5, ""], reason="too old"))
    assert desk.verdict() == "too old"
    desk.delivered()
    assert ledger.outcome(5) is None


@pytest.mark.parametrize(("let_in", "status"), [(True, 0), (False, 3)])
def test_the_gate_opens_only_when_it_is_opened(let_in: bool, status: int) -> None:
    gate = Gate()

    def child() -> None:
        if not gate.passed():
            os._exit(3)

    pid = forks.fork(child, name="child")
    if let_in:
        gate.open()
    else:
        gate.shut()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status


def test_a_directory_that_takes_no_socket_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="state_dir cannot be used, .*gone: No such file"):
        Mailbox(tmp_path / "gone")
