"""Starting commands: the one door through which the builder executes programs.

Every command starts in a clean environment with plain signals, its end is noticed at once, and what a command leaves
behind when its time is up is ended with it. The neighbours: `child` (waiting), `forks` (processes that run our own
code), `termination` (ending whole trees), `processes` (what the kernel knows), `accounts` (users).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shlex
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import IO, Any, Callable, Mapping, Optional, Sequence, Set, Tuple, Union

import koji

from kojid.errors import HostFault
from kojid.redaction import redact
from kojid.system.accounts import Credentials, clean_environment, credentials_of
from kojid.system.child import Child, ExitStatus
from kojid.system.forks import become_subreaper, fork, reap
from kojid.system.processes import ProcessId, open_pidfd, start_time
from kojid.system.termination import Termination, descendants, terminate

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Child",
    "CommandTimeout",
    "Credentials",
    "ExitStatus",
    "ProcessId",
    "Termination",
    "become_subreaper",
    "capture",
    "clean_environment",
    "command_line",
    "credentials_of",
    "descendants",
    "fork",
    "open_pidfd",
    "reap",
    "run",
    "spawn",
    "start_time",
    "terminate",
]

Stream = Union[int, IO[Any], None]
StrPath = Union[str, "os.PathLike[str]"]

logger = logging.getLogger("koji.build.process")

# What Popen's restore_signals already sets back in the child.
_RESTORED = {signal.SIGPIPE, signal.SIGXFSZ}
_TERM_SECONDS = 5.0
_KILL_SECONDS = 3.0


class CommandTimeout(koji.GenericError):
    """A command did not end in its time and was ended (contract 11, item 10)."""


def command_line(argv: Sequence[str]) -> str:
    """The command as one would type it in a shell, passwords in URLs left out."""
    return redact(shlex.join(argv))


def spawn(
    argv: Sequence[str],
    *,
    cwd: Optional[StrPath] = None,
    env: Optional[Mapping[str, str]] = None,
    stdin: Stream = DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    user: Optional[Credentials] = None,
    new_session: bool = False,
) -> Child:
    """Start a command (contract 1.9).

    Args:
        argv: the program, looked up in the PATH of `env`, and its arguments.
        cwd: the directory it starts in.
        env: its whole environment; None gives it a clean one and nothing of the daemon's own.
        stdin: what it reads; nothing by default.
        stdout: where its output goes; None means where the daemon's goes.
        stderr: likewise for its messages; STDOUT joins them to its output.
        user: whom it runs as; only heeded when the daemon is root, as in contract 1.9.
        new_session: whether it leads a session and process group of its own.

    Raises:
        HostFault: the program is missing or can't be started; nothing is left half started.
    """
    drop = user if user is not None and os.geteuid() == 0 else None
    environment = clean_environment(drop) if env is None else dict(env)
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            user=drop.uid if drop else None,
            group=drop.gid if drop else None,
            extra_groups=list(drop.groups) if drop else None,
            start_new_session=new_session,
            preexec_fn=_plain_signals if _signals_bent() else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _not_started(os.fspath(argv[0]), error) from error
    return Child(process, os.path.basename(argv[0]))


def _ignored_signals() -> Set[signal.Signals]:
    # Names only: real-time signals are never ignored by anything that starts a daemon.
    return {number for number in signal.Signals if signal.getsignal(number) is signal.SIG_IGN} - _RESTORED


def _signals_bent() -> bool:
    """Whether a child would inherit an ignored or a blocked signal (mock.md, trap 4; a build must see neither).

    Handlers need no care, exec sets those back. Without work to do before exec, Popen takes its quick way (vfork).
    """
    return bool(_ignored_signals() or signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def _plain_signals() -> None:
    for number in _ignored_signals():
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _not_started(program: str, error: Exception) -> HostFault:
    name = os.path.basename(program)
    if not isinstance(error, OSError):
        return HostFault(f"{name} can't be started: {error}")
    if error.filename is not None and os.fspath(error.filename) != program:
        return HostFault(f"{name} can't be started in {error.filename}: {error.strerror}")
    if error.errno == errno.ENOENT and os.path.exists(program):
        return HostFault(f"{name} can't be started: the interpreter that {program} names is missing")
    if error.errno == errno.ENOENT:
        return HostFault(f"{name} is not installed: there is no {program}", f"install {name} on this host")
    return HostFault(f"{name} can't be started: {error.strerror} ({program})")


def run(
    argv: Sequence[str],
    *,
    timeout: Optional[float],
    log: Optional[Path] = None,
    tick: float = 0.25,
    on_tick: Optional[Callable[[], None]] = None,
    **spawn_args: Any,
) -> ExitStatus:
    """Run a command to its end; it leads a session of its own.

    Args:
        argv: the program and its arguments.
        timeout: seconds it may take; None only where the command limits itself, as mock does.
        log: file that its output and messages are appended to, the command line first.
        tick: seconds between two calls of `on_tick`.
        on_tick: called while the command runs, and once after its end.
        spawn_args: see `spawn`.

    Raises:
        CommandTimeout: the time was up; the command and all it started have been ended.
        HostFault: it could not be started.
    """
    with contextlib.ExitStack() as stack:
        if log is not None:
            output = stack.enter_context(_open_log(log))
            output.write(f"$ {command_line(argv)}\n".encode())
            output.flush()
            spawn_args.update(stdout=output, stderr=STDOUT)
        spawn_args["new_session"] = True
        logger.debug("Running %s", command_line(argv))
        child = stack.enter_context(spawn(argv, **spawn_args))
        try:
            status = _attend(child, timeout, tick, on_tick)
        except BaseException:  # SystemExit and KeyboardInterrupt too: whoever leaves, the command goes first
            end_command(child)
            raise
        if status is None:
            end_command(child)
            if on_tick is not None:
                on_tick()
            raise CommandTimeout(f"{command_line(argv)} did not end within {timeout:g} seconds")
    if on_tick is not None:
        on_tick()
    return status


def _open_log(log: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return open(os.open(log, flags, 0o644), "ab")


def _attend(
    child: Child, timeout: Optional[float], tick: float, on_tick: Optional[Callable[[], None]]
) -> Optional[ExitStatus]:
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        remaining = None if deadline is None else deadline - time.monotonic()
        if remaining is not None and remaining <= 0:
            return None
        limits = [limit for limit in (remaining, tick if on_tick else None) if limit is not None]
        status = child.wait(min(limits, default=None))
        if status is not None:
            return status
        if on_tick is not None:
            on_tick()


def end_command(child: Child) -> None:
    """End a command with all that it has started: TERM, then KILL; then reap it.

    It is reaped last: as long as it is there, its pid and the number of its session can't mean anybody else.
    """
    if child.status is None:
        terminate(child.pid, ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, _KILL_SECONDS)))
        child.wait(0)


def capture(argv: Sequence[str], *, timeout: Optional[float], **spawn_args: Any) -> Tuple[ExitStatus, bytes]:
    """Run a command and take its output; its messages are dropped unless `stderr` says otherwise.

    The output goes through a file, so that a process which the command leaves behind can't keep it open for ever.
    Arguments and errors as for `run`.
    """
    spawn_args.setdefault("stderr", DEVNULL)
    with tempfile.TemporaryFile() as output:
        status = run(argv, timeout=timeout, stdout=output, **spawn_args)
        output.seek(0)
        return status, output.read()
