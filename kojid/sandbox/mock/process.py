"""Runs commands, in the chroot or beside it, and ends whatever they leave behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set, Union

from kojid.sandbox.mock import kernel
from kojid.sandbox.mock.errors import TimeoutExpired

Words = Union[str, Sequence[str]]
#: How long leftover processes may take to end by themselves, in seconds.
_GRACE = 0.5
_BLOCK = 65536


@dataclass(frozen=True)
class Confinement:
    """Where and as whom a command runs.

    Args:
        root: directory to change the root to; None to stay outside, and then the rest does not matter.
        cwd: directory to start in, seen from the root.
        uid: user, or None for root; `gid` is then the group.
        gid: group, also root's supplementary one.
        network: whether it may use the host's network; else it has a loopback of its own.
        die_with_mock: whether the kernel kills it with all its children when this process ends.
        narrow: whether the kernel should pass for a 32-bit one.
    """

    root: Optional[Path] = None
    cwd: str = "/"
    uid: Optional[int] = None
    gid: int = 0
    network: bool = True
    die_with_mock: bool = False
    narrow: bool = False

    def enter(self) -> None:
        """Runs in the child before the program."""
        if self.die_with_mock:
            _take_children_along()
        if self.root:
            self._change_root(self.root)
        if self.die_with_mock:
            kernel.die_with_parent()  # last: the kernel forgets it when the user changes
        os.umask(0o022)

    def _change_root(self, root: Path) -> None:
        kernel.unshare(kernel.CLONE_NEWIPC | (0 if self.network else kernel.CLONE_NEWNET))
        os.chroot(root)
        if self.narrow:
            kernel.personality_32()
        if not self.network:
            kernel.loopback_up()
        os.setgroups([self.gid])
        if self.uid is not None:
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        os.chdir(self.cwd)


HOST = Confinement()


def _take_children_along() -> None:
    """Continues in a new PID namespace whose end, with this process, is every descendant's end."""
    kernel.die_with_parent()
    kernel.unshare(kernel.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        # Else the starter would wait for the end of its error pipe, which this process holds open, too.
        os.closerange(3, 1 + max(int(name) for name in os.listdir("/proc/self/fd")))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os._exit(status if status >= 0 else 128 - status)


@dataclass
class Runner:
    """Runs commands one after the other.

    Args:
        log: takes a line about the command itself (its words, its status).
    """

    log: Callable[[str], None]
    environment: Dict[str, str] = field(default_factory=dict)

    def run(
        self,
        words: Words,
        output: Callable[[str], None],
        confinement: Confinement = HOST,
        timeout: float = 0,
        environment: Optional[Dict[str, str]] = None,
    ) -> int:
        """Runs a command in a session of its own, with no input, and gives its output away line by line.

        Args:
            words: the program and its arguments, or one string for the shell.
            output: takes each line of stdout and stderr.
            confinement: where and as whom.
            timeout: in seconds; 0 for none.
            environment: instead of the runner's own.

        Returns:
            The exit status, 128 and the signal's number if one ended it.

        Raises:
            TimeoutExpired: it took too long; it and its descendants are gone.
            OSError: there is no such program.
        """
        shown = words if isinstance(words, str) else shlex.join(words)
        self.log(f"Executing command: {shown}")
        child = subprocess.Popen(
            words, shell=isinstance(words, str), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=environment or self.environment, start_new_session=True,
            preexec_fn=confinement.enter,
        )  # fmt: skip
        try:
            if not _relay(child, output, time.monotonic() + timeout if timeout else None):
                raise TimeoutExpired(f"after {timeout:.0f} seconds: {shown}")
            status = child.wait()
        finally:
            if child.returncode is None:
                end_descendants()
                child.returncode = -signal.SIGKILL
        status = 128 - status if status < 0 else status
        self.log(f"Child return code was: {status}")
        return status


def _relay(child: subprocess.Popen[bytes], output: Callable[[str], None], deadline: Optional[float]) -> bool:
    """Hands the output on until the child ends, not until the last holder of its output does.

    Returns:
        False if the deadline passed first.
    """
    assert child.stdout is not None
    lines = _Lines(output)
    number = child.stdout.fileno()
    os.set_blocking(number, False)
    ended = os.pidfd_open(child.pid)
    try:
        with child.stdout, selectors.DefaultSelector() as selector:
            selector.register(number, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while True:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                ready = {key.fd for key, _ in selector.select(left)}
                if number in ready and lines.read(number) == 0:
                    selector.unregister(number)
                if ended in ready:
                    while lines.read(number) > 0:
                        pass
                    return True
    finally:
        lines.close()
        os.close(ended)


class _Lines:
    """Cuts a stream into lines."""

    def __init__(self, output: Callable[[str], None]) -> None:
        self._output = output
        self._rest = b""

    def read(self, number: int) -> int:
        """Takes one block and returns its size: 0 at the end of the stream, -1 when there is nothing now."""
        try:
            block = os.read(number, _BLOCK)
        except BlockingIOError:
            return -1
        *whole, self._rest = (self._rest + block).split(b"\n")
        for line in whole:
            self._output(line.decode("utf-8", "replace"))
        return len(block)

    def close(self) -> None:
        """Gives away a last line without an end."""
        if self._rest:
            self._output(self._rest.decode("utf-8", "replace"))
        self._rest = b""


def descendants(of: int) -> Set[int]:
    """The process ids below a process, at any depth."""
    parents: Dict[int, List[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found: Set[int] = set()
    queue = [of]
    while queue:
        below = parents.get(queue.pop(), [])
        found.update(below)
        queue.extend(below)
    return found


def end_descendants() -> None:
    """Ends every descendant of this process, first kindly; as their reaper it misses none, whatever their session."""
    for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, 10.0)):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for pid in descendants(os.getpid()):
                _signal(pid, number)
            if not _reap():
                return
            time.sleep(0.02)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _reap() -> bool:
    """Collects ended children; False when none is left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
