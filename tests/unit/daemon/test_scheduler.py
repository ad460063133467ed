"""Which scheduler holds, and what the hub is asked for it."""

from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.daemon.schedule.choice import Scheduler, scheduler_for
from kojid.daemon.schedule.refusals import Refusals
from kojid.hub.calls import Report
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


def asked(scheduler: Scheduler, ready: bool = True) -> list[int]:
    """The tasks that the hub offers when it is told how this host is."""
    plan = scheduler.plan(0.5, ready, 10)
    sight = scheduler.ask(scheduler.correction(plan), plan)
    return ids(scheduler.candidates(plan, sight.offered))


def ids(tasks: Any) -> list[int]:
    return [task["id"] for task in tasks]


def test_a_hub_with_a_scheduler_is_asked_for_what_it_assigned() -> None:
    session, scheduler = site((1, 35, 3))
    assert asked(scheduler) == [5]
    assert session.names == ["host.updateHost", "host.getTasks"]
    assert session.calls[0].kwargs == {"data": {"methods": ["sleep"], "maxjobs": 10}}


def test_an_older_hub_is_asked_for_the_load_of_all() -> None:
    session, scheduler = site((1, 33, 2))
    assert asked(scheduler) == [6, 5]
    assert session.calls[0] == ("host.updateHost", (0.5, True), {})
    assert session.names[1] == "host.getLoadData"


def test_a_newer_hub_can_be_asked_the_old_way() -> None:
    session, scheduler = site((1, 35, 3), scheduler="builder")
    session.answer("host.getLoadData", [[{**HOST, "enabled": True, "comment": None}], [ASSIGNED]])
    assert asked(scheduler) == [5]


def test_a_host_that_is_not_ready_has_nothing_to_try() -> None:
    session, scheduler = site((1, 33, 2))
    assert asked(scheduler, ready=False) == []
    assert session.names == ["host.updateHost"]


def test_a_hub_that_was_upgraded_is_asked_the_new_way() -> None:
    session, scheduler = site((1, 33, 2))
    asked(scheduler)
    session.hub_version = (1, 35, 3)
    assert asked(scheduler) == [5]


def test_a_task_that_gave_itself_back_is_left_to_other_hosts() -> None:
    _session, scheduler = site((1, 33, 2))
    scheduler.given_back([6])
    assert asked(scheduler) == [5]


def test_what_the_hub_knows_is_not_told_again_between_the_beats() -> None:
    _session, scheduler = site((1, 35, 3))
    asked(scheduler)
    plan = scheduler.plan(0.5, True, 10)
    assert scheduler.wanted(plan, whole=False, tasks=False).report is None
    assert scheduler.wanted(plan, whole=True, tasks=True).report == Report(0.5, True)
    changed = scheduler.plan(0.7, True, 11)
    assert scheduler.wanted(changed, whole=False, tasks=False).report == Report(
        0.7, True, {"methods": ["sleep"], "maxjobs": 11}
    )


def test_after_trouble_everything_is_told_again() -> None:
    session, scheduler = site((1, 35, 3))
    asked(scheduler)
    session.answer("host.updateHost", koji.GenericError("trouble"))
    plan = scheduler.plan(0.7, True, 10)
    with pytest.raises(koji.GenericError):
        scheduler.ask(scheduler.correction(plan), plan)
    assert scheduler.wanted(scheduler.plan(0.5, True, 10), whole=False, tasks=False).report is not None


@pytest.mark.parametrize(("version", "light"), [((1, 35, 3), True), ((1, 33, 2), False)])
def test_only_hubs_that_assign_tasks_are_cheap_to_ask(version: Any, light: bool) -> None:
    _session, scheduler = site(version)
    assert scheduler.light is light
