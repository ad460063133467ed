"""Processes that run code of this program: task workers and the daemon's own background jobs.

Such a process starts as a clean leader: own session and process group, no signal blocked, no handler of its parent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from typing import Callable, List, Optional, Sequence

from kojid.errors import HostFault
from kojid.system import syscalls
from kojid.system.child import ExitStatus

logger = logging.getLogger("koji.build.process")

# Python itself needs this one ignored, to see a closed pipe as an error.
_KEPT = {signal.SIGPIPE}
_RESET = [number for number in signal.Signals if number not in _KEPT]


def fork(main: Callable[[], None], *, name: str) -> int:
    """Run a function in a new process, which ends with it: status 0, or 1 after an exception (logged).

    Args:
        main: what the process does. SystemExit with a number sets the status.
        name: what `ps` and `top` show for it, 15 characters at most.

    Returns:
        The pid. The caller reaps it.

    Raises:
        HostFault: the kernel grants no more processes or memory.
    """
    _flush()
    handled = _handled()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    try:
        pid = os.fork()
        if pid == 0:
            _become(main, name, handled)
    except OSError as error:
        raise HostFault(f"no process could be started for {name}: {error.strerror}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _handled() -> List[signal.Signals]:
    """The signals that this process does not leave to the system; the new one would copy memory to find them."""
    default = (signal.SIG_DFL, None)
    return [number for number in _RESET if signal.getsignal(number) not in default]


def _become(main: Callable[[], None], name: str, handled: Sequence[signal.Signals]) -> None:
    """The new process: it never returns into the code of its parent."""
    status = 1
    try:
        os.setsid()
        _reset_signals(handled)
        with contextlib.suppress(OSError):
            syscalls.prctl(syscalls.PR_SET_NAME, name.encode()[:15])
        main()
        status = 0
    except SystemExit as leaving:
        status = _exit_status(leaving)
    except KeyboardInterrupt:
        logger.info("%s was interrupted", name)
    except BaseException:
        logger.exception("%s failed", name)
    finally:
        with contextlib.suppress(BaseException):
            logging.shutdown()
            _flush()
        os._exit(status)


def _exit_status(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    return leaving.code if isinstance(leaving.code, int) else 1


def _reset_signals(handled: Sequence[signal.Signals]) -> None:
    """Set every signal as a fresh Python has it, then let in those that were blocked before the fork."""
    signal.set_wakeup_fd(-1)
    for number in handled:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed or missing in a daemon
            stream.flush()


def reap(pid: int) -> Optional[ExitStatus]:
    """How a forked process ended; None while it runs. Does not wait.

    Raises ChildProcessError when it is no child of this process, or was reaped before.
    """
    found, raw = os.waitpid(pid, os.WNOHANG)
    return ExitStatus.from_raw(raw) if found else None


def become_subreaper() -> bool:
    """Let orphans of our children become our children, instead of those of pid 1; False where the kernel can't."""
    try:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    except OSError as error:
        logger.warning("orphaned processes can't be caught: %s", error)
        return False
    return True


def end_with_parent(parent: int) -> None:
    """Have this process get KILL when the one that forked it ends; it leaves at once if that has happened already."""
    with contextlib.suppress(OSError):
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
