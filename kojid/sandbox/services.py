"""The sandbox's background processes: started, recognised by pid and start time, ended.

A record of each lies in DIR/var/run. A process is only ever signalled when its start time is the recorded one, so that
a number that the kernel gave to another process is never hit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Sequence

from kojid.errors import HostFault
from kojid.sandbox.errors import SandboxError
from kojid.system import process, processes
from kojid.system.child import Child

_KILL_SECONDS = 10.0
_PAUSE = 0.05


@dataclass
class Service:
    """A background process of a sandbox.

    Args:
        name: what to call it in messages.
        record: where its pid and start time are kept.
        console: the file that takes what it prints.
    """

    name: str
    record: Path
    console: Path
    _child: Optional[Child] = None

    def pid(self) -> Optional[int]:
        """The running process, or None."""
        try:
            known = json.loads(self.record.read_text())
            pid, started = int(known["pid"]), int(known["start_time"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        state = processes.read_state(pid)
        return pid if state is not None and state.start_time == started and not state.ended else None

    def start(self, argv: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start the process in a session of its own and keep its record.

        Raises:
            SandboxError: it runs already, or can't be started.
        """
        if self.pid() is not None:
            raise SandboxError(f"the {self.name} runs already (pid {self.pid()})")
        self.console.parent.mkdir(parents=True, exist_ok=True)
        with self.console.open("ab") as output:
            try:
                child = process.spawn(
                    argv, env=env, cwd="/", stdout=output, stderr=process.STDOUT, new_session=True
                )  # fmt: skip
            except HostFault as error:
                raise SandboxError(f"the {self.name} does not start: {error}") from error
        self._child = child
        record = {"pid": child.pid, "start_time": process.start_time(child.pid), "argv": list(argv)}
        self.record.write_text(json.dumps(record) + "\n")
        return child

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until the process is ready for its work.

        Args:
            ready: asked several times a second.
            timeout: seconds to wait.

        Raises:
            SandboxError: the process has ended, or the time is up; with the last lines of its output.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if self.pid() is None:
                raise SandboxError(f"the {self.name} has ended:\n{self.last_words()}", f"its output is {self.console}")
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"the {self.name} is not ready after {timeout:g} seconds:\n{self.last_words()}",
                    f"its output is {self.console}",
                )
            time.sleep(_PAUSE)

    def last_words(self, count: int = 12) -> str:
        """The last lines of its output."""
        try:
            lines: List[str] = self.console.read_text(errors="replace").splitlines()
        except OSError:
            return "  (it printed nothing)"
        return "\n".join(f"  {line}" for line in lines[-count:]) or "  (it printed nothing)"

    def stop(self, timeout: float) -> bool:
        """End the process: TERM, and KILL after `timeout` seconds; returns whether it was running.

        Raises:
            SandboxError: not even KILL ends it.
        """
        running = self.pid() is not None
        if running and not (self._end(signal.SIGTERM, timeout) or self._end(signal.SIGKILL, _KILL_SECONDS)):
            raise SandboxError(f"the {self.name} (pid {self.pid()}) does not end", "look what it waits for in /proc")
        if self._child is not None:
            self._child.wait(_KILL_SECONDS)  # reaps it
        self.record.unlink(missing_ok=True)
        return running

    def _end(self, number: signal.Signals, timeout: float) -> bool:
        """Send a signal and tell whether the process ends within `timeout` seconds."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + timeout
        while self.pid() is not None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return self.pid() is None
