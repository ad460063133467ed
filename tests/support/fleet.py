"""A hub and any number of daemons for generic tasks: no distribution, no mock, no root.

with running_fleet(tmp_path, version="1.33.2", hosts=(HostSetting("one"),)) as fleet:
    one = fleet.builder("one", sleeptime=1).start()
    task_id = fleet.admin.makeTask("sleep", [0])
    fleet.all_closed([task_id], 30)
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, TypeVar, Union

import koji

from kojid.sandbox import configuration, machinery
from kojid.sandbox.requirements import environment
from tests.support.sandbox import wait_for
from tests.support.sandboxhub import SandboxHub, running_hub

_ENDED = tuple(koji.TASK_STATES[name] for name in ("CLOSED", "CANCELED", "FAILED"))


Self = TypeVar("Self", bound="HostProcess")


class HostProcess:
    """A daemon of one build host, of whatever code.

    Args:
        fleet: what it belongs to.
        host: the build host; also the name of its directory.
    """

    def __init__(self, fleet: Fleet, host: str) -> None:
        self.fleet = fleet
        self.host = host
        self.dir = fleet.dir / host
        self.console = self.dir / "console.log"
        self.process: Optional[subprocess.Popen[bytes]] = None

    @property
    def log(self) -> str:
        """What it has told so far."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Of the daemon."""
        assert self.process is not None
        return self.process.pid

    def launch(self) -> HostProcess:
        """Start it without waiting for anything."""
        raise NotImplementedError

    def run(self, command: Sequence[str], cwd: Union[str, Path]) -> None:
        """Start a command as its process; what it prints goes to its console."""
        with self.console.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def start(self: Self) -> Self:
        """Start it and wait until the hub has it ready."""
        begun = time.time()
        self.launch()
        wait_for(lambda: self.reported_since(begun), 90, f"{self.host} is not ready:\n{self.log[-3000:]}")
        return self

    def reported_since(self, moment: float) -> bool:
        """Whether the hub has heard from it that it is ready; one that has ended fails the test at once."""
        assert self.process is not None and self.process.poll() is None, f"{self.host} has ended:\n{self.log[-3000:]}"
        row = self.fleet.admin.getHost(self.host, strict=True)
        return bool(row["ready"] and (row["update_ts"] or 0) >= moment)

    def kill(self) -> None:
        """End it as kill -9 does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as an init system does."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Builder(HostProcess):
    """A `bin/kojid` process of one build host.

    Args:
        fleet: what it belongs to.
        host: the build host; also the name of its directory.
        options: of kojid.conf, in place of the usual ones.
        before: words before the command, such as those that enter a network namespace.
    """

    def __init__(self, fleet: Fleet, host: str, options: Dict[str, Any], before: Sequence[str]) -> None:
        super().__init__(fleet, host)
        self.before = before
        self.options = {**fleet.builder_options(host, self.dir), **options}
        for name in ("mockdir", "mock_config_dir", "workdir"):
            Path(self.options[name]).mkdir(parents=True, exist_ok=True)

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    @property
    def id(self) -> int:
        """The hub's number of the host."""
        return int(self.fleet.admin.getHost(self.host, strict=True)["id"])

    def launch(self) -> Builder:
        """Start it without waiting for anything."""
        configuration.write_builder(self.dir / "kojid.conf", self.options)
        program = [*self.before, *machinery.builder_program(), "--fg", "--debug", "--force-lock"]
        self.run([*program, "-c", str(self.dir / "kojid.conf")], cwd="/")
        return self


class Fleet:
    """A running hub and the builders of its hosts."""

    def __init__(self, directory: Path, hub: SandboxHub) -> None:
        self.dir = directory
        self.hub = hub
        self.admin = hub.session("admin")
        self.builders: List[Builder] = []

    def builder_options(self, host: str, directory: Path) -> Dict[str, Any]:
        """The options of a builder that shares nothing with others but the hub."""
        return {
            "server": self.hub.url,
            "topurl": self.hub.files_url,
            "topdir": self.hub.topdir,
            "cert": self.hub.certificate(host),
            "serverca": self.hub.ca,
            "workdir": directory / "work",
            "state_dir": directory / "state",
            "mockdir": directory / "mock",
            "mock_config_dir": directory / "etc",
            "log_file": directory / "kojid.log",
            "task_log_dir": directory / "tasks",
            "sleeptime": 1,
            "minspace": 1,
            "max_load": 0,  # the machine is shared with other tests
            "retry_interval": 2,
        }

    def builder(self, host: str, *, before: Sequence[str] = (), **options: Any) -> Builder:
        """A builder of a host; it is not started."""
        made = Builder(self, host, options, before)
        self.builders.append(made)
        return made

    def tasks(self, ids: Sequence[int]) -> List[Dict[str, Any]]:
        """The hub's rows of tasks."""
        return list(self.admin.getTaskInfo(list(ids)))

    def all_closed(self, ids: Sequence[int], timeout: float) -> List[Dict[str, Any]]:
        """Wait for the end of tasks and return their rows; one that did not end well fails the test."""
        rows: List[Dict[str, Any]] = []

        def ended() -> bool:
            rows[:] = self.tasks(ids)
            return all(row["state"] in _ENDED for row in rows)

        try:
            wait_for(ended, timeout)
        except AssertionError:
            left = [(row["id"], koji.TASK_STATES[row["state"]], row["host_id"]) for row in rows]
            raise AssertionError(f"not ended in {timeout} s: {[one for one in left if one[1] != 'CLOSED']}") from None
        assert {koji.TASK_STATES[row["state"]] for row in rows} == {"CLOSED"}
        return rows


@contextlib.contextmanager
def running_fleet(directory: Path, **settings: Any) -> Iterator[Fleet]:
    """A hub with these settings; it and all builders end with the block."""
    with running_hub(directory, **settings) as hub:
        fleet = Fleet(directory, hub)
        try:
            yield fleet
        finally:
            with contextlib.ExitStack() as stack:
                for one in fleet.builders:
                    stack.callback(one.stop)
