"""Taking assigned tasks: refusals, lost races, and who decides what (contract 4.5)."""

from __future__ import annotations

from typing import Any, Dict
from unittest.mock import Mock

import koji
import koji.tasks
import pytest

from kojid.daemon.schedule.assigned import Taker
from kojid.errors import HostFault
from tests.support import options

HOST = {"id": 3, "arches": "x86_64"}
TASK = {"id": 7, "method": "sleep", "state": koji.TASK_STATES["ASSIGNED"], "host_id": 3}


class Sleep(koji.tasks.BaseTaskHandler):
    Methods = ["sleep"]
    _taskWeight = 0.25


class Site:
    def __init__(self, handler: Any = Sleep) -> None:
        self.session = Mock(hub_version=(1, 35, 3))
        self.session.getTaskInfo.return_value = {"id": 7, "request": [5], "state": 1, "host_id": 3}
        self.session.host.openTask.return_value = {"id": 7, "weight": 1.0}
        self.supervisor = Mock()
        self.manager = Mock(tasks={}, host_id=3)
        handlers: Dict[str, Any] = {"sleep": handler}
        self.taker = Taker(self.session, options(), handlers, self.supervisor, self.manager)

    def take(self, **changes: Any) -> bool:
        return self.taker.take({**TASK, **changes}, HOST)


def test_a_task_is_opened_weighed_and_started_with_a_subsession_of_its_own() -> None:
    site = Site()
    assert site.take()
    site.session.host.openTask.assert_called_once_with(7)
    site.session.host.setTaskWeight.assert_called_once_with(7, 0.25)
    (handler, method, session), _ = site.supervisor.start.call_args
    assert (handler.params, method, session) == ((5,), "sleep", site.session.subsession.return_value)
    assert handler.taskinfo["request"] == [5]
    assert list(site.manager.tasks) == [7]


def test_an_unknown_method_is_refused_for_good() -> None:
    site = Site()
    assert not site.take(method="wrapperRPM")
    site.session.host.refuseTask.assert_called_once_with(7, soft=False, msg="no handler for method")
    site.session.host.openTask.assert_not_called()


def test_a_task_without_a_request_is_left_alone() -> None:
    site = Site()
    site.session.getTaskInfo.return_value = {"id": 7, "request": None}
    assert not site.take()
    site.session.host.refuseTask.assert_not_called()


def test_a_handler_that_cannot_be_made_refuses_its_task_and_no_other() -> None:
    class Broken(Sleep):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("no configuration")

    site = Site(Broken)
    assert not site.take()
    site.session.host.refuseTask.assert_called_once_with(
        7, soft=True, msg="the handler can't be made: no configuration"
    )


def suited(answer: Any) -> Site:
    class Choosy(Sleep):
        def checkHost(self, hostdata: Dict[str, Any]) -> bool:
            if isinstance(answer, Exception):
                raise answer
            return bool(answer)

    return Site(Choosy)


def test_a_host_that_does_not_suit_is_a_refusal_for_good() -> None:
    site = suited(False)
    assert not site.take()
    site.session.host.refuseTask.assert_called_once_with(7, soft=False, msg="failed host check")


@pytest.mark.parametrize("trouble", [koji.GenericError("offline"), ConnectionError("reset")])
def test_trouble_with_the_hub_during_the_check_refuses_nothing(trouble: Exception) -> None:
    site = suited(trouble)
    assert not site.take()
    site.session.host.refuseTask.assert_not_called()


def test_what_is_missing_on_the_host_is_a_refusal_for_now() -> None:
    site = suited(koji.tasks.RefuseTask("livecd needs pykickstart"))
    assert not site.take()
    site.session.host.refuseTask.assert_called_once_with(7, soft=True, msg="livecd needs pykickstart")
    site.session.host.openTask.assert_not_called()


def test_a_lost_race_for_a_task_is_no_error() -> None:
    site = Site()
    site.session.host.openTask.return_value = None
    assert not site.take()
    site.supervisor.start.assert_not_called()


@pytest.mark.parametrize(("info", "raises"), [({"state": 2, "host_id": 3}, False), ({"state": 1, "host_id": 3}, True)])
def test_a_task_that_was_canceled_right_after_opening_is_let_go(info: Dict[str, Any], raises: bool) -> None:
    site = Site()
    site.session.host.setTaskWeight.side_effect = koji.ActionNotAllowed("not yours")
    site.session.getTaskInfo.side_effect = [{"id": 7, "request": [5]}, info]
    if raises:
        with pytest.raises(koji.ActionNotAllowed):
            site.take()
    else:
        assert not site.take()


@pytest.mark.parametrize("trouble", [koji.ServerOffline("offline"), ConnectionError("reset")])
def test_a_task_is_begun_although_its_weight_did_not_get_through(trouble: Exception) -> None:
    site = Site()
    site.session.host.setTaskWeight.side_effect = trouble
    assert site.take()
    assert site.supervisor.start.called


def test_a_host_without_processes_gives_the_task_back() -> None:
    site = Site()
    site.supervisor.start.side_effect = HostFault("no process could be started")
    assert not site.take()
    (task_id,), named = site.session.host.refuseTask.call_args
    assert task_id == 7
    assert "no process could be started" in named["msg"]


def test_a_foreground_task_runs_in_the_daemon_with_its_manager() -> None:
    class Inline(Sleep):
        Foreground = True

        def run(self) -> Any:
            return self.manager.host_id

    site = Site(Inline)
    assert site.take()
    (task_id, xml), _ = site.session.host.closeTask.call_args
    assert task_id == 7
    assert "<int>3</int>" in xml
    site.supervisor.start.assert_not_called()


def test_a_task_that_stops_the_daemon_is_closed_first() -> None:
    class Stop(Sleep):
        Foreground = True

        def run(self) -> Any:
            raise koji.tasks.ServerExit

    site = Site(Stop)
    with pytest.raises(koji.tasks.ServerExit):
        site.take()
    assert site.session.host.closeTask.call_args[0][0] == 7


def test_a_hub_that_knows_no_refusals_is_given_opened_tasks_back() -> None:
    site = Site()
    site.session.hub_version = (1, 33, 2)
    site.supervisor.start.side_effect = HostFault("no process could be started")
    assert not site.take()
    site.session.host.freeTasks.assert_called_once_with([7])
    site.session.host.refuseTask.assert_not_called()
    assert site.taker.refusals.in_force(7)


def test_a_hub_that_knows_no_refusals_is_not_told_of_a_task_that_was_not_opened() -> None:
    site = suited(False)
    site.session.hub_version = (1, 33, 2)
    assert not site.take()
    site.session.host.freeTasks.assert_not_called()
    assert site.taker.refusals.in_force(7, assigned=True)
