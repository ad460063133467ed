"""One cycle against a scripted hub: what is reported, freed, woken, ended and taken (contract 4.1, 4.5)."""

from __future__ import annotations

from typing import Any, Callable
from unittest.mock import Mock

import koji
import koji.tasks
import pytest

from kojid.daemon import admission, cycle
from kojid.daemon.cycle import Cycle, State
from kojid.daemon.schedule import choice
from kojid.hub.calls import Report, Sight, Wanted
from tests.support import options

HOST = {"id": 3, "enabled": True, "capacity": 2.0, "arches": "x86_64"}
OPEN, ASSIGNED, CANCELED, FREE = (koji.TASK_STATES[name] for name in ("OPEN", "ASSIGNED", "CANCELED", "FREE"))


class Site:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.session, self.supervisor, self.taker = Mock(), Mock(), Mock()
        self.state = State(host_id=3, start_ts=0.0)
        self.tasks: list[dict[str, Any]] = []
        self.assigned: list[dict[str, Any]] = []
        self.reports: list[Report] = []
        self.tried: list[int] = []
        self.jobs: dict[int, Mock] = {}
        self.supervisor.jobs = FakeJobs(self.jobs)
        self.supervisor.job_of.side_effect = self.jobs.get
        self.supervisor.open_sessions.return_value = []
        self.supervisor.given_back.return_value = []
        self.supervisor.busy.return_value = False
        self.supervisor.sweeping.side_effect = lambda task_id: task_id in self.ending
        self.ending: set[int] = set()
        self.reattachment = Mock()
        self.reattachment.settle.side_effect = lambda stale: list(stale)
        self.session.hub_version = (1, 35, 3)
        self.taker.methods.return_value = ["sleep"]
        self.host: Any = HOST
        self.asked: list[Wanted] = []
        monkeypatch.setattr(choice.calls, "look", self._look)
        settings = options(maxjobs=4, max_waiting=3)
        judge = admission.Admission(settings, Mock(), lambda: "")
        monkeypatch.setattr(admission, "obstacles_of_machine", lambda _options, _known: iter(()))
        self.cycle = Cycle(
            self.session,
            settings,
            self.state,
            self.supervisor,
            Mock(),
            self.taker,
            judge,
            self.reattachment,
            Mock(),
        )

    def _look(self, _session: Any, _hub: Any, wanted: Wanted) -> Sight:
        self.asked.append(wanted)
        if wanted.report is not None:
            self.reports.append(wanted.report)
        return Sight(
            buildroots=[] if wanted.whole else None,
            tasks=self.tasks if wanted.tasks else None,
            host=self.host if wanted.whole else None,
            offered=self.assigned if wanted.question else None,
        )

    def take(self, *weights: float) -> None:
        """Have the taker take what is tried, each task with the next weight; 0 is a refusal."""
        left = list(weights)

        def take(tasks: list[dict[str, Any]], _host: Any, room: Callable[[], bool]) -> list[dict[str, Any]]:
            taken = []
            for task in tasks:
                self.tried.append(task["id"])
                weight = left.pop(0)
                if not weight:
                    continue
                taken.append(task)
                self.state.tasks[task["id"]] = row(task["id"], weight=weight)
                if not room():
                    break
            return taken

        self.taker.take.side_effect = take

    def runs(self, task_id: int) -> Mock:
        self.jobs[task_id] = Mock(task_id=task_id, pid=1000 + task_id, ending=None, over=False)
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
    assert site.reports == [Report(1.5, True, {"methods": ["sleep"], "maxjobs": 5})]


def test_parents_that_wait_leave_their_places_to_others_and_the_hub_is_told(site: Site) -> None:
    for number in (1, 2, 3, 4, 5):
        site.runs(number)
    site.tasks = [row(number, waiting=number < 3, weight=0.2) for number in (1, 2, 3, 4, 5)]
    site.assigned = [offer(6)]
    site.take(0.2)
    assert site.cycle.run()
    assert (site.reports[-1].ready, site.reports[-1].data) == (True, {"methods": ["sleep"], "maxjobs": 6})


def test_tasks_that_wait_for_a_repository_leave_their_places_too(site: Site) -> None:
    for number in (1, 2, 3, 4):
        site.runs(number).method = "waitrepo"
    site.tasks = [row(number, weight=0.2) for number in (1, 2, 3, 4)]
    site.assigned = [offer(6)]
    site.take(0.2)
    assert site.cycle.run()
    assert site.reports[-1].data == {"methods": ["sleep"], "maxjobs": 8}


def test_a_further_parent_is_refused_when_many_wait_but_a_subtask_is_let_in(site: Site) -> None:
    for number in (1, 2, 3):
        site.runs(number).method = "build"
    site.tasks = [row(number, waiting=True, weight=0.2) for number in (1, 2, 3)]
    site.assigned = [offer(4, method="build"), offer(5, method="build")]
    site.session.getTaskInfo.side_effect = lambda number: {"id": number, "parent": {4: None, 5: 1}[number]}
    site.take(0.2)
    assert site.cycle.run()
    why = "3 tasks wait for their subtasks here, max_waiting is 3"
    site.taker.refusals.refuse.assert_called_once_with(4, why)
    assert site.tried == [5]


def test_a_task_that_is_not_of_the_waiting_kind_is_let_in(site: Site) -> None:
    for number in (1, 2, 3):
        site.runs(number).method = "build"
    site.tasks = [row(number, waiting=True, weight=0.2) for number in (1, 2, 3)]
    site.assigned = [offer(4)]
    site.take(0.2)
    assert site.cycle.run()
    site.session.getTaskInfo.assert_not_called()


def test_a_restart_does_not_wait_for_tasks_that_wait_for_work_that_it_keeps_out(site: Site) -> None:
    parent, child = site.runs(1), site.runs(2)
    site.state.restart_pending = True
    site.tasks = [row(1, waiting=True), row(2)]
    site.cycle.run()
    site.supervisor.end.assert_not_called()
    del site.jobs[2]
    site.tasks = [row(1, waiting=True)]
    site.cycle.run()
    site.supervisor.end.assert_called_once_with(parent)
    assert child.ending is None


def test_tasks_without_a_process_are_freed(site: Site) -> None:
    site.tasks = [row(1)]
    site.cycle.run()
    site.session.host.freeTasks.assert_called_once_with([1])
    assert site.reports[0].load == 0.0
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


def test_a_process_whose_task_is_known_to_be_over_is_asked_about_at_a_beat_only(site: Site) -> None:
    site.cycle.run()
    job = site.runs(1)
    job.over = True
    site.session.getTaskInfo.return_value = [{"id": 1, "state": koji.TASK_STATES["CLOSED"], "host_id": 3}]
    site.cycle.run(whole=False)
    site.session.getTaskInfo.assert_not_called()
    site.cycle.run()
    site.session.getTaskInfo.assert_called_once_with([1])


def test_the_end_of_a_task_that_its_process_has_told_of_is_foreseen(site: Site) -> None:
    job = site.runs(1)
    site.tasks = [row(1)]
    site.cycle.run()
    job.over = True
    site.tasks = []
    site.cycle.run(whole=False)
    assert [report.load for report in site.reports] == [1.5, 0]


def test_a_load_that_has_become_less_meanwhile_is_told_by_the_next_report(site: Site) -> None:
    site.runs(1)
    site.runs(2)
    site.tasks = [row(1, weight=0.5), row(2, weight=0.5)]
    site.cycle.run()
    asked = len(site.asked)
    site.tasks = [row(1, weight=0.5)]  # the hub has it closed, its process has not said so yet
    site.session.getTaskInfo.return_value = [{"id": 2, "state": koji.TASK_STATES["CLOSED"], "host_id": 3}]
    site.cycle.run(whole=False)
    assert len(site.asked) == asked + 1
    del site.jobs[2]
    site.cycle.run(whole=False)
    assert site.reports[-1].load == 0.5


def test_a_process_that_is_being_ended_is_not_asked_about_again(site: Site) -> None:
    site.runs(1).ending = Mock()
    site.cycle.run()
    site.session.getTaskInfo.assert_not_called()


def test_sessions_of_tasks_that_have_ended_are_closed_until_a_request_has_gone_through(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [[Mock(session_id=77, task_id=1)], [Mock(session_id=78, task_id=2)], []]
    site.supervisor.open_sessions.side_effect = lambda: left.pop(0)
    with monkeypatch.context() as lost:
        lost.setattr(choice.calls, "look", Mock(side_effect=koji.GenericError("no answer")))
        with pytest.raises(koji.GenericError):
            site.cycle.run()
    site.cycle.run()
    site.cycle.run()
    assert [wanted.over for wanted in site.asked if wanted.over] == [(77, 78)]


def test_a_task_that_is_not_ours_or_cannot_be_taken_does_not_cost_the_others(site: Site) -> None:
    site.assigned = [offer(1, host_id=9), offer(2), offer(3), offer(4)]
    site.take(0, 0.5, 0.5)
    assert site.cycle.run()
    assert site.tried == [2, 3, 4]
    assert len(site.reports) == 1


def test_a_cycle_in_which_nothing_could_be_taken_is_no_reason_for_the_next(site: Site) -> None:
    site.assigned = [offer(1)]
    site.take(0)
    assert not site.cycle.run()


def test_no_more_tasks_are_taken_than_there_are_slots(site: Site) -> None:
    site.runs(9)
    site.tasks = [row(9, weight=0.1)]
    site.assigned = [offer(number) for number in range(1, 9)]
    site.take(*[0.1] * 8)
    assert site.cycle.run()
    assert site.tried == [1, 2, 3]
    assert "Full queue" in site.state.verdict.reason


def test_no_more_tasks_are_taken_once_the_capacity_is_exceeded(site: Site) -> None:
    site.assigned = [offer(number) for number in range(1, 5)]
    site.take(1.5, 0.5, 0.25, 0.25)
    assert site.cycle.run()
    assert site.tried == [1, 2, 3]  # 2.0 is what the host has, and the last one may exceed it


def test_no_more_tasks_are_taken_after_one_that_asks_for_a_restart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def restart(tasks: list[dict[str, Any]], _host: Any, _room: Any) -> list[dict[str, Any]]:
        site.tried.append(tasks[0]["id"])
        site.state.tasks[tasks[0]["id"]] = row(tasks[0]["id"])
        site.state.restart_pending = True
        return tasks[:1]

    monkeypatch.setattr(choice.Assigned, "at_once", 1)
    site.assigned = [offer(1), offer(2)]
    site.taker.take.side_effect = restart
    assert site.cycle.run()
    assert site.tried == [1]


def test_the_hub_hears_of_this_host_before_a_slow_batch_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 6.0])
    monkeypatch.setattr(cycle, "time", Mock(monotonic=lambda: next(moments)))
    monkeypatch.setattr(choice.Assigned, "at_once", 1)
    site.assigned = [offer(1), offer(2), offer(3)]
    site.take(0.1, 0.1, 0.1)
    assert site.cycle.run()
    assert site.tried == [1, 2]


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
    assert site.reports[-1].ready is False
    site.jobs.clear()
    site.tasks = []
    with pytest.raises(koji.tasks.ServerRestart):
        site.cycle.run()


def test_a_host_that_the_hub_no_longer_knows_is_told(site: Site) -> None:
    site.host = None
    with pytest.raises(koji.GenericError, match="the hub knows no host 3"):
        site.cycle.run()


def test_a_task_with_an_outcome_on_record_is_not_freed(site: Site) -> None:
    site.tasks = [row(1), row(2)]
    site.reattachment.settle.side_effect = lambda stale: [2]
    site.cycle.run()
    site.session.host.freeTasks.assert_called_once_with([2])
    site.reattachment.freed.assert_called_once_with([2])


def test_a_task_is_only_freed_once_nothing_of_it_runs(site: Site) -> None:
    site.tasks = [row(1)]
    site.ending = {1}
    site.cycle.run()
    site.session.host.freeTasks.assert_not_called()
    site.ending = set()
    site.cycle.run()
    site.session.host.freeTasks.assert_called_once_with([1])


def test_an_idle_beat_takes_one_request(site: Site) -> None:
    site.cycle.run()
    assert len(site.asked) == 2  # nothing is known before the first answer
    site.cycle.run()
    site.cycle.run()
    assert len(site.asked) == 4
    beat = site.asked[-1]
    assert (beat.whole, beat.tasks, beat.report, beat.question) == (True, True, Report(0.0, True), "host.getTasks")


def test_a_beat_with_a_task_at_work_takes_one_request(site: Site) -> None:
    site.runs(1)
    site.tasks = [row(1)]
    for _ in range(3):
        site.cycle.run()
    assert len(site.asked) == 4
    assert site.asked[-1].report == Report(1.5, True)


def test_the_end_of_a_task_is_foreseen_so_that_its_place_is_offered_at_once(site: Site) -> None:
    for number in (1, 2, 3, 4):
        site.runs(number)
    site.tasks = [row(number, weight=0.1) for number in (1, 2, 3, 4)]
    site.cycle.run()
    assert site.reports[-1].ready is False
    before = len(site.asked)
    del site.jobs[4]
    site.tasks = site.tasks[:3]
    site.cycle.run(whole=False)
    assert len(site.asked) == before + 1
    assert site.asked[-1].report is not None
    assert site.asked[-1].report.ready
    assert site.asked[-1].question == "host.getTasks"


def test_what_was_not_foreseen_is_put_right_by_a_second_request(site: Site) -> None:
    site.cycle.run()
    site.runs(1)
    site.tasks = [row(1, weight=3.0)]
    site.cycle.run()
    assert [report.ready for report in site.reports[-2:]] == [True, False]
    assert site.reports[-1].load == 3.0


def test_between_the_beats_an_idle_host_asks_for_tasks_and_for_nothing_else(site: Site) -> None:
    site.cycle.run()
    site.cycle.run(whole=False)
    assert site.asked[-1] == Wanted(3, False, False, None, "host.getTasks")


def test_between_the_beats_the_open_tasks_are_looked_at_and_the_hub_is_told_only_of_changes(site: Site) -> None:
    job = site.runs(1)
    site.tasks = [row(1, waiting=True)]
    site.cycle.run()
    site.tasks = [row(1, waiting=True, alert=True)]
    site.cycle.run(whole=False)
    assert site.asked[-1] == Wanted(3, False, True, None, "host.getTasks")
    site.supervisor.wake.assert_called_once_with(job)


def test_between_the_beats_a_host_without_room_and_tasks_asks_for_nothing(site: Site) -> None:
    site.host = {**HOST, "enabled": False}
    site.cycle.run()
    site.cycle.run(whole=False)
    assert site.asked[-1] == Wanted(3, False, False, None, "")


def test_a_first_cycle_is_always_a_whole_one(site: Site) -> None:
    site.cycle.run(whole=False)
    assert site.asked[0].whole


def test_when_a_task_was_ended_its_buildroots_are_looked_at_before_the_next_beat(site: Site) -> None:
    site.cycle.run()
    job = site.runs(1)
    job.ending = Mock()
    site.cycle.run(whole=False)
    assert site.asked[-1].whole
    site.jobs.clear()
    site.cycle.run(whole=False)
    assert site.asked[-1].whole
    site.cycle.run(whole=False)
    assert not site.asked[-1].whole


def test_the_buildroots_of_a_canceled_task_are_looked_at_when_it_has_ended(site: Site) -> None:
    site.cycle.run()
    site.runs(1)
    site.session.getTaskInfo.return_value = [{"id": 1, "state": CANCELED, "host_id": 3}]
    site.cycle.run(whole=False)
    site.jobs.clear()
    site.cycle.run(whole=False)
    assert site.asked[-1].whole
