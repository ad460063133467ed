"""A process that this one started: how it is waited for, signalled and never left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Optional, Type

from kojid.errors import HostFault
from kojid.system.processes import open_pidfd

logger = logging.getLogger("koji.build.process")

_KILL_SECONDS = 10.0  # the kernel may take a while to tear down a large process
_LONGEST_POLL_MS = 2**31 - 1
_FIRST_NAP = 0.001  # seconds; only used on kernels without pidfd_open
_LONGEST_NAP = 0.02


@dataclass(frozen=True)
class ExitStatus:
    """How a process ended: its exit code, or the signal that killed it (the other one is 0)."""

    code: int
    signal: int = 0

    @classmethod
    def from_raw(cls, raw: int) -> ExitStatus:
        """Take apart the status in the form of os.waitpid."""
        if os.WIFSIGNALED(raw):
            return cls(0, os.WTERMSIG(raw))
        return cls(os.WEXITSTATUS(raw))

    @property
    def raw(self) -> int:
        """The status in the form of os.waitpid."""
        return self.signal if self.signal else self.code << 8

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with status 0."""
        return self.code == 0 and self.signal == 0

    def describe(self) -> str:
        """The end in words, as the failure texts of contract 7.10 have them: "exited with status 1"."""
        if self.signal:
            return f"was killed by signal {self.signal}"
        return f"exited with status {self.code}"


class Child:
    """A running command; as a context manager it kills and reaps the command at the end.

    Args:
        process: the started process; nobody else may wait for it.
        name: what to call it in messages.
    """

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self.pid = process.pid
        self.name = name
        self._process = process  # kept so that its finaliser does not warn while the child runs
        self._pidfd = open_pidfd(process.pid)
        self._status: Optional[ExitStatus] = None

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the command if it still runs, and reap it; one that not even SIGKILL ends is named in the log."""
        if self._status is not None:
            return
        self.kill(signal.SIGKILL)
        if self.wait(_KILL_SECONDS) is None:
            logger.error("%s (pid %d) does not end on SIGKILL, it is left to the kernel", self.name, self.pid)

    @property
    def running(self) -> bool:
        """Whether the command has not ended yet; reaps it if it has."""
        return self._reap() is None

    @property
    def status(self) -> Optional[ExitStatus]:
        """How it ended; None as long as that is not known."""
        return self._status

    def wait(self, timeout: Optional[float] = None) -> Optional[ExitStatus]:
        """Wait for the end of the command, noticed within a millisecond where the kernel has pidfd_open.

        Args:
            timeout: seconds; None waits without limit.

        Returns:
            How it ended; None when the time is up first.

        Raises:
            HostFault: somebody else reaped it, so that its status is lost.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        nap = _FIRST_NAP
        while True:
            status = self._reap()
            if status is not None:
                return status
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                return None
            self._pause(remaining, nap)
            nap = min(nap * 2, _LONGEST_NAP)

    def ended(self, timeout: float) -> bool:
        """Whether the command ends within `timeout` seconds; it is not reaped, so that its pid stays taken."""
        if self._status is not None:
            return True
        deadline = time.monotonic() + timeout
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self._pause(remaining, _LONGEST_NAP)
        return True

    def kill(self, number: int) -> None:
        """Send a signal to the command, if it has not been reaped yet; a pid used anew is never hit."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _pause(self, remaining: Optional[float], nap: float) -> None:
        if self._pidfd is None:
            time.sleep(nap if remaining is None else min(nap, remaining))
            return
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        poll.poll(None if remaining is None else min(remaining * 1000 + 1, _LONGEST_POLL_MS))

    def _reap(self) -> Optional[ExitStatus]:
        if self._status is not None:
            return self._status
        try:
            pid, raw = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self._settle(ExitStatus(255))
            raise HostFault(f"the exit status of {self.name} (pid {self.pid}) was taken by another wait") from None
        if pid == 0:
            return None
        return self._settle(ExitStatus.from_raw(raw))

    def _settle(self, status: ExitStatus) -> ExitStatus:
        self._status = status
        self._process.returncode = -status.signal if status.signal else status.code
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        return status
