"""Who still uses a directory: a process in it, or mock that holds its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import List

from kojid.system import processes

_LOCK = "buildroot.lock"  # mock locks this file in a buildroot's directory while it works there


def processes_in(directory: Path) -> List[int]:
    """The processes whose working or root directory is a directory or below it, as far as this process may see."""
    top = os.path.realpath(directory)
    return sorted(pid for pid in processes.snapshot() if _is_in(pid, top))


def _is_in(pid: int, top: str) -> bool:
    for link in ("cwd", "root"):
        with contextlib.suppress(OSError):
            place = os.readlink(f"/proc/{pid}/{link}")
            if place == top or place.startswith(top + "/"):
                return True
    return False


def locked_by_mock(directory: Path) -> bool:
    """Whether a running mock has a buildroot."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(directory / _LOCK, flags)
    except OSError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
