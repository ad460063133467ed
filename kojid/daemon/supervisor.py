"""Task processes from outside: started, watched, woken, ended and reaped, without ever waiting for one."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from typing import Callable, Container, Dict, List, Optional, Sequence, Set
from xmlrpc.client import Fault

import koji

from kojid.config.options import Options
from kojid.daemon import score, steps, worker
from kojid.daemon.desk import GIVEN_BACK, OVER, Desk
from kojid.daemon.endings import Endings
from kojid.daemon.jobs import Job, Jobs
from kojid.daemon.ledger import Ledger
from kojid.daemon.loop import Loop
from kojid.daemon.mailbox import Mailbox
from kojid.daemon.places import Places
from kojid.daemon.postbox import ENDED, TALLY, Postbox
from kojid.daemon.records import Outcome, TaskRecord
from kojid.daemon.starts import Start, fork_all
from kojid.daemon.subjects import parent_of, subject_of
from kojid.errors import HostFault
from kojid.metrics import tally
from kojid.system import forks, processes
from kojid.system.cgroups import Group
from kojid.system.child import ExitStatus
from kojid.system.children import children, runs
from kojid.system.termination import Family, Termination, send_signal

_log = logging.getLogger("koji.TaskManager")
_POLL_SECONDS = 1.0  # for processes that are no children, on kernels without pidfds
_HELPER_SECONDS = 1.0  # for helpers to end by KILL; one that a dead mount holds is left to the kernel
_NAP = 0.005
_GRACE_SECONDS = 20.0  # for a handler that was told to fail


class _Everything:
    """Holds all methods."""

    def __contains__(self, _method: object) -> bool:
        return True


_NOTHING: Container[str] = ()
# Methods that ask the hub now and then about what is no subtask of theirs: it may be over when one of these ends here.
WOKEN_BY_END_OF: Dict[str, Container[str]] = {"waitrepo": ("newRepo",), "dependantTask": _Everything()}


class Supervisor:
    """Owns the processes of the tasks.

    Args:
        loop: where exits, messages and deadlines arrive.
        options: the daemon's settings.
        on_event: called when a task ended or did what makes new work likely.
        ledger: where what runs is written down, open.
    """

    def __init__(self, loop: Loop, options: Options, on_event: Callable[[], None], ledger: Ledger) -> None:
        self.jobs = Jobs()
        self._loop = loop
        self._options = options
        self._on_event = on_event
        self._ledger = ledger
        self._places = Places(options, ledger)
        self._boot_id = processes.boot_id()
        self._helpers: Dict[int, Callable[[ExitStatus], None]] = {}
        self._endings = Endings(loop, options)
        self._orphans: Set[int] = set()
        self._open_sessions: List[Job] = []
        self._given_back: List[int] = []
        self._not_for_children: List[Callable[[], None]] = []
        self._mailbox = Mailbox(ledger.directory)
        loop.watch(self._mailbox.fileno(), self.hear)
        self._gets_orphans = forks.become_subreaper()
        loop.on_signal(signal.SIGCHLD, self.reap)

    def start(self, starts: Sequence[Start]) -> None:
        """Start the processes of tasks; those that can't be started have a fault then.

        That is a HostFault: the machine has no process to give, or no room for its record.
        """
        # A signal between a fork and the record of its job would leave a process that nobody knows.
        with self._loop.interruptible(False):
            try:
                for start in starts:
                    start.prepare(self._places.group(start.task_id))
                desks = {start.task_id: Desk(self._ledger, start.task_id) for start in starts}
                fork_all(starts, self._abandon, lambda start: self._main(start, desks[start.task_id]))
                for start in starts:
                    if start.pid is not None:
                        self._release(start, start.pid)
            finally:
                for start in starts:
                    self._put_away(start)

    def _main(self, start: Start, desk: Desk) -> None:
        """In the task's process."""
        _join(start.group)
        worker.main(start.handler, start.session, self._options, desk)

    def _release(self, start: Start, pid: int) -> None:
        """Let a process go on that waits at its gate, once it is on record."""
        try:
            job = self._record(start, pid)
        except (OSError, HostFault) as error:
            start.fail(error)
            return
        steps.reached("recorded")
        self._adopt(job)
        score.began(start.method)
        start.let_go()
        steps.reached("released")

    def _put_away(self, start: Start) -> None:
        """What a start has used goes; so does the control group of one that has failed."""
        start.leave()
        start.session._forget()
        if start.fault is not None and start.group is not None:
            self._endings.remove(start.group)

    def _record(self, start: Start, pid: int) -> Job:
        """Write down what is about to run. Raises OSError."""
        start_time = processes.start_time(pid)
        if start_time is None:
            raise HostFault("its process is gone already")
        workdir = getattr(start.handler, "workdir", None)
        record = TaskRecord(
            task_id=start.task_id,
            method=start.method,
            subject=subject_of(start.handler, start.method),
            pid=pid,
            start_time=start_time,
            boot_id=self._boot_id,
            session_id=start.session.sinfo["session-id"],
            cgroup=str(start.group.path) if start.group else None,
            workdir=workdir if isinstance(workdir, str) else None,
            parent=parent_of(start.handler),
        )
        self._ledger.save_task(record)
        return self._job(record, start.group, child=True)

    def _job(self, record: TaskRecord, group: Optional[Group], *, child: bool) -> Job:
        return Job(
            task_id=record.task_id,
            method=record.method,
            process=record.process,
            pidfd=processes.open_pidfd(record.pid),
            session_id=record.session_id,
            family=Family(record.pid, group=group),
            group=group,
            child=child,
            workdir=record.workdir,
            record=record,
        )

    def attach(self, record: TaskRecord) -> Optional[Job]:
        """Take up a task that a former daemon has started; None when its process has ended."""
        if record.boot_id != self._boot_id or not processes.is_alive(record.process):
            return None
        group = self._places.recorded_group(record)
        job = self._job(record, group, child=record.pid in children(os.getpid()))
        job.family.look()
        self._adopt(job)
        return job

    def sweep(self, record: TaskRecord) -> None:
        """End what a task left behind whose process ended while no daemon looked."""
        if record.boot_id == self._boot_id:
            group = self._places.recorded_group(record)
            ending = Termination(0, family=self._places.remains(record), steps=self._endings.steps[1:])
            self._endings.begin(ending, record.task_id, lambda: self._clear(record.task_id, group), score.REMAINS)

    def _adopt(self, job: Job) -> None:
        self.jobs.add(job)
        if job.child:
            return  # SIGCHLD tells
        if job.pidfd is not None:
            self._loop.watch(job.pidfd, lambda: self._close(job, None))
        else:
            self._poll(job)

    def _poll(self, job: Job) -> None:
        if not processes.is_alive(job.process):
            self._close(job, None)
        else:
            self._loop.at(time.monotonic() + _POLL_SECONDS, lambda: self._poll(job))

    def _abandon(self) -> None:
        """In the child: what belongs to the daemon is closed, unused."""
        self._loop.abandon()
        self._mailbox.close()
        for close in self._not_for_children:
            close()
        self._ledger.close()
        tally.renew()
        for job in self.jobs:
            if job.pidfd is not None:
                os.close(job.pidfd)

    def close_in_children(self, close: Callable[[], None]) -> None:
        """Have every process that is forked from now on call `close` first: what it closes is the daemon's alone."""
        self._not_for_children.append(close)

    def help_with(self, main: Callable[[], None], name: str, done: Callable[[ExitStatus], None]) -> int:
        """Run `main` in a process of its own and call `done` with its status once it has ended.

        It ends with the daemon: the next one begins anew what it was at.
        """
        daemon = os.getpid()

        def run() -> None:
            forks.end_with_parent(daemon)
            self._abandon()
            try:
                main()
            finally:
                Postbox(self._ledger.directory, 0).empty()

        with self._loop.interruptible(False):
            pid = forks.fork(run, name=name)
            self._helpers[pid] = done
        return pid

    def close(self) -> None:
        """Stop listening to the tasks, and end the helpers: this program ends or is about to be replaced."""
        self._loop.unwatch(self._mailbox.fileno())
        self._mailbox.close()
        self._drop_helpers()

    def _drop_helpers(self) -> None:
        for pid in self._helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _HELPER_SECONDS
        while self._helpers and time.monotonic() < deadline:
            self._helpers = {pid: done for pid, done in self._helpers.items() if runs(pid)}
            time.sleep(_NAP)
        self._helpers.clear()

    def hear(self) -> None:
        """Take what the tasks have said so far."""
        for word, task_id, text in self._mailbox.receive():
            job = self.jobs.get(task_id)
            if word == TALLY:
                score.heard(text)
                continue
            if job is None:
                continue
            if word == ENDED:
                job.told = True
                continue
            if word == OVER:
                job.over = True
                self._wake_dependents(job)
                continue
            _log.debug("task %s calls: %s", task_id, word)
            if word == GIVEN_BACK:
                self._given_back.append(task_id)
            self._on_event()

    def reap(self) -> None:
        """Collect every process that has ended."""
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._ended(pid, ExitStatus.from_raw(raw))

    def _ended(self, pid: int, status: ExitStatus) -> None:
        done = self._helpers.pop(pid, None)
        if done is not None:
            done(status)
            return
        job = next((job for job in self.jobs if job.child and job.pid == pid), None)
        if job is not None:  # else an orphan that came to us as subreaper
            self._close(job, status)

    def _close(self, job: Job, status: Optional[ExitStatus]) -> None:
        """A task's process has ended; of one that is no child, nobody learns how."""
        steps.reached("exited")
        self.hear()  # what it said last may still be on its way
        self.jobs.forget(job)
        if job.pidfd is not None:
            self._loop.unwatch(job.pidfd)
            os.close(job.pidfd)
            job.pidfd = None
        if tally.counting():
            score.exited(job, status, outcome_left=self._ledger.outcome(job.task_id) is not None)
        took = time.monotonic() - job.started
        if status is None or status.ok:
            _log.debug("task %s (%s, pid %s) ended after %.1f s", job.task_id, job.method, job.pid, took)
        else:
            _log.warning("task %s (%s, pid %s) %s", job.task_id, job.method, job.pid, status.describe())
        if status is None or not status.ok or job.over:
            self._open_sessions.append(job)
        if not job.over:
            self._wake_dependents(job)
        self._end_remains(job)
        self._on_event()

    def _end_remains(self, job: Job) -> None:
        if job.ending is None and self._alone(job):
            self._swept(job)
        elif job.ending is None:
            self._run(job, Termination(job.pid, family=job.family, steps=self._endings.steps[1:]), score.REMAINS)
        elif not self._endings.under_way(job.ending):
            self._swept(job)

    def _alone(self, job: Job) -> bool:
        """Whether a process that has ended has left nobody behind, told without a look at all of the machine's.

        Of whatever a child of ours has left, the topmost is a child of ours now.
        """
        if not (job.child and self._gets_orphans) or (job.group is not None and job.group.pids()):
            return False
        return not self._strangers()

    def _strangers(self) -> List[int]:
        """Children that are neither tasks nor helpers: what tasks have left behind."""
        ours = {job.pid for job in self.jobs} | set(self._helpers)
        return [pid for pid in children(os.getpid()) if pid not in ours]

    def open_sessions(self) -> List[Job]:
        """Jobs whose process may not have logged out by itself; each is returned once (contract 3.6)."""
        found, self._open_sessions = self._open_sessions, []
        return found

    def given_back(self) -> List[int]:
        """Tasks whose own process freed them, because this host can't do them; each is returned once."""
        given, self._given_back = self._given_back, []
        return given

    def wake(self, job: Job) -> None:
        """A task that it waits for has ended (contract 4.5)."""
        _log.info("Waking up task: %s (pid %s)", job.task_id, job.pid)
        send_signal(job.process, signal.SIGUSR2)

    def _wake_dependents(self, ended: Job) -> None:
        """Wake the tasks here that a task's end matters to, without waiting for the hub to say so."""
        parent = ended.record.parent if ended.record is not None else None
        for job in self.jobs:
            waits = job.task_id == parent or ended.method in WOKEN_BY_END_OF.get(job.method, _NOTHING)
            # one that has just been forked would be ended by the signal
            if waits and job.ending is None and processes.catches(job.pid, signal.SIGUSR2):
                self.wake(job)

    def end(self, job: Job) -> None:
        """Begin to end a task's processes; the loop carries it on (contract 4.7)."""
        if job.ending is None:
            job.family.add_chroots(self._places.chroots(job.task_id))
            self._run(job, Termination(job.pid, family=job.family, steps=self._endings.steps, root_first=True))

    def fail(self, job: Job, why: str) -> None:
        """Have a task fail: its handler is told to, and when it does not heed that, the daemon does it."""
        if job.ending is not None:
            return
        fault = Fault(koji.GenericError.faultCode, why)
        outcome = Outcome("failTask", [job.task_id, worker.dump_fault(fault)], reason=why)
        self._ledger.save_outcome(job.task_id, outcome)
        send_signal(job.process, signal.SIGUSR1)
        self._loop.at(time.monotonic() + _GRACE_SECONDS, lambda: self._insist(job))

    def _insist(self, job: Job) -> None:
        if self.jobs.get(job.task_id) is job:
            self.end(job)

    def _run(self, job: Job, ending: Termination, leak: str = "") -> None:
        job.ending = ending
        self._endings.begin(ending, job.task_id, lambda: self._swept(job), leak)

    def _swept(self, job: Job) -> None:
        """Nothing of a task runs any more; what else it has left behind goes now."""
        if self.jobs.get(job.task_id) is job:
            return  # the end of its own process has not been noticed yet
        self._clear(job.task_id, job.group)
        self._end_orphans()
        steps.reached("swept")
        if self._ledger.outcome(job.task_id) is None:
            self._ledger.forget_task(job.task_id)
            steps.reached("forgotten")
        self._on_event()

    def _clear(self, task_id: int, group: Optional[Group]) -> None:
        """Take away what needs no process to be there: its control group, and its mounts."""
        if group is not None:
            self._endings.remove(group)
        self._unmount(task_id)

    def _unmount(self, task_id: int) -> None:
        """Take away what is mounted in a task's buildroots; in a helper, a mount may not answer."""
        chroots = self._places.chroots(task_id)
        if not chroots:
            return

        def done(status: ExitStatus) -> None:
            if not status.ok:
                _log.warning("the mounts in the buildroots of task %s could not all be taken away", task_id)

        with contextlib.suppress(HostFault):  # no process to be had: the buildroot's removal sees to it
            self.help_with(lambda: self._places.unmount(chroots), f"unmount {task_id}", done)

    def end_strays(self) -> None:
        """At the start: end what runs of this ledger's tasks although no record says so."""
        for group in self._places.stray_groups([record.task_id for record in self._ledger.tasks()]):
            if group.pids():
                _log.warning("ending processes of a task without a record: %s", group.pids())
                score.leaked(score.STRAY, len(group.pids()))
                group.kill()
            self._endings.remove(group)
        self._end_orphans()

    def _end_orphans(self) -> None:
        """End what ended tasks left behind: their orphans became our children (design, decision 6)."""
        for pid in self._strangers():
            state = processes.read_state(pid)
            if pid in self._orphans or state is None or state.ended:
                continue
            _log.info("Ending process %s (%s), left behind by a task that has ended", pid, state.name)
            self._orphans.add(pid)
            ending = Termination(pid, steps=self._endings.steps)
            self._endings.begin(ending, None, lambda pid=pid: self._orphans.discard(pid), score.ORPHAN)  # type: ignore[misc]

    def look_around(self) -> None:
        """Learn who belongs to tasks that are no children and have no control group, before their parents end."""
        for job in self.jobs:
            if not job.child and job.group is None:
                job.family.look()

    def busy(self) -> bool:
        """Whether anything of a task is still there."""
        return bool(len(self.jobs) or self._endings.busy())

    def sweeping(self, task_id: int) -> bool:
        """Whether what a task left behind is being ended."""
        return self._endings.of_task(task_id)

    def job_of(self, task_id: int) -> Optional[Job]:
        """The job of a task that runs here."""
        return self.jobs.get(task_id)


def _join(group: Optional[Group]) -> None:
    """In the task's process: enter its control group. The kernel takes milliseconds for it, which the loop has not."""
    if group is not None:
        try:
            group.add(os.getpid())
        except OSError as error:
            _log.debug("no control group: %s", error)
