"""The daemon that chaos happens to: it may die, and is started again as an init system would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

from tests.support.chaosmachine import Crowd
from tests.support.lightdaemon import ROOT, LightDaemon
from tests.support.sandbox import wait_for
from tests.support.sandboxhub import CA_VARIABLES, SandboxHub

MARK = "KOJID_CHAOS_SCENE"  # in the environment of the daemon, hence of all that comes of it
_REFUSED_START = (
    "kojid: Error: Unable to log in: ",
    "kojid: state_dir cannot be used",
    "is this host's clock right?",
    "[Errno 24]",  # no file descriptor
    "[Errno 11]",  # no process
)


class ChaosDaemon(LightDaemon):
    """A daemon that may die, and is started again as an init system would."""

    def __init__(self, hub: SandboxHub, directory: Path, crowd: Crowd, clock: Dict[str, str], **options: Any) -> None:
        """`crowd` is the group that it joins, `clock` the environment that sets its clock."""
        super().__init__(hub, directory, **options)
        self._crowd = crowd
        self._clock = clock
        self._variables: Dict[str, str] = {}
        self._told = 0

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
        environment.update({MARK: str(self.dir), **self._clock, **variables})
        command = [sys.executable, str(ROOT / "bin/kojid"), "--fg", "--debug", "--force-lock", "-c", str(conf)]
        self._variables, self._told = variables, len(self.log)
        with self.console.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._crowd.join(self.process.pid)

    def kill(self) -> None:
        """As kill -9 does; it must have been alive."""
        assert self.process is not None
        self.tend()
        self.process.kill()
        self.process.wait()

    def tend(self) -> None:
        """What an init system does: a start that hub or machine refused is tried again. No other end is right."""
        assert self.process is not None
        status = self.process.poll()
        if status is None:
            return
        said = self.log[self._told :].rpartition("SIGHUP: starting anew")[2]
        started = re.search(r"koji\.build:\d+ Sleeping for", said) is not None
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
