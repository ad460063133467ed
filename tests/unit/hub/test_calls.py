"""The daemon's own calls: one request per half of its cycle."""

from __future__ import annotations

import koji
import pytest

from kojid.hub import calls
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


def test_observing_takes_one_request() -> None:
    session = hub()
    assert calls.observe(session, 1) == ([{"id": 9}], [{"id": 5, "waiting": None, "weight": 1.0}], HOST)
    assert session.requests == 1
    assert session.calls[0] == ("listBuildroots", (), {"hostID": 1, "state": [0, 1, 2]})


def test_reporting_and_taking_tasks_takes_one_request() -> None:
    session = hub()
    assert calls.report(session, NEW, 1.5, True, DATA, "host.getTasks") == [TASK]
    assert session.requests == 1
    assert session.calls == [("host.updateHost", (1.5, True), {"data": DATA}), ("host.getTasks", (), {})]


def test_a_host_that_is_not_ready_asks_for_no_tasks() -> None:
    session = hub()
    assert calls.report(session, NEW, 1.5, False, DATA, "host.getTasks") is None
    assert session.names == ["host.updateHost"]


def test_the_first_hubs_with_a_scheduler_are_told_the_data_by_a_call_of_its_own() -> None:
    session = hub()
    session.answer("host.setHostData", None)
    calls.report(session, Capabilities((1, 34, 0)), 1.5, True, DATA, "host.getTasks")
    assert session.calls == [
        ("host.updateHost", (1.5, True), {}),
        ("host.setHostData", (DATA,), {}),
        ("host.getTasks", (), {}),
    ]
    assert session.requests == 1


def test_older_hubs_are_not_sent_data_and_asked_for_the_load_of_all() -> None:
    session = hub()
    session.answer("host.getLoadData", [[HOST], [TASK]])
    assert calls.report(session, Capabilities((1, 33, 2)), 1.5, True, DATA, "host.getLoadData") == [[HOST], [TASK]]
    assert session.calls == [("host.updateHost", (1.5, True), {}), ("host.getLoadData", (), {})]


def test_a_fault_within_is_raised_as_itself() -> None:
    session = hub()
    session.answer("host.getHostTasks", koji.AuthExpired("expired"))
    with pytest.raises(koji.AuthExpired):
        calls.observe(session, 1)


def test_a_lost_reply_is_asked_for_again_under_a_new_number() -> None:
    session = hub()
    session.answer("host.updateHost", koji.RetryError("call 5 was done before"), None)
    assert calls.report(session, NEW, 0.0, True, DATA, "host.getTasks") == [TASK]
    assert session.requests == 2
