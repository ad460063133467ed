"""What a round of chaos happens to: a hub, a fault proxy and one daemon, and what has to hold of them afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import xmlrpc.client
from pathlib import Path
from typing import Any, Dict, Iterator, List

import koji

from kojid.daemon.ledger import Ledger
from kojid.system import mounts
from tests.support.faultproxy import FaultProxy
from tests.support.lightdaemon import ROOT, LightDaemon
from tests.support.sandbox import running_below, wait_for
from tests.support.sandboxhub import CA_VARIABLES, SandboxHub

#: The daemon's file systems of their own, below its directory.
DISKS = ("workdir", "state_dir", "logs")
MARK = "KOJID_CHAOS_SCENE"  # in the environment of the daemon, hence of all that comes of it
_ENDED = ("CLOSED", "FAILED", "CANCELED")
_REFUSED_START = ("kojid: Error: Unable to log in: ", "kojid: state_dir cannot be used")
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
}


class ChaosDaemon(LightDaemon):
    """A daemon that may die, and is started again as an init system would."""

    _variables: Dict[str, str]
    _told = 0

    def start(self) -> ChaosDaemon:
        """Start it and wait for its first cycle."""
        self.launch()
        wait_for(lambda: self.lines("Sleeping for"), 30, "its first cycle")
        return self

    def launch(self, **variables: str) -> None:
        """Start it; nothing is waited for."""
        conf = self.dir / "kojid.conf"
        values = {name: value for name, value in self.options.items() if value != ""}
        conf.write_text("[kojid]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))
        environment = {name: value for name, value in os.environ.items() if name not in CA_VARIABLES}
        environment.update({MARK: str(self.dir), **variables})
        command = [sys.executable, str(ROOT / "bin/kojid"), "--fg", "--debug", "--force-lock", "-c", str(conf)]
        self._variables, self._told = variables, len(self.log)
        with self.console.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def kill(self) -> None:
        """As kill -9 does; it must have been alive."""
        assert self.process is not None
        self.tend()
        self.process.kill()
        self.process.wait()

    def tend(self) -> None:
        """What an init system does: a start that hub or disk refused is tried again. No other end is right."""
        assert self.process is not None
        status = self.process.poll()
        if status is None:
            return
        said = self.log[self._told :].rpartition("SIGHUP: starting anew")[2]
        started = "Sleeping for" in said
        refused = status == 1 and not started and any(reason in said for reason in _REFUSED_START)
        assert refused, f"the daemon has ended by itself with {status}:\n{self.log[-6000:]}"
        self.launch(**self._variables)

    def crashes(self, timeout: float) -> None:
        """Wait until it has killed itself."""

        def crashed() -> bool:
            assert self.process is not None
            if self.process.poll() == -signal.SIGKILL:
                return True
            self.tend()
            return False

        try:
            wait_for(crashed, timeout)
        except AssertionError as error:
            raise AssertionError(f"the step was not reached: {error}\n{self.log[-6000:]}") from None

    def hang_up(self) -> None:
        """SIGHUP, once it is at work; a daemon that is only just starting does not know that signal yet."""
        wait_for(self.at_work, 30)
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def at_work(self) -> bool:
        """Whether it handles signals."""
        assert self.process is not None
        self.tend()
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) & 1 << (signal.SIGHUP - 1))


class Scene:
    """Everything of one round.

    Args:
        hub: started.
        directory: of the round, empty.
    """

    def __init__(self, hub: SandboxHub, directory: Path) -> None:
        self.hub = hub
        self.dir = directory
        self.admin = hub.session("admin", max_retries=20)
        self.proxy = FaultProxy(hub.url, hub.settings.ca_dir, "builder")
        base = directory / "daemon-builder"
        places: Dict[str, Any] = {"log_file": base / "logs" / "kojid.log", "task_log_dir": base / "logs" / "tasks"}
        self.daemon = ChaosDaemon(hub, directory, server=self.proxy.url, **places, **_OPTIONS)
        self.expected: Dict[int, Any] = {}  # task -> its result, an exception for a failure
        self.hub_was_killed = False
        self.left_out: List[str] = []
        self.no_disks = self._mount()

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

    def _mount(self) -> str:
        """Give the daemon's directories small file systems of their own; why not, when it can't be."""
        if os.geteuid() != 0:
            return "needs root: file systems of their own"
        for name in DISKS:
            place = self.daemon.dir / name
            place.mkdir(exist_ok=True)
            done = _run("mount", "-t", "tmpfs", "-o", "size=8m", "none", str(place))
            if done.returncode:
                return f"no tmpfs can be mounted: {done.stderr.strip()}"
        return ""

    @contextlib.contextmanager
    def full(self, disk: str) -> Iterator[None]:
        """One of the daemon's file systems has no byte left."""
        if self.no_disks:
            self.left_out.append(f"full {disk}: {self.no_disks}")
            yield
            return
        filler = self.daemon.dir / disk / "filler"
        _fill(filler)
        try:
            yield
        finally:
            filler.unlink()

    @contextlib.contextmanager
    def read_only(self, disk: str) -> Iterator[None]:
        """Nothing can be opened for writing on one of the daemon's file systems; what is open stays so."""
        if self.no_disks:
            self.left_out.append(f"read-only {disk}: {self.no_disks}")
            yield
            return
        place = str(self.daemon.dir / disk)
        _must("mount", "--bind", place, place)
        try:
            _must("mount", "-o", "remount,ro,bind", place)
            yield
        finally:
            _must("umount", "-l", place)

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
            wait_for(lambda: not self._unfinished(), 90)
        except AssertionError:
            raise AssertionError(f"not ended: {self._unfinished()}\n{self.daemon.log[-8000:]}") from None
        for task_id, result in self.expected.items():
            row = self.admin.getTaskInfo(task_id)
            state = koji.TASK_STATES[row["state"]]
            told = f"task {task_id} {row['method']} is {state}"
            if isinstance(result, Exception):
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
        """All tasks, those with a parent too."""
        return list(self.admin.listTasks({}, {"order": "id", "limit": 10000}))

    def _unfinished(self) -> List[str]:
        self.daemon.tend()
        states = [(row, koji.TASK_STATES[row["state"]]) for row in self._rows()]
        return [f"{row['id']} {row['method']} {state}" for row, state in states if state not in _ENDED]

    def _ended_once(self) -> None:
        """The hub took one end of each task; what it took just before it was killed may not be in its log."""
        ends = [call for call in self.hub.calls() if call.method in ("host.closeTask", "host.failTask")]
        taken = [call for call in ends if not call.fault]
        tasks = len(self._rows())
        assert len(taken) == tasks or (self.hub_was_killed and tasks - 2 <= len(taken) < tasks), (len(taken), tasks)

    def _all_gone(self) -> None:
        """A directory that could not be removed is tried again after a minute."""
        try:
            wait_for(lambda: not self.leftovers(), 100)
        except AssertionError:
            raise AssertionError(f"left: {self.leftovers()}\n{self.daemon.log[-6000:]}") from None

    def leftovers(self) -> List[str]:
        """What is on the machine beside the daemon itself: processes, mounts, working directories, records."""
        found = [f"process {line}" for line in self._processes()]
        own = [str(self.daemon.dir / name) for name in DISKS] if not self.no_disks else []
        found += [f"mount {place}" for place in mounts.mounts_under(self.dir) if place not in own]
        found += [f"directory {path}" for path in (self.daemon.dir / "workdir").glob("tasks/*/*")]
        ledger = Ledger(self.daemon.dir / "state_dir" / "ledger").directory / "tasks"
        return found + [f"record {path.name}" for path in ledger.glob("*")]

    def _processes(self) -> List[str]:
        """Those that came of the daemon, wherever they are now."""
        assert self.daemon.process is not None
        daemon = self.daemon.process.pid
        mark = f"{MARK}={self.daemon.dir}".encode()
        found = [line for line in running_below(self.dir) if int(line.split()[0]) not in (daemon, self.hub.pid)]
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(path.name) != daemon and mark in (path / "environ").read_bytes().split(b"\0"):
                    found.append(f"{path.name} {(path / 'cmdline').read_bytes()!r}")
        return found

    def close(self) -> None:
        """End everything."""
        with contextlib.ExitStack() as stack:
            for name in DISKS:
                stack.callback(_run, "umount", "-l", str(self.daemon.dir / name))
            stack.callback(self._end_processes)
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


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _must(*command: str) -> None:
    done = _run(*command)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def _fill(path: Path) -> None:
    """Take all the room that there is, to the last byte."""
    with path.open("wb", buffering=0) as out:
        for size in (1 << 16, 4096, 1):
            with contextlib.suppress(OSError):
                while out.write(b"x" * size):
                    pass
    assert os.statvfs(path).f_bavail == 0, f"{path} did not fill its file system"
