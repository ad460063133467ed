"""A `bin/kojid` process against a sandbox hub, for tests that kill it, signal it and start it again.

It runs generic tasks (`sleep`, …) only: no chroot, no root.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import koji

from kojid.daemon.ledger import Ledger
from kojid.daemon.records import TaskRecord
from kojid.system import processes
from kojid.system.cgroups import Group
from kojid.system.processes import ProcessId
from tests.support.sandboxhub import SandboxHub
from tests.support.waiting import wait_for as wait_for

ROOT = Path(__file__).parents[2]
ENDED = ("CLOSED", "FAILED", "CANCELED")


class Builder:
    """One host's daemon with a configuration of its own.

    Args:
        hub: the hub.
        directory: for its files.
        options: of kojid.conf, beside those that tests need.
    """

    def __init__(self, hub: SandboxHub, directory: Path, **options: Any) -> None:
        self.hub = hub
        self.dir = directory
        self.admin = hub.session("admin")
        self.ledger = Ledger(directory / "state" / "ledger")
        self.conf = directory / "kojid.conf"
        self.console = directory / "console.log"
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.options: Dict[str, Any] = {
            "server": hub.url,
            "topurl": hub.files_url,
            "topdir": hub.topdir,
            "cert": hub.certificate("builder"),
            "serverca": hub.ca,
            "workdir": directory / "work",
            "state_dir": directory / "state",
            "mockdir": directory / "mock",
            "mock_config_dir": directory / "etc",
            "log_file": directory / "kojid.log",
            "task_log_dir": directory / "tasks",
            "minspace": 0,
            "max_load": 0,  # the machine is shared with other tests
            "sleeptime": 1,
            "retry_interval": 1,
            "timeout": 10,
            **options,
        }
        (directory / "mock").mkdir(parents=True)
        self.configure()

    def configure(self, text: str = "", **options: Any) -> None:
        """Write the configuration anew: some options changed, or some text added."""
        self.options.update(options)
        lines = [f"{name} = {value}\n" for name, value in self.options.items()]
        self.conf.write_text("[kojid]\n" + "".join(lines) + text)

    def start(self, *arguments: str, **variables: str) -> Builder:
        """Start it; nothing is waited for."""
        command = [sys.executable, str(ROOT / "bin" / "kojid"), "--fg", "--debug", "-c", str(self.conf), *arguments]
        environment = {**os.environ, **variables}
        self._told = len(self.log)
        with self.console.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=self.dir, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return self

    def kill(self) -> None:
        """As kill -9 does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def send(self, number: int) -> None:
        """Signal it."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout: float = 60) -> int:
        """Its exit status."""
        assert self.process is not None
        return self.process.wait(timeout)

    def stop(self) -> int:
        """End it as an init system does, once it is at work."""
        wait_for(lambda: "Sleeping for" in self.log[self._told :], what=lambda: self.log[-3000:])
        self.send(signal.SIGTERM)
        return self.wait()

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def lines(self, *words: str) -> List[str]:
        """The lines of its log that hold all of these words."""
        return [line for line in self.log.splitlines() if all(word in line for word in words)]

    def task(self, method: str, *arguments: Any, **options: Any) -> int:
        """Make a task; returns its id."""
        return int(self.admin.makeTask(method, list(arguments), **options))

    def state(self, task_id: int) -> str:
        """A task's state in words."""
        return str(koji.TASK_STATES[self.admin.getTaskInfo(task_id, strict=True)["state"]])

    def ends(self, task_id: int, timeout: float = 60) -> str:
        """Wait for a task's end; returns its state in words."""
        wait_for(lambda: self.state(task_id) in ENDED, timeout, lambda: f"task {task_id}\n{self.log[-4000:]}")
        return self.state(task_id)

    def record(self, task_id: int) -> Optional[TaskRecord]:
        """What the ledger has of a task."""
        return next((one for one in self.ledger.tasks() if one.task_id == task_id), None)

    def running(self, task_id: int, timeout: float = 30) -> TaskRecord:
        """Wait until a task runs; returns its record."""

        def runs() -> Optional[TaskRecord]:
            record = self.record(task_id)
            begun = (self.dir / "tasks" / f"{task_id}.log").exists()  # its process is past the gate
            return record if begun and self.state(task_id) == "OPEN" else None

        record = wait_for(runs, timeout, lambda: f"task {task_id} does not run\n{self.log[-4000:]}")
        assert record is not None
        return record

    def ended_once(self, task_id: int) -> bool:
        """Whether the hub was told just once that a task closed."""
        done = [
            call for call in self.hub.calls() if call.method in ("host.closeTask", "host.failTask") and not call.fault
        ]
        return len(done) == 1


def alive(process: ProcessId) -> bool:
    """Whether exactly this process runs."""
    state = processes.read_state(process.pid)
    return state is not None and state.identity == process and not state.ended


@contextlib.contextmanager
def builder_of(hub: SandboxHub, directory: Path, **options: Any) -> Iterator[Builder]:
    """A builder, not started; when the block ends, nothing of it is left running."""
    made = Builder(hub, directory, **options)
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.kill()
        for record in made.ledger.tasks():
            if alive(record.process):
                os.kill(record.pid, signal.SIGKILL)
            group = Group(Path(record.cgroup)) if record.cgroup else None
            wait_for(lambda: group is None or group.remove())  # noqa: B023
