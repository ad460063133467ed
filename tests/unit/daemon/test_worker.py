"""How a task's outcome reaches the hub (contract 5.1)."""

from __future__ import annotations

import logging
from typing import Any, Callable
from unittest.mock import Mock
from xmlrpc.client import Fault

import koji
import koji.tasks
import pytest
from koji.xmlrpcplus import loads

from kojid.daemon import worker
from kojid.errors import BuildFailed, HostFault
from kojid.hub.client import HubUnreachable


class Handler:
    id = 12
    method = "sleep"

    def __init__(self, run: Callable[[], Any], session: Mock) -> None:
        self.run = run
        self.session = session


def outcome(run: Callable[[], Any], hub: tuple[int, ...] = (1, 35, 3)) -> Mock:
    session = Mock(hub_version=hub)
    worker.perform(Handler(run, session), session)
    return session


def raising(error: BaseException) -> Callable[[], Any]:
    def run() -> Any:
        raise error

    return run


def sent_fault(session: Mock) -> Fault:
    (task_id, xml), _ = session.host.failTask.call_args
    assert task_id == 12
    with pytest.raises(Fault) as caught:
        loads(xml)
    return caught.value


def test_a_result_closes_the_task() -> None:
    session = outcome(lambda: {"rpms": ["a.rpm"], "brootid": 1 << 40, "none": None})
    (task_id, xml), _ = session.host.closeTask.call_args
    assert task_id == 12
    assert loads(xml)[0][0] == {"rpms": ["a.rpm"], "brootid": 1 << 40, "none": None}


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (koji.BuildError("no such arch"), 1005, "no such arch"),
        (koji.BuildrootError("mock exited"), 1012, "mock exited"),
        (
            BuildFailed("see build.log", "build.log", ["boom"]),
            1005,
            "see build.log\nThe last lines of build.log:\n  boom",
        ),
        (Fault(42, "as it is"), 42, "as it is"),
    ],
)
def test_koji_faults_travel_under_their_code(error: Exception, code: int, text: str) -> None:
    fault = sent_fault(outcome(raising(error)))
    assert (fault.faultCode, fault.faultString) == (code, text)


def test_any_other_exception_travels_with_its_traceback() -> None:
    fault = sent_fault(outcome(raising(ValueError("odd"))))
    assert fault.faultCode == 1
    assert fault.faultString.startswith("Traceback (most recent call last)")
    assert fault.faultString.endswith("ValueError: odd")


def test_a_result_that_cannot_be_marshalled_fails_the_task() -> None:
    assert "cannot marshal" in sent_fault(outcome(object)).faultString


@pytest.mark.parametrize(
    "error", [koji.tasks.RefuseTask("not here"), HostFault("not here"), HubUnreachable("not here")]
)
def test_a_refusal_or_host_fault_gives_the_task_back(error: Exception) -> None:
    session = outcome(raising(error))
    session.host.refuseTask.assert_called_once_with(12, msg="not here")
    session.host.failTask.assert_not_called()


def test_a_hub_that_knows_no_refusals_gets_the_task_back() -> None:
    session = outcome(raising(koji.tasks.RefuseTask("not here")), hub=(1, 33, 2))
    session.host.freeTasks.assert_called_once_with([12])
    session.host.refuseTask.assert_not_called()


def test_a_restart_frees_the_task() -> None:
    session = outcome(raising(koji.tasks.ServerRestart()))
    session.host.freeTasks.assert_called_once_with([12])


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), koji.tasks.ServerExit()])
def test_a_stopped_handler_reports_nothing(error: BaseException) -> None:
    session = Mock()
    with pytest.raises(type(error)):
        worker.perform(Handler(raising(error), session), session)
    assert session.host.mock_calls == []


@pytest.mark.parametrize(("state", "lost"), [("CLOSED", False), ("OPEN", True)])
def test_a_lost_reply_is_settled_by_the_hubs_own_state(state: str, lost: bool) -> None:
    session = Mock()
    session.host.closeTask.side_effect = koji.RetryError("done before")
    session.getTaskInfo.return_value = {"state": koji.TASK_STATES[state]}
    handler = Handler(lambda: None, session)
    if lost:
        with pytest.raises(koji.RetryError):
            worker.perform(handler, session)
    else:
        worker.perform(handler, session)


@pytest.mark.parametrize("run", [lambda: None, raising(koji.BuildError("mock was killed"))])
def test_the_outcome_of_a_task_that_was_canceled_meanwhile_is_dropped(run: Callable[[], Any]) -> None:
    session = Mock()
    for call in (session.host.closeTask, session.host.failTask):
        call.side_effect = koji.ActionNotAllowed("host 1 does not own task 12")
    worker.perform(Handler(run, session), session)
    assert len(session.host.mock_calls) == 1


def test_long_results_are_shortened_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="koji"):
        outcome(lambda: "x" * 100_000)
    line = next(record.getMessage() for record in caplog.records if "RESPONSE: " in record.getMessage())
    assert len(line) < 1000


def test_a_task_whose_session_was_taken_away_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "_take_signals", lambda _desk: None)
    monkeypatch.setattr(worker.tasklog, "begin", lambda *_: None)
    monkeypatch.setattr(worker.forks, "become_subreaper", lambda: True)
    session = Mock(opts={})
    session.host.failTask.side_effect = koji.AuthLockError("User locked by another session")
    with caplog.at_level(logging.WARNING, logger="koji"):
        handler = Handler(raising(koji.BuildError("no")), session)
        worker.main(handler, session, Mock(task_log_dir=""), Mock(daemon_knows=False))
    assert "could not be reported: User locked by another session" in caplog.text
    session.logout.assert_called_once_with()
