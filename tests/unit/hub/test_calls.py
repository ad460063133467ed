"""The daemon's own calls: one request per cycle."""

from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.hub import calls
from kojid.hub.calls import Report, Sight, Wanted
from kojid.hub.capabilities import Capabilities
from tests.support.fakehub import FakeSession

TASK = {"id": 5, "state": 4, "host_id": 1, "method": "sleep"}
HOST = {"id": 1, "enabled": True}
DATA = {"methods": ["sleep"], "maxjobs": 10}
NEW = Capabilities((1, 35, 3))


def hub() -> FakeSession:
    return FakeSession(
        {
            "listBuildroots": [{"id": 9}],
            "host.getHostTasks": [{"id": 5, "waiting": None, "weight": 1.0}],
            "host.getHost": HOST,
            "host.updateHost": None,
            "host.getTasks": [TASK],
        }
    )


def test_a_beat_takes_one_request() -> None:
    session = hub()
    sight = calls.look(session, NEW, Wanted(1, report=Report(1.5, True, DATA), question="host.getTasks"))
    assert sight == Sight([{"id": 9}], [{"id": 5, "waiting": None, "weight": 1.0}], HOST, [TASK])
    assert session.requests == 1
    assert session.calls == [
        ("listBuildroots", (), {"hostID": 1, "state": [0, 1, 2]}),
        ("host.getHostTasks", (), {}),
        ("host.getHost", (), {}),
        ("host.updateHost", (1.5, True), {"data": DATA}),
        ("host.getTasks", (), {}),
    ]


def test_data_that_the_hub_has_are_not_told_again() -> None:
    session = hub()
    calls.look(session, NEW, report(None))
    assert session.calls == [("host.updateHost", (1.5, True), {}), ("host.getTasks", (), {})]


def test_a_host_that_is_not_ready_asks_for_no_tasks() -> None:
    session = hub()
    sight = calls.look(session, NEW, Wanted(1, False, False, Report(1.5, False)))
    assert sight.offered is None
    assert session.names == ["host.updateHost"]


def test_to_look_for_tasks_is_a_single_call() -> None:
    session = hub()
    assert calls.look(session, NEW, Wanted(1, False, False, None, "host.getTasks")) == Sight(offered=[TASK])
    assert session.calls == [("host.getTasks", (), {})]


def test_sessions_of_tasks_that_have_ended_are_closed_on_the_way() -> None:
    session = hub()
    session.answer("logoutChild", None, koji.AuthError("no such session"))
    sight = calls.look(session, NEW, Wanted(1, False, False, None, "host.getTasks", over=(77, 78)))
    assert sight == Sight(offered=[TASK])
    assert [call.args for call in session.called("logoutChild")] == [(77,), (78,)]
    assert session.requests == 1


def test_who_wants_nothing_makes_no_request() -> None:
    session = hub()
    assert calls.look(session, NEW, Wanted(1, False, False)) == Sight()
    assert session.requests == 0


def test_the_first_hubs_with_a_scheduler_are_told_the_data_by_a_call_of_its_own() -> None:
    session = hub()
    session.answer("host.setHostData", None)
    calls.look(session, Capabilities((1, 34, 0)), report())
    assert session.calls == [
        ("host.updateHost", (1.5, True), {}),
        ("host.setHostData", (DATA,), {}),
        ("host.getTasks", (), {}),
    ]
    assert session.requests == 1


def test_older_hubs_are_not_sent_data_and_asked_for_the_load_of_all() -> None:
    session = hub()
    session.answer("host.getLoadData", [[HOST], [TASK]])
    sight = calls.look(session, Capabilities((1, 33, 2)), report(question="host.getLoadData"))
    assert sight.offered == [[HOST], [TASK]]
    assert session.calls == [("host.updateHost", (1.5, True), {}), ("host.getLoadData", (), {})]


def test_a_fault_within_is_raised_as_itself() -> None:
    session = hub()
    session.answer("host.getHostTasks", koji.AuthExpired("expired"))
    with pytest.raises(koji.AuthExpired):
        calls.look(session, NEW, Wanted(1))


def test_a_lost_reply_is_asked_for_again_under_a_new_number() -> None:
    session = hub()
    session.answer("host.updateHost", koji.RetryError("call 5 was done before"), None)
    assert calls.look(session, NEW, report()).offered == [TASK]
    assert session.requests == 2


def report(data: Any = DATA, question: str = "host.getTasks") -> Wanted:
    return Wanted(1, False, False, Report(1.5, True, data), question)
