"""One cycle: look at the hub's tasks, report, take what there is for this host (contract 4.1, 4.5).

All of that is one request as long as things are as expected: the report that travels with the questions is made of what
the last cycle saw and of what has ended here since. Where the answers show something else, a second request puts it
right. Between two beats a cycle leaves out what does not change by what happens here, and tells the hub nothing twice.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import koji
import koji.tasks

from kojid.config.options import Options
from kojid.daemon import admission
from kojid.daemon.housekeeping import Housekeeping
from kojid.daemon.jobs import Job
from kojid.daemon.limits import TimeLimits
from kojid.daemon.parents import Parents
from kojid.daemon.reattach import Reattachment
from kojid.daemon.schedule.assigned import Taker
from kojid.daemon.schedule.base import Task
from kojid.daemon.schedule.choice import Plan, Scheduler
from kojid.daemon.supervisor import Supervisor
from kojid.hub.calls import Sight

_log = logging.getLogger("koji.TaskManager")
_BATCH_SECONDS = 5.0  # then the hub hears of this host again before more tasks are taken


@dataclass
class State:
    """What the daemon knows between cycles.

    Args:
        host_id: this host's id on the hub.
        start_ts: start of this daemon's hub session, seconds since the epoch.
        restart_pending: whether the daemon restarts as soon as no task is open.
        host: the hub's row of this host, as of the last beat; None before the first.
        tasks: the hub's open tasks of this host, by id, as of the last look.
        verdict: whether the host was ready at the last report, and why not.
    """

    host_id: int
    start_ts: float
    restart_pending: bool = False
    host: Optional[Mapping[str, Any]] = None
    tasks: Dict[int, Mapping[str, Any]] = field(default_factory=dict)
    verdict: admission.Verdict = field(default_factory=lambda: admission.Verdict(False, "starting", "starting"))

    @property
    def capacity(self) -> Optional[float]:
        """Of this host; None before the first beat."""
        return None if self.host is None else float(self.host["capacity"])


class Cycle:
    """Runs cycles.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
        state: shared with foreground handlers.
        supervisor: the task processes.
        housekeeping: the sweep of buildroots.
        taker: opens tasks and starts them.
        judge: says whether this host takes tasks.
        reattachment: settles what the ledger has of tasks that run no more.
        limits: the tasks' time limits.
    """

    def __init__(
        self,
        session: Any,
        options: Options,
        state: State,
        supervisor: Supervisor,
        housekeeping: Housekeeping,
        taker: Taker,
        judge: admission.Admission,
        reattachment: Reattachment,
        limits: TimeLimits,
    ) -> None:
        self._session = session
        self._options = options
        self._state = state
        self._supervisor = supervisor
        self._housekeeping = housekeeping
        self._taker = taker
        self._scheduler = Scheduler(
            session, options, state.host_id, taker.methods(), taker.refusals, self._is_here, taker.pickups
        )
        self._admission = judge
        self._parents = Parents(session, options, supervisor, taker.refusals)
        self._reattachment = reattachment
        self._limits = limits
        self._stray = False
        self._closing: List[int] = []

    def run(self, *, whole: bool = True) -> bool:
        """One cycle; returns whether a task was taken, so that the next one follows at once.

        Args:
            whole: whether it is a beat. Else buildroots and the host's row stay as they were, and the hub hears of this
                host only if something has changed.

        Raises:
            koji.tasks.ServerRestart: a restart is due and nothing is open any more.
        """
        self._supervisor.hear()
        whole = whole or self._state.host is None or self._buildroots_stray()
        expected = self._expect()
        known = bool(self._state.tasks or len(self._supervisor.jobs))
        wanted = self._scheduler.wanted(expected, whole=whole, tasks=whole or known, over=self._sessions_to_close())
        sight = self._scheduler.ask(wanted, expected)
        self._closing = []
        if whole:
            if sight.host is None:
                raise koji.GenericError(f"the hub knows no host {self._state.host_id}; was it removed?")
            self._state.host = sight.host
        tasks = sight.tasks or []
        self._state.tasks = {task["id"]: task for task in tasks}
        if sight.buildroots is not None:
            self._housekeeping.update(sight.buildroots, self._state.tasks)
        self._update_tasks(tasks, whole=whole)
        return self._take(self._report(expected, sight))

    def _sessions_to_close(self) -> Tuple[int, ...]:
        """The subsessions of tasks that have ended, until a request with them has gone through (contract 3.6)."""
        for job in self._supervisor.open_sessions():
            _log.debug("Expiring subsession %s (task %s)", job.session_id, job.task_id)
            self._closing.append(job.session_id)
        return tuple(self._closing)

    def _buildroots_stray(self) -> bool:
        """Whether tasks have lately gone without seeing to their buildroots on the hub."""
        ending = any(job.ending is not None for job in self._supervisor.jobs)
        found, self._stray = ending or self._stray, ending
        return found

    def may_poll(self) -> bool:
        """Whether asking for tasks between the beats is as cheap as `taskpoll` wants it."""
        return self._scheduler.light

    def _expect(self) -> Optional[Plan]:
        """How this host most likely is: as at the last look, without the tasks that have ended since."""
        if self._state.host is None:
            return None
        tasks = [row for task_id, row in self._state.tasks.items() if self._is_open(task_id)]
        now = self._situation(self._state.host, tasks)
        ready = self._admission.expects(now)
        return self._scheduler.plan(now.task_load, ready, admission.places(self._options, now.waiting))

    def _is_open(self, task_id: int) -> bool:
        job = self._supervisor.job_of(task_id)
        return job is not None and not job.over

    def _update_tasks(self, tasks: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
        """Wake, free and end tasks as the hub's list says (contract 4.5, updateTasks)."""
        if len(self._supervisor.jobs):
            _log.info("pids: %s", self._supervisor.jobs.pids())
        stale: List[int] = []
        for task in tasks:
            _log.info("open task: %s", dict(task))
            job = self._supervisor.job_of(task["id"])
            if job is None and self._supervisor.sweeping(task["id"]):
                _log.info("task %s has ended, what it left behind is being ended", task["id"])
            elif job is None:
                stale.append(task["id"])
            elif task.get("alert"):
                self._supervisor.wake(job)
        self._settle(stale)
        self._supervisor.hear()
        gone = [job for job in self._supervisor.jobs if job.task_id not in self._state.tasks]
        self._end_lost([job for job in gone if whole or not job.over])  # between beats it is given the time to leave
        self._supervisor.look_around()
        self._limits.check(self._state.tasks)

    def _settle(self, stale: List[int]) -> None:
        """Deliver the outcome of tasks that have no process any more, or free them."""
        free = self._reattachment.settle(stale)
        if free:
            _log.info("freeing stale tasks: %s", free)
            self._session.host.freeTasks(free)
            self._reattachment.freed(free)
            self._stray = True
        for task_id in stale:
            del self._state.tasks[task_id]

    def _end_lost(self, jobs: List[Job]) -> None:
        """End the processes of tasks that are no longer this host's."""
        jobs = [job for job in jobs if job.ending is None]
        if not jobs:
            return
        infos = self._session.getTaskInfo([job.task_id for job in jobs])
        for job, info in zip(jobs, infos):
            why = self._why_lost(info)
            if why is None:
                _log.info("Lingering task %s (pid %s)", job.task_id, job.pid)
                continue
            _log.info("Killing %s task %s (pid %s)", why, job.task_id, job.pid)
            self._supervisor.end(job)
            self._stray = True

    def _why_lost(self, info: Optional[Mapping[str, Any]]) -> Optional[str]:
        if info is None:
            return "unknown"
        if info["state"] == koji.TASK_STATES["CANCELED"]:
            return "canceled"
        if info["host_id"] != self._state.host_id or info["state"] in _NOT_STARTED:
            return "reassigned"
        return None

    def _is_here(self, task_id: int) -> bool:
        return task_id in self._state.tasks or self._supervisor.job_of(task_id) is not None

    def _report(self, expected: Optional[Plan], sight: Sight) -> Iterator[Task]:
        """See that the hub knows whether this host is ready; returns the tasks to try."""
        _log.debug("Task Load: %s", self._load(self._state.tasks.values()))
        _log.debug("Current tasks: %s", sorted(self._state.tasks))
        self._scheduler.given_back(self._supervisor.given_back())
        ready = self._judge()
        now = self._now()
        plan = self._scheduler.plan(now.task_load, ready, admission.places(self._options, now.waiting))
        if not plan.is_answered_by(expected):
            sight = self._scheduler.ask(self._scheduler.correction(plan), plan)
        if self._state.restart_pending:
            self._make_way()
        elif self._state.verdict.kind == admission.DRAINED:
            self._give_back_waiting("because this host is drained")
        return self._scheduler.candidates(plan, sight.offered)

    def _make_way(self) -> None:
        """Restart once nothing is open."""
        if not self._state.tasks and not self._supervisor.busy():
            raise koji.tasks.ServerRestart
        self._give_back_waiting("for the restart")

    def _give_back_waiting(self, why: str) -> None:
        """When all that is left only waits for work that this host no longer takes, give it back.

        Such a task runs again, elsewhere or later, and finds its subtasks by their labels (contract 5.3).
        """
        if self._passive(self._state.tasks.values()) == len(self._state.tasks):
            for job in self._supervisor.jobs:
                if job.ending is None:
                    _log.info("Giving back task %s (%s), which only waits, %s", job.task_id, job.method, why)
                    self._supervisor.end(job)

    @staticmethod
    def _load(tasks: Iterable[Mapping[str, Any]]) -> float:
        return math.fsum(task["weight"] or 0 for task in tasks if not task["waiting"])

    def _passive(self, tasks: Iterable[Mapping[str, Any]]) -> int:
        """How many of the tasks only wait: for subtasks, or for a repository."""
        return sum(1 for task in tasks if task["waiting"] or self._polls(task["id"]))

    def _polls(self, task_id: int) -> bool:
        job = self._supervisor.job_of(task_id)
        return job is not None and job.method in _POLLING

    def _situation(self, host: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> admission.Host:
        pending = self._state.restart_pending
        return admission.Host(host, self._load(tasks), len(tasks), self._passive(tasks), pending)

    def _judge(self) -> bool:
        """Whether there is room for a task now (contract 4.2)."""
        self._state.verdict = self._admission.judge(self._now())
        return self._state.verdict.ready

    def _has_room(self) -> bool:
        """Whether there would be room for another task; the machine is not asked anew for each task of a batch."""
        return self._admission.expects(self._now())

    def _now(self) -> admission.Host:
        return self._situation(self._state.host or {}, list(self._state.tasks.values()))

    def _take(self, offered: Iterator[Task]) -> bool:
        """Take tasks as long as there is room; trouble with one does not cost the others."""
        until = time.monotonic() + _BATCH_SECONDS
        took = False
        let_in = (task for task in offered if not self._parents.turned_away(task, self._state.tasks))
        while True:
            now = self._state.tasks.values()
            left = admission.places(self._options, self._passive(now)) - len(now)
            batch = list(itertools.islice(let_in, max(1, min(left, self._scheduler.at_once))))
            if not batch:
                break
            taken = self._taker.take(batch, self._state.host or {}, self._has_room)
            for task in taken:
                took = True
                self._scheduler.took(self._state.tasks[task["id"]]["weight"])
            if taken and (time.monotonic() > until or not self._judge()):
                break
        return took


# Tasks that ask the hub now and then and do nothing else: they must not keep those out that they wait for.
_POLLING = frozenset({"waitrepo"})
_NOT_STARTED = (koji.TASK_STATES["FREE"], koji.TASK_STATES["ASSIGNED"])
