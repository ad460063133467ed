"""One cycle against a scripted hub: what is reported, freed, woken, ended and taken (contract 4.1, 4.5)."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import koji
import koji.tasks
import pytest

from kojid.daemon import admission, cycle
from kojid.daemon.cycle import Cycle, State
from tests.support import options

HOST = {"id": 3, "enabled": True, "capacity": 2.0, "arches": "x86_64"}
OPEN, ASSIGNED, CANCELED, FREE = (koji.TASK_STATES[name] for name in ("OPEN", "ASSIGNED", "CANCELED", "FREE"))


class Site:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.session, self.supervisor, self.taker = Mock(), Mock(), Mock()
        self.state = State(host_id=3, start_ts=0.0)
        self.tasks: list[dict[str, Any]] = []
        self.assigned: list[dict[str, Any]] = []
        self.reports: list[tuple[float, bool, Any]] = []
        self.jobs: dict[int, Mock] = {}
        self.supervisor.jobs = FakeJobs(self.jobs)
        self.supervisor.job_of.side_effect = self.jobs.get
        self.supervisor.lost_sessions.return_value = []
        self.supervisor.busy.return_value = False
        self.taker.methods.return_value = ["sleep"]
        monkeypatch.setattr(cycle.calls, "observe", lambda session, host_id: ([], self.tasks, HOST))
        monkeypatch.setattr(cycle.calls, "report", self._report)
        settings = options(maxjobs=2, max_waiting=3)
        judge = admission.Admission(settings, Mock(), lambda: "")
        monkeypatch.setattr(judge, "_machine", lambda: iter(()))
        self.cycle = Cycle(self.session, settings, self.state, self.supervisor, Mock(), self.taker, judge)

    def _report(self, _session: Any, load: float, ready: bool, data: Any) -> list[dict[str, Any]]:
        self.reports.append((load, ready, data))
        return self.assigned if ready else []

    def runs(self, task_id: int) -> Mock:
        self.jobs[task_id] = Mock(task_id=task_id, pid=1000 + task_id, ending=None)
        return self.jobs[task_id]


class FakeJobs:
    def __init__(self, jobs: dict[int, Mock]) -> None:
        self._jobs = jobs

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Any:
        return iter(list(self._jobs.values()))

    def pids(self) -> dict[int, int]:
        return {number: job.pid for number, job in self._jobs.items()}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


def row(task_id: int, **more: Any) -> dict[str, Any]:
    return {"id": task_id, "waiting": None, "weight": 1.5, **more}


def offer(task_id: int, **more: Any) -> dict[str, Any]:
    return {"id": task_id, "state": ASSIGNED, "host_id": 3, "method": "sleep", **more}


def test_the_load_is_the_weight_of_the_tasks_that_do_not_wait(site: Site) -> None:
    for number in (1, 2):
        site.runs(number)
    site.tasks = [row(1), row(2, waiting=True)]
    assert not site.cycle.run()
    assert [(load, ready, data["methods"]) for load, ready, data in site.reports] == [(1.5, True, ["sleep"])]


def test_parents_that_wait_leave_their_places_to_others_and_the_hub_is_told(site: Site) -> None:
    for number in (1, 2, 3):
        site.runs(number)
    site.tasks = [row(1, waiting=True, weight=0.2), row(2, waiting=True, weight=0.2), row(3)]
    site.assigned = [offer(4)]
    assert site.cycle.run()
    assert site.reports[-1] == (1.5, True, {"methods": ["sleep"], "maxjobs": 4})


def test_a_further_parent_is_refused_when_many_wait_but_a_subtask_is_let_in(site: Site) -> None:
    for number in (1, 2, 3):
        site.runs(number).method = "build"
    site.tasks = [row(number, waiting=True, weight=0.2) for number in (1, 2, 3)]
    site.assigned = [offer(4, method="build"), offer(5, method="build")]
    site.session.getTaskInfo.side_effect = lambda number: {"id": number, "parent": {4: None, 5: 1}[number]}
    assert site.cycle.run()
    why = "3 tasks wait for their subtasks here, max_waiting is 3"
    site.session.host.refuseTask.assert_called_once_with(4, soft=True, msg=why)
    assert [call.args[0]["id"] for call in site.taker.take.call_args_list] == [5]


def test_a_task_that_is_not_of_the_waiting_kind_is_let_in(site: Site) -> None:
    for number in (1, 2, 3):
        site.runs(number).method = "build"
    site.tasks = [row(number, waiting=True, weight=0.2) for number in (1, 2, 3)]
    site.assigned = [offer(4)]
    assert site.cycle.run()
    site.session.getTaskInfo.assert_not_called()


def test_tasks_without_a_process_are_freed(site: Site) -> None:
    site.tasks = [row(1)]
    site.cycle.run()
    site.session.host.freeTasks.assert_called_once_with([1])
    assert site.reports[0][0] == 0.0
    assert site.state.tasks == {}


def test_a_parent_whose_subtask_has_ended_is_woken(site: Site) -> None:
    job = site.runs(1)
    site.tasks = [row(1, waiting=True, alert=True)]
    site.cycle.run()
    site.supervisor.wake.assert_called_once_with(job)


@pytest.mark.parametrize(
    ("info", "ended"),
    [
        ({"id": 1, "state": CANCELED, "host_id": 3}, True),
        ({"id": 1, "state": OPEN, "host_id": 4}, True),
        ({"id": 1, "state": FREE, "host_id": None}, True),
        (None, True),
        ({"id": 1, "state": koji.TASK_STATES["CLOSED"], "host_id": 3}, False),
        ({"id": 1, "state": koji.TASK_STATES["FAILED"], "host_id": 3}, False),
    ],
)
def test_processes_of_tasks_that_are_no_longer_ours_are_ended(site: Site, info: Any, ended: bool) -> None:
    job = site.runs(1)
    site.session.getTaskInfo.return_value = [info]
    site.cycle.run()
    assert site.supervisor.end.call_args_list == ([((job,),)] if ended else [])


def test_a_process_that_is_being_ended_is_not_asked_about_again(site: Site) -> None:
    site.runs(1).ending = Mock()
    site.cycle.run()
    site.session.getTaskInfo.assert_not_called()


def test_sessions_of_crashed_tasks_are_closed_for_them(site: Site) -> None:
    site.supervisor.lost_sessions.return_value = [Mock(session_id=77, task_id=1)]
    site.session.logoutChild.side_effect = koji.GenericError("already closed")
    site.cycle.run()
    site.session.logoutChild.assert_called_once_with(77)


def test_one_task_is_taken_and_a_bad_one_does_not_cost_the_others(site: Site) -> None:
    site.assigned = [offer(1, host_id=9), offer(2), offer(3), offer(4)]
    site.taker.take.side_effect = lambda task, host: task["id"] == 3
    assert site.cycle.run()
    assert [call.args[0]["id"] for call in site.taker.take.call_args_list] == [2, 3]


def test_a_task_that_comes_back_while_its_process_is_here_waits_for_its_end(site: Site) -> None:
    site.runs(1)
    site.session.getTaskInfo.return_value = [{"id": 1, "state": ASSIGNED, "host_id": 3}]
    site.assigned = [offer(1)]
    assert not site.cycle.run()
    site.taker.take.assert_not_called()


def test_a_restart_waits_for_the_tasks_and_then_happens(site: Site) -> None:
    site.state.restart_pending = True
    site.runs(1)
    site.tasks = [row(1)]
    site.cycle.run()
    assert site.reports[-1][1] is False
    site.jobs.clear()
    site.tasks = []
    with pytest.raises(koji.tasks.ServerRestart):
        site.cycle.run()


def test_a_host_that_the_hub_no_longer_knows_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle.calls, "observe", lambda session, host_id: ([], [], None))
    with pytest.raises(koji.GenericError, match="the hub knows no host 3"):
        site.cycle.run()
