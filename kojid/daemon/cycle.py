"""One cycle: look at the hub's tasks, report, take what is assigned (contract 4.1, 4.5)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

import koji
import koji.tasks

from kojid.config.options import Options
from kojid.daemon import admission
from kojid.daemon.housekeeping import Housekeeping
from kojid.daemon.jobs import Job
from kojid.daemon.parents import Parents
from kojid.daemon.schedule.assigned import Taker
from kojid.daemon.supervisor import Supervisor
from kojid.hub import calls

_log = logging.getLogger("koji.TaskManager")


@dataclass
class State:
    """What the daemon knows between cycles.

    Args:
        host_id: this host's id on the hub.
        start_ts: start of this daemon's hub session, seconds since the epoch.
        restart_pending: whether the daemon restarts as soon as no task is open.
        tasks: the hub's open tasks of this host, by id, as of the last look.
        verdict: whether the host was ready at the last report, and why not.
    """

    host_id: int
    start_ts: float
    restart_pending: bool = False
    tasks: Dict[int, Mapping[str, Any]] = field(default_factory=dict)
    verdict: admission.Verdict = field(default_factory=lambda: admission.Verdict(False, "starting"))


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
    ) -> None:
        self._session = session
        self._options = options
        self._state = state
        self._supervisor = supervisor
        self._housekeeping = housekeeping
        self._taker = taker
        self._admission = judge
        self._parents = Parents(session, options, supervisor)

    def run(self) -> bool:
        """One cycle; returns whether a task was taken, so that the next one follows at once.

        Raises:
            koji.tasks.ServerRestart: a restart is due and nothing is open any more.
        """
        buildroots, tasks, host = calls.observe(self._session, self._state.host_id)
        if host is None:
            raise koji.GenericError(f"the hub knows no host {self._state.host_id}; was it removed?")
        self._state.tasks = {task["id"]: task for task in tasks}
        self._housekeeping.update(buildroots, self._state.tasks)
        self._update_tasks(tasks)
        assigned = self._report(host)
        return self._take_one(assigned, host)

    def _update_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Wake, free and end tasks as the hub's list says (contract 4.5, updateTasks)."""
        if len(self._supervisor.jobs):
            _log.info("pids: %s", self._supervisor.jobs.pids())
        stale: List[int] = []
        for task in tasks:
            _log.info("open task: %s", dict(task))
            job = self._supervisor.job_of(task["id"])
            if job is None:
                stale.append(task["id"])
            elif task.get("alert"):
                self._supervisor.wake(job)
        if stale:
            _log.info("freeing stale tasks: %s", stale)
            self._session.host.freeTasks(stale)
            for task_id in stale:
                del self._state.tasks[task_id]
        self._close_sessions()
        self._end_lost([job for job in self._supervisor.jobs if job.task_id not in self._state.tasks])

    def _close_sessions(self) -> None:
        """Close the subsessions of processes that did not get to it."""
        for job in self._supervisor.lost_sessions():
            _log.info("Expiring subsession %s (task %s)", job.session_id, job.task_id)
            try:
                self._session.logoutChild(job.session_id)
            except koji.GenericError as error:
                _log.debug("subsession %s: %s", job.session_id, error)

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

    def _why_lost(self, info: Optional[Mapping[str, Any]]) -> Optional[str]:
        if info is None:
            return "unknown"
        if info["state"] == koji.TASK_STATES["CANCELED"]:
            return "canceled"
        if info["host_id"] != self._state.host_id or info["state"] in _NOT_STARTED:
            return "reassigned"
        return None

    def _report(self, host: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Tell the hub whether this host is ready; returns the tasks assigned to it."""
        busy = [task for task in self._state.tasks.values() if not task["waiting"]]
        load = float(sum(task["weight"] or 0 for task in busy))
        _log.debug("Task Load: %s", load)
        _log.debug("Current tasks: %s", sorted(self._state.tasks))
        count = len(self._state.tasks)
        waiting = count - len(busy)
        self._state.verdict = self._admission.judge(
            admission.Host(host, load, count, waiting, self._state.restart_pending)
        )
        data = {"methods": self._taker.methods(), "maxjobs": admission.places(self._options, waiting)}
        found = calls.report(self._session, load, self._state.verdict.ready, data)
        if self._state.restart_pending and not self._state.tasks and not self._supervisor.busy():
            raise koji.tasks.ServerRestart
        return found

    def _take_one(self, assigned: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> bool:
        """Take the first assigned task that can be taken (contract 4.3); trouble with one does not cost the others."""
        for task in assigned:
            _log.debug("task: %s", dict(task))
            if task["id"] in self._state.tasks or self._supervisor.job_of(task["id"]):
                _log.info("task %s was reassigned to us while it is still here; waiting for its end", task["id"])
            elif task["state"] != koji.TASK_STATES["ASSIGNED"] or task["host_id"] != self._state.host_id:
                _log.error("the hub offers task %s, which is not assigned to us: %s", task["id"], dict(task))
            elif not self._parents.turned_away(task, self._state.tasks) and self._taker.take(task, host):
                return True
        return False


_NOT_STARTED = (koji.TASK_STATES["FREE"], koji.TASK_STATES["ASSIGNED"])
