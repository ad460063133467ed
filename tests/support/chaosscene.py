"""What a round of chaos happens to: a hub, a fault proxy and one daemon, and what has to hold of them afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import xmlrpc.client
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Set

import koji

from kojid.daemon.ledger import Ledger
from kojid.daemon.places import Places
from kojid.system import mounts, processes
from tests.support import chaosmachine, options
from tests.support.chaosdaemon import MARK, ChaosDaemon
from tests.support.chaosmachine import Clock, Crowd, Freezer
from tests.support.faultproxy import FaultProxy
from tests.support.sandbox import running_below, wait_for
from tests.support.sandboxhub import SandboxHub

#: The daemon's file systems of their own, below its directory.
DISKS = ("workdir", "state_dir", "logs")
#: What a task ends with that is canceled.
CANCELED = object()
_ENDED = ("CLOSED", "FAILED", "CANCELED")
_OPTIONS: Dict[str, Any] = {
    "timeout": 3,
    "max_retries": 100,
    "retry_interval": 1,
    "offline_retry_interval": 1,
    "minspace_workdir": 0,
    "minspace_log": 0,
    "mininodes": 0,
    "maxjobs": 20,
    "workdir_lifetime": 5,  # for those that could not be removed at once
    "task_kill_timeout": 2,
    "refusal_timeout": 2,
    "plugin": "chaos",
    "pluginpath": Path(__file__).parent / "plugins",
}
_BROKEN: Dict[str, Callable[[Path], ContextManager[None]]] = {
    "full": chaosmachine.full,
    "no inodes": chaosmachine.without_inodes,
    "read-only": chaosmachine.read_only,
}


class Scene:
    """Everything of one round.

    Args:
        hub: started.
        directory: of the round, empty.
        clock: whether the daemon's clock is to be set.
        given: options of kojid.conf, in place of the usual ones.
    """

    def __init__(self, hub: SandboxHub, directory: Path, *, clock: bool = False, **given: Any) -> None:
        self.hub = hub
        self.dir = directory
        self.admin = hub.session("admin", max_retries=20)
        self.proxy = FaultProxy(hub.url, hub.settings.ca_dir, "builder")
        self.crowd = Crowd(f"kojid-chaos-{os.getpid()}-{abs(hash(str(directory))) % 100000}")
        self.clock = Clock(directory / "clock")
        base = directory / "daemon-builder"
        places: Dict[str, Any] = {"log_file": base / "logs" / "kojid.log", "task_log_dir": base / "logs" / "tasks"}
        settings = {**_OPTIONS, **given, "server": self.proxy.url, **places}
        environment = self.clock.environment() if clock else {}
        self.daemon = ChaosDaemon(hub, directory, self.crowd, environment, **settings)
        self.expected: Dict[int, Any] = {}  # task -> its result, an exception for a failure
        self.hub_was_killed = False
        self.left_out: List[str] = []
        self.no_disks = self._mount()
        self._freezer: Optional[Freezer] = None
        self._earlier: Set[int] = {row["id"] for row in self._rows()}
        self._earlier_calls = len(hub.calls())

    # what can be done to it

    def make(self, method: str, *arguments: Any, result: Any = None) -> int:
        """Make a task on the hub, past the proxy; `result` is what it must end with, an exception for a failure."""
        task_id = int(self.admin.makeTask(method, list(arguments)))
        self.expected[task_id] = result
        return task_id

    @staticmethod
    def pause(seconds: float) -> None:
        """Let a fault last: its length is part of the schedule, there is no condition to wait for."""
        threading.Event().wait(seconds)

    def restart_hub(self, seconds: float) -> None:
        """Kill the hub, and start it after a while."""
        self.hub_was_killed = True
        self.hub.kill()
        self.pause(seconds)
        self.hub.start()

    def cancel(self, task_id: int) -> None:
        """Cancel a task; that is how it has to end."""
        self.admin.cancelTask(task_id)
        self.expected[task_id] = CANCELED

    def give_away(self, task_id: int) -> None:
        """Take a task from its host, be it at work already, and leave it to the scheduler."""
        with contextlib.suppress(koji.GenericError):  # it has ended just now
            self.admin.freeTask(task_id)

    def expire_sessions(self) -> None:
        """Have all sessions of the host expire; nothing but time does that, hence the hub's database."""
        if tuple(map(int, self.hub.settings.version.split("."))) < (1, 32):
            self.left_out.append("expired sessions: such a hub renews none")
            return
        sql = (
            "UPDATE sessions SET start_time = 1, renew_time = NULL WHERE closed = 0"
            " AND user_id = (SELECT id FROM users WHERE name = ?)"
        )
        with contextlib.closing(sqlite3.connect(self.hub.settings.hub_dir / "hub.db", timeout=10)) as db, db:
            db.execute(sql, (self.daemon.host,))

    def _mount(self) -> str:
        """Give the daemon's directories small file systems of their own; why not, when it can't be."""
        troubles = [chaosmachine.mount_small(self.daemon.dir / name) for name in DISKS]
        return next(filter(None, troubles), "")

    @contextlib.contextmanager
    def broken(self, kind: str, disk: str) -> Iterator[None]:
        """One of the daemon's file systems is "full", has "no inodes" or is "read-only"."""
        if self.no_disks:
            self.left_out.append(f"{kind} {disk}: {self.no_disks}")
            yield
        else:
            with _BROKEN[kind](self.daemon.dir / disk):
                yield

    @contextlib.contextmanager
    def crowded(self) -> Iterator[None]:
        """Neither the daemon nor its tasks get another process."""
        if self.crowd.trouble:
            self.left_out.append(f"no processes: {self.crowd.trouble}")
            yield
        else:
            with self.crowd.closed():
                yield

    @contextlib.contextmanager
    def clock_off(self, seconds: int) -> Iterator[None]:
        """The clock of the daemon and its tasks is off."""
        if self.clock.trouble:
            self.left_out.append(f"clock: {self.clock.trouble}")
            yield
        else:
            with self.clock.off(seconds):
                yield

    @contextlib.contextmanager
    def frozen(self) -> Iterator[str]:
        """A file on a file system that has stopped; empty where there can be none."""
        self._freezer = self._freezer or Freezer(self.dir / "frozen")
        if self._freezer.trouble:
            self.left_out.append(f"frozen: {self._freezer.trouble}")
            yield ""
            return
        self._freezer.freeze()
        try:
            yield str(self._freezer.place / "file")
        finally:
            self._freezer.thaw()

    def descriptors(self, whose: str, spare: int) -> ContextManager[None]:
        """The daemon, or the newest of its tasks, may only open so many more files."""
        assert self.daemon.process is not None
        pid = self.daemon.process.pid
        if whose == "task":
            records = self.ledger.tasks()
            pid = records[-1].pid if records else pid
        return chaosmachine.descriptors(pid, spare)

    def runs(self, task_id: int) -> bool:
        """Whether a task's own process is at work."""
        return (self.daemon.dir / "logs" / "tasks" / f"{task_id}.log").exists()

    @property
    def ledger(self) -> Ledger:
        """The daemon's, to be read."""
        return Ledger(self.daemon.dir / "state_dir" / "ledger")

    # what has to hold of it

    def check(self) -> None:
        """All invariants; AssertionError with the daemon's log when one does not hold."""
        self.proxy.clear()
        self._all_ended()
        fresh = self.make("sleep", 0)
        self._all_ended()
        assert self.admin.getTaskInfo(fresh)["state"] == koji.TASK_STATES["CLOSED"]
        self._ended_once()
        self._all_gone()
        self.daemon.tend()

    def _all_ended(self) -> None:
        try:
            wait_for(lambda: not self._unfinished(), 240)  # a machine under load takes no task for a while
        except AssertionError:
            raise AssertionError(f"not ended: {self._unfinished()}\n{self.daemon.log[-8000:]}") from None
        for task_id, result in self.expected.items():
            row = self.admin.getTaskInfo(task_id)
            state = koji.TASK_STATES[row["state"]]
            told = f"task {task_id} {row['method']} is {state}"
            if result is CANCELED:
                assert state == "CANCELED", told
            elif isinstance(result, Exception):
                assert state == "FAILED", told
                assert str(result) in self._fault(task_id)
            else:
                assert state == "CLOSED", f"{told}: {self._fault(task_id)}\n{self.daemon.log[-8000:]}"
                assert self.admin.getTaskResult(task_id) == result, told

    def _fault(self, task_id: int) -> str:
        """What a failed task failed with."""
        try:
            self.admin.getTaskResult(task_id)
        except (koji.GenericError, xmlrpc.client.Fault) as error:  # the latter for codes that koji does not know
            return str(error)
        return ""

    def _rows(self) -> List[Dict[str, Any]]:
        """All tasks of this round, those with a parent too."""
        rows = self.admin.listTasks({}, {"order": "id", "limit": 10000})
        return [row for row in rows if row["id"] not in getattr(self, "_earlier", ())]

    def _unfinished(self) -> List[str]:
        self.daemon.tend()
        states = [(row, koji.TASK_STATES[row["state"]]) for row in self._rows()]
        return [f"{row['id']} {row['method']} {state}" for row, state in states if state not in _ENDED]

    def _ended_once(self) -> None:
        """The hub took one end of each task; what it took just before it was killed may not be in its log."""
        calls = self.hub.calls(self._earlier_calls)
        taken = [call for call in calls if call.method in ("host.closeTask", "host.failTask") and not call.fault]
        tasks = len([row for row in self._rows() if row["state"] != koji.TASK_STATES["CANCELED"]])
        assert len(taken) == tasks or (self.hub_was_killed and tasks - 2 <= len(taken) < tasks), (len(taken), tasks)

    def _all_gone(self) -> None:
        """A directory that could not be removed is tried again after a minute."""
        try:
            wait_for(lambda: not self.leftovers(), 150)
        except AssertionError:
            raise AssertionError(f"left: {self.leftovers()}\n{self.daemon.log[-6000:]}") from None

    def leftovers(self) -> List[str]:
        """What is on the machine beside the daemon itself: processes, mounts, working directories, records."""
        found = [f"process {line}" for line in self._processes()]
        own = [str(self.daemon.dir / name) for name in DISKS] + [str(self.dir / "frozen")]
        found += [f"mount {place}" for place in mounts.mounts_under(self.dir) if place not in own]
        found += [f"directory {path}" for path in (self.daemon.dir / "workdir").glob("tasks/*/*")]
        places = Places(options(state_dir=str(self.daemon.dir / "state_dir")), self.ledger)
        found += [f"control group {group.path}" for group in places.stray_groups([])]
        return found + [f"record {path.name}" for path in (self.ledger.directory / "tasks").glob("*")]

    def _processes(self) -> List[str]:
        """Those that came of the daemon, wherever they are now, but for the one that asks the file systems for it."""
        assert self.daemon.process is not None
        daemon = self.daemon.process.pid
        states = processes.snapshot().values()
        own = {daemon, self.hub.pid, *(one.pid for one in states if (one.parent, one.name) == (daemon, "probe"))}
        mark = f"{MARK}={self.daemon.dir}".encode()
        found = [line for line in running_below(self.dir) if int(line.split()[0]) not in own]
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(path.name) not in own and mark in (path / "environ").read_bytes().split(b"\0"):
                    found.append(f"{path.name} {(path / 'cmdline').read_bytes()!r}")
        return found

    def close(self) -> None:
        """End everything."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.crowd.close)
            for name in DISKS:
                stack.callback(chaosmachine.run, "umount", "-l", str(self.daemon.dir / name))
            stack.callback(self._end_processes)
            if self._freezer is not None:
                stack.callback(self._freezer.close)
            stack.enter_context(self.proxy)
            if self.daemon.process is not None and self.daemon.process.poll() is None:
                self.daemon.stop()

    def _end_processes(self) -> None:
        assert self.daemon.process is not None
        if self.daemon.process.poll() is None:
            self.daemon.process.kill()
        self.daemon.process.wait()
        for line in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), signal.SIGKILL)
