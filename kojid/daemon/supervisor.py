"""Task processes from outside: started, watched, woken, ended and reaped, without ever waiting for one."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from typing import Any, Callable, Dict, List, Optional, Set

from kojid.config.options import Options
from kojid.daemon import worker
from kojid.daemon.jobs import Job, Jobs
from kojid.daemon.loop import Loop
from kojid.errors import HostFault
from kojid.system import forks, processes
from kojid.system.child import ExitStatus
from kojid.system.children import children
from kojid.system.termination import Termination

_log = logging.getLogger("koji.TaskManager")


class Supervisor:
    """Owns the processes of the tasks.

    Args:
        loop: where exits, messages and deadlines arrive.
        options: the daemon's settings.
        on_event: called when a task ended or did what makes new work likely.
    """

    def __init__(self, loop: Loop, options: Options, on_event: Callable[[], None]) -> None:
        self.jobs = Jobs()
        self._loop = loop
        self._options = options
        self._on_event = on_event
        self._helpers: Dict[int, Callable[[ExitStatus], None]] = {}
        self._orphans: Set[int] = set()
        self._lost_sessions: List[Job] = []
        self._given_back: List[int] = []
        forks.become_subreaper()
        loop.on_signal(signal.SIGCHLD, self.reap)

    def start(self, handler: Any, method: str, session: Any) -> Job:
        """Fork the process of a task; `session` is its subsession, which this process forgets.

        Raises:
            HostFault: the machine has no process to give.
        """
        # A signal between the fork and the record of the job would leave a process that nobody knows.
        with self._loop.interruptible(False):
            return self._start(handler, method, session)

    def _start(self, handler: Any, method: str, session: Any) -> Job:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def run() -> None:
            self._abandon()
            worker.main(handler, session, writer, self._options)

        try:
            pid = forks.fork(run, name=f"task {handler.id}")
        except HostFault:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        job = Job(handler.id, method, pid, processes.open_pidfd(pid), session.sinfo["session-id"], reader)
        session._forget()
        self.jobs.add(job)
        self._loop.watch(reader, lambda: self._hear(job))
        return job

    def _abandon(self) -> None:
        """In the child: what belongs to the daemon is closed, unused."""
        self._loop.close()
        for job in self.jobs:
            os.close(job.events)
            if job.pidfd is not None:
                os.close(job.pidfd)

    def help_with(self, main: Callable[[], None], name: str, done: Callable[[ExitStatus], None]) -> int:
        """Run `main` in a process of its own and call `done` with its status once it has ended."""

        def run() -> None:
            self._abandon()
            main()

        with self._loop.interruptible(False):
            pid = forks.fork(run, name=name)
            self._helpers[pid] = done
        return pid

    def _hear(self, job: Job) -> None:
        try:
            said = os.read(job.events, 512)
        except BlockingIOError:
            return
        if worker.GIVEN_BACK in said:
            self._given_back.append(job.task_id)
        if said:
            self._on_event()
        else:
            self._loop.unwatch(job.events)

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
        job = next((job for job in self.jobs if job.pid == pid), None)
        if job is None:
            return  # an orphan that came to us as subreaper
        self._close(job, status)
        self._end_orphans()

    def _close(self, job: Job, status: ExitStatus) -> None:
        self._hear(job)  # what it said last may still be in the pipe
        self.jobs.forget(job)
        self._loop.unwatch(job.events)
        os.close(job.events)
        if job.pidfd is not None:
            os.close(job.pidfd)
        took = time.monotonic() - job.started
        if status.ok:
            _log.debug("task %s (%s, pid %s) ended after %.1f s", job.task_id, job.method, job.pid, took)
        else:
            _log.warning("task %s (%s, pid %s) %s", job.task_id, job.method, job.pid, status.describe())
            self._lost_sessions.append(job)
        self._on_event()

    def lost_sessions(self) -> List[Job]:
        """Jobs whose process did not log out by itself; each is returned once (contract 3.6)."""
        lost, self._lost_sessions = self._lost_sessions, []
        return lost

    def given_back(self) -> List[int]:
        """Tasks whose own process freed them, because this host can't do them; each is returned once."""
        given, self._given_back = self._given_back, []
        return given

    def wake(self, job: Job) -> None:
        """A task that it waits for has ended (contract 4.5)."""
        _log.info("Waking up task: %s (pid %s)", job.task_id, job.pid)
        with contextlib.suppress(ProcessLookupError):  # not reaped yet, so the pid can't be another's
            os.kill(job.pid, signal.SIGUSR2)

    def end(self, job: Job) -> None:
        """Begin to end a task's processes; the loop carries it on (contract 4.7)."""
        if job.ending is None:
            job.ending = Termination(job.pid)
            self._advance(job.ending)

    def _advance(self, ending: Termination) -> None:
        again = ending.advance(time.monotonic())
        if again is not None:
            self._loop.at(again, lambda: self._advance(ending))
            return
        self._orphans.discard(ending.pid)
        if ending.leftover:
            _log.error("these processes do not end: %s", ending.leftover)

    def _end_orphans(self) -> None:
        """End what ended tasks left behind: their orphans became our children (design, decision 6)."""
        ours = {job.pid for job in self.jobs} | set(self._helpers)
        for pid in children(os.getpid()):
            state = processes.read_state(pid)
            if pid in ours or pid in self._orphans or state is None or state.ended:
                continue
            _log.info("Ending process %s (%s), left behind by a task that has ended", pid, state.name)
            self._orphans.add(pid)
            self._advance(Termination(pid))

    def busy(self) -> bool:
        """Whether anything of a task is still there."""
        return bool(len(self.jobs) or self._orphans)

    def job_of(self, task_id: int) -> Optional[Job]:
        """The job of a task that runs here."""
        return self.jobs.get(task_id)
