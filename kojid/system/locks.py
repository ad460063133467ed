"""Locks on files and directories that belong to one daemon and its processes at a time."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Optional

_PAUSE = 0.1  # seconds between two tries


def hold(directory: Path, seconds: float) -> Optional[int]:
    """Lock a directory, waiting for who holds it.

    The lock is held by the descriptor: processes forked from here share it, a program that is executed does not.

    Args:
        directory: it exists.
        seconds: how long to wait.

    Returns:
        The descriptor, which the caller keeps open for as long as it needs the lock; None when it was not to be had.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if take(descriptor, seconds):
        return descriptor
    os.close(descriptor)
    return None


def take(descriptor: int, seconds: float) -> bool:
    """Lock what is open, waiting so many seconds for who holds it; whether the lock was to be had.

    It is held as the one of `hold`.
    """
    deadline = time.monotonic() + seconds
    while not _locked(descriptor):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
