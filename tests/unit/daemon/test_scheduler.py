"""Which scheduler holds, and what the hub is asked for it."""

from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.daemon.schedule.choice import Scheduler, scheduler_for
from kojid.daemon.schedule.refusals import Refusals
from kojid.hub.capabilities import Capabilities
from tests.support import options
from tests.support.fakehub import FakeSession

ASSIGNED = {"id": 5, "state": koji.TASK_STATES["ASSIGNED"], "host_id": 3, "method": "sleep"}
FREE = {**ASSIGNED, "id": 6, "state": koji.TASK_STATES["FREE"], "host_id": None, "channel_id": 1, "arch": "noarch"}
HOST = {"id": 3, "capacity": 2.0, "task_load": 0.0, "arches": "x86_64", "channels": [1]}


@pytest.mark.parametrize(
    ("wish", "version", "chooser"),
    [
        ("auto", (1, 30, 1), "builder"),
        ("auto", (1, 33, 2), "builder"),
        ("auto", (1, 34, 0), "hub"),
        ("auto", (1, 36, 1), "hub"),
        ("builder", (1, 35, 3), "builder"),
        ("hub", (1, 30, 1), "hub"),
    ],
)
def test_the_hubs_release_decides_unless_the_option_does(wish: str, version: Any, chooser: str) -> None:
    assert scheduler_for(options(scheduler=wish), Capabilities(version)) == chooser


def site(version: tuple[int, ...], **settings: Any) -> tuple[FakeSession, Scheduler]:
    session = FakeSession(
        {"host.updateHost": None, "host.getTasks": [ASSIGNED], "host.getLoadData": [[HOST], [FREE, ASSIGNED]]}
    )
    session.hub_version = version  # type: ignore[assignment]
    made = Scheduler(session, options(**settings), 3, ["sleep"], Refusals(session), lambda task_id: False)
    return session, made


def ids(tasks: Any) -> list[int]:
    return [task["id"] for task in tasks]


def test_a_hub_with_a_scheduler_is_asked_for_what_it_assigned() -> None:
    session, scheduler = site((1, 35, 3))
    assert ids(scheduler.report(0.5, True, 10)) == [5]
    assert session.names == ["host.updateHost", "host.getTasks"]
    assert session.calls[0].kwargs == {"data": {"methods": ["sleep"], "maxjobs": 10}}


def test_an_older_hub_is_asked_for_the_load_of_all() -> None:
    session, scheduler = site((1, 33, 2))
    assert ids(scheduler.report(0.5, True, 10)) == [6, 5]
    assert session.calls[0] == ("host.updateHost", (0.5, True), {})
    assert session.names[1] == "host.getLoadData"


def test_a_newer_hub_can_be_asked_the_old_way() -> None:
    session, scheduler = site((1, 35, 3), scheduler="builder")
    session.answer("host.getLoadData", [[{**HOST, "enabled": True, "comment": None}], [ASSIGNED]])
    assert ids(scheduler.report(0.5, True, 10)) == [5]


def test_a_host_that_is_not_ready_has_nothing_to_try() -> None:
    session, scheduler = site((1, 33, 2))
    assert ids(scheduler.report(0.5, False, 10)) == []
    assert session.names == ["host.updateHost"]


def test_a_hub_that_was_upgraded_is_asked_the_new_way() -> None:
    session, scheduler = site((1, 33, 2))
    scheduler.report(0.5, True, 10)
    session.hub_version = (1, 35, 3)
    assert ids(scheduler.report(0.5, True, 10)) == [5]


def test_a_task_that_gave_itself_back_is_left_to_other_hosts() -> None:
    _session, scheduler = site((1, 33, 2))
    scheduler.given_back([6])
    assert ids(scheduler.report(0.5, True, 10)) == [5]
