"""What the machine has left: space on file systems, load, processors."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Union

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Room:
    """What a file system has left for ordinary users.

    Args:
        free_mb: space, in MiB.
        free_inodes: how many files may still be made; -1 where that is not counted.
        read_only: whether nothing can be written at all.
    """

    free_mb: int
    free_inodes: int = -1
    read_only: bool = False


def room(path: Union[str, os.PathLike[str]], *, try_writing: bool = False) -> Room:
    """What is left on the file system of `path`. It may not answer for ever: call it where that does no harm.

    Args:
        path: a directory of it.
        try_writing: make an unnamed file, too: of a file system that has stopped after an error, newer kernels do not
            say that it is read-only.

    Raises:
        OSError: `path` does not exist or does not answer, or fails with an error of the disk.
    """
    numbers = os.statvfs(path)
    return Room(
        numbers.f_bavail * numbers.f_frsize // _MIB,
        numbers.f_favail if numbers.f_files else -1,
        bool(numbers.f_flag & os.ST_RDONLY) or (try_writing and _refuses_writes(path)),
    )


def _refuses_writes(path: Union[str, os.PathLike[str]]) -> bool:
    try:
        os.close(os.open(path, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno in (errno.EIO, errno.ESTALE):
            raise
        return error.errno == errno.EROFS  # others: no permission, no room, no such files there
    return False


def free_space_mb(path: Union[str, os.PathLike[str]]) -> int:
    """Space left for ordinary users on the file system of `path`, in MiB (contract 4.2, step 6).

    Raises:
        OSError: `path` does not exist or does not answer.
    """
    return room(path).free_mb


def load_average() -> float:
    """The load of the last minute (contract 4.2, step 7)."""
    return os.getloadavg()[0]


def cpu_count() -> int:
    """Processors that are online (contract 4.2, step 7)."""
    return os.cpu_count() or 1
