"""Taking assigned tasks: refusals, lost races, and who decides what (contract 4.5)."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List
from unittest.mock import Mock, patch

import koji
import koji.tasks
import pytest
import requests

from kojid.daemon.schedule.assigned import Taker
from kojid.daemon.starts import Start
from kojid.errors import HostFault
from tests.support import options
from tests.support.fakehub import FakeMultiCall, FakeSession

OPEN = koji.TASK_STATES["OPEN"]
HOST = {"id": 3, "arches": "x86_64"}
TASK = {"id": 7, "method": "sleep", "state": koji.TASK_STATES["ASSIGNED"], "host_id": 3}


class Sleep(koji.tasks.BaseTaskHandler):
    Methods = ["sleep"]
    _taskWeight = 0.25


class Site:
    def __init__(self, handler: Any = Sleep, **more: Any) -> None:
        self.session = FakeSession(
            {
                "getTaskInfo": self._info,
                "host.openTask": lambda number: {"id": number, "weight": 1.0},
                "host.setTaskWeight": None,
                "host.refuseTask": None,
                "host.freeTasks": None,
                "host.closeTask": None,
                "subsession": lambda: {"session-id": 70 + len(self.session.called("subsession")), "session-key": "k"},
                "logoutChild": None,
            }
        )
        self.session.below = lambda info: ("subsession", info["session-id"])  # type: ignore[attr-defined]
        self.info: Dict[str, Any] = {"request": [5], "state": OPEN, "host_id": 3}
        self.supervisor = Mock()
        self.started: List[Start] = []
        self.supervisor.start.side_effect = self.started.extend
        self.manager = Mock(tasks={}, host_id=3)
        handlers: Dict[str, Any] = {"sleep": handler, **more}
        self.taker = Taker(self.session, options(), handlers, self.supervisor, self.manager)  # type: ignore[arg-type]

    def _info(self, which: Any, request: bool = False) -> Any:
        if isinstance(which, list):
            return [self._info(number) for number in which]
        return {"id": which, **self.info}

    def take(self, **changes: Any) -> bool:
        return bool(self.take_all({**TASK, **changes}))

    def take_all(self, *tasks: Dict[str, Any], room: Callable[[], bool] = lambda: True) -> List[int]:
        return [task["id"] for task in self.taker.take(tasks, HOST, room)]

    def called(self, name: str) -> List[Any]:
        return [call.args for call in self.session.called(name)]

    @property
    def refused(self) -> List[Any]:
        return [
            (call.args[0], call.kwargs["soft"], call.kwargs["msg"]) for call in self.session.called("host.refuseTask")
        ]


def no_process(starts: List[Start]) -> None:
    """A machine that has no process to give."""
    for start in starts:
        start.fail(HostFault("no process could be started"))


def test_a_task_is_opened_weighed_and_started_with_a_subsession_of_its_own() -> None:
    site = Site()
    assert site.take()
    assert site.called("host.openTask") == [(7,)]
    assert site.called("host.setTaskWeight") == [(7, 0.25)]
    (start,) = site.started
    assert (start.handler.params, start.method, start.session) == ((5,), "sleep", ("subsession", 71))
    assert start.handler.taskinfo["request"] == [5]
    assert list(site.manager.tasks) == [7]


def test_request_opening_weight_and_subsession_of_all_tasks_are_one_request() -> None:
    site = Site()
    assert site.take_all(*({**TASK, "id": number} for number in (7, 8, 9))) == [7, 8, 9]
    assert site.session.requests == 1
    assert site.session.names == ["getTaskInfo", "host.openTask", "host.setTaskWeight", "subsession"] * 3


def test_tasks_whose_request_decides_are_looked_at_by_one_call_before_they_are_opened() -> None:
    class Heavy(Sleep):
        def weight(self) -> float:
            return float(self.params[0])

    site = Site(Heavy)
    assert site.take_all(TASK, {**TASK, "id": 8}) == [7, 8]
    assert site.session.requests == 2
    assert site.called("getTaskInfo") == [([7, 8],)]
    assert site.called("host.setTaskWeight") == [(7, 5.0), (8, 5.0)]


def test_no_more_are_opened_than_there_is_room_for() -> None:
    site = Site()
    assert site.take_all(
        *({**TASK, "id": number} for number in (7, 8, 9)), room=lambda: len(site.manager.tasks) < 2
    ) == [
        7,
        8,
    ]
    assert site.called("host.openTask") == [(7,), (8,)]


def test_tasks_behind_one_that_runs_in_the_daemon_wait_for_it() -> None:
    class Inline(Sleep):
        Methods = ["inline"]
        Foreground = True

        def run(self) -> Any:
            return None

    site = Site(Sleep, inline=Inline)
    tasks = [TASK, {**TASK, "id": 8, "method": "inline"}, {**TASK, "id": 9}]
    assert site.take_all(*tasks) == [7, 8]
    assert site.called("host.openTask") == [(7,), (8,)]
    assert len(site.called("subsession")) == 1


def test_an_unknown_method_is_refused_for_good() -> None:
    site = Site()
    assert not site.take(method="wrapperRPM")
    assert site.refused == [(7, False, "no handler for method")]
    assert not site.called("host.openTask")


def test_a_task_without_a_request_is_given_back() -> None:
    site = Site()
    site.info["request"] = None
    assert not site.take()
    assert site.refused == [(7, True, "it has no request")]
    assert site.called("logoutChild") == [(71,)]
    assert site.manager.tasks == {}


def test_a_handler_that_cannot_be_made_refuses_its_task_and_no_other() -> None:
    class Broken(Sleep):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("no configuration")

    site = Site(Broken)
    assert not site.take()
    assert site.refused == [(7, True, "the handler can't be made: no configuration")]


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
    assert site.refused == [(7, False, "failed host check")]


@pytest.mark.parametrize("trouble", [koji.GenericError("offline"), ConnectionError("reset")])
def test_trouble_with_the_hub_during_the_check_refuses_nothing(trouble: Exception) -> None:
    site = suited(trouble)
    assert not site.take()
    assert not site.refused


def test_what_is_missing_on_the_host_is_a_refusal_for_now() -> None:
    site = suited(koji.tasks.RefuseTask("livecd needs pykickstart"))
    assert not site.take()
    assert site.refused == [(7, True, "livecd needs pykickstart")]
    assert not site.called("host.openTask")


def test_a_lost_race_for_a_task_is_no_error() -> None:
    site = Site()
    site.session.answer("host.openTask", None)
    site.info["host_id"] = 4
    assert not site.take()
    assert not site.started
    assert site.manager.tasks == {}


def test_a_task_that_a_call_without_a_reply_has_opened_is_begun() -> None:
    site = Site()
    site.session.answer("host.openTask", None)
    assert site.take()
    assert site.started


@contextlib.contextmanager
def losing_a_reply(site: Site, error: Exception) -> Iterator[None]:
    """The first request of several calls is done by the hub and fails here."""
    lost = [error]
    call_all = FakeMultiCall.call_all

    def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        call_all(self, *args, **kwargs)
        if lost:
            site.session.answer("host.openTask", None)
            raise lost.pop()

    with patch.object(FakeMultiCall, "call_all", answer):
        yield


def test_a_request_whose_reply_was_lost_is_made_again() -> None:
    """The hub has done the calls; done again they open nothing, and the state of the task tells whose it is."""
    site = Site()
    with losing_a_reply(site, koji.RetryError("call 9 was done before")):
        assert site.take()
    assert [start.session for start in site.started] == [("subsession", 72)]


def test_a_request_that_was_broken_off_is_made_again_at_once() -> None:
    site = Site()
    with losing_a_reply(site, requests.exceptions.ConnectionError(ConnectionResetError(104, "reset"))):
        assert site.take()
    assert len(site.called("host.openTask")) == 2


def test_a_request_that_gets_no_answer_in_time_is_left_to_the_next_cycle() -> None:
    site = Site()
    slow = Mock(side_effect=requests.exceptions.ReadTimeout("slow"))
    with patch.object(FakeMultiCall, "call_all", slow), pytest.raises(requests.exceptions.ReadTimeout):
        site.take()
    assert site.manager.tasks == {}


def test_trouble_with_one_task_does_not_cost_the_others() -> None:
    site = Site()
    site.session.answer("host.openTask", koji.GenericError("No such task: 7"), {"id": 8})
    site.session.answer("getTaskInfo", {"request": [5]}, {"request": [5]}, [None])
    assert site.take_all(TASK, {**TASK, "id": 8}) == [8]


@pytest.mark.parametrize(("info", "raises"), [({"state": 2, "host_id": 3}, False), ({"state": 1, "host_id": 3}, True)])
def test_a_task_that_was_canceled_right_after_opening_is_let_go(info: Dict[str, Any], raises: bool) -> None:
    site = Site()
    site.session.answer("host.setTaskWeight", koji.ActionNotAllowed("not yours"))
    site.info.update(info)
    if raises:
        with pytest.raises(koji.ActionNotAllowed):
            site.take()
    else:
        assert not site.take()


def test_a_task_is_begun_although_its_weight_could_not_be_set() -> None:
    site = Site()
    site.session.answer("host.setTaskWeight", koji.ServerOffline("offline"))
    assert site.take()
    assert site.started


def test_a_host_without_processes_gives_the_task_back() -> None:
    site = Site()
    site.supervisor.start.side_effect = no_process
    assert not site.take()
    ((task_id, _soft, why),) = site.refused
    assert task_id == 7
    assert "no process could be started" in why
    assert site.manager.tasks == {}


def test_a_foreground_task_runs_in_the_daemon_with_its_manager() -> None:
    class Inline(Sleep):
        Foreground = True

        def run(self) -> Any:
            return self.manager.host_id

    site = Site(Inline)
    assert site.take()
    ((task_id, xml),) = site.called("host.closeTask")
    assert task_id == 7
    assert "<int>3</int>" in xml
    assert not site.started


def test_a_task_that_stops_the_daemon_is_closed_first() -> None:
    class Stop(Sleep):
        Foreground = True

        def run(self) -> Any:
            raise koji.tasks.ServerExit

    site = Site(Stop)
    with pytest.raises(koji.tasks.ServerExit):
        site.take()
    assert site.called("host.closeTask")[0][0] == 7


def test_a_hub_that_knows_no_refusals_is_given_opened_tasks_back() -> None:
    site = Site()
    site.session.hub_version = (1, 33, 2)
    site.supervisor.start.side_effect = no_process
    assert not site.take()
    assert site.called("host.freeTasks") == [([7],)]
    assert not site.refused
    assert site.taker.refusals.in_force(7)


def test_a_hub_that_knows_no_refusals_is_not_told_of_a_task_that_was_not_opened() -> None:
    site = suited(False)
    site.session.hub_version = (1, 33, 2)
    assert not site.take()
    assert not site.called("host.freeTasks")
    assert site.taker.refusals.in_force(7, assigned=True)
