"""What the machine has left: space on file systems, load, processors."""

from __future__ import annotations

import os
from typing import Union

_MIB = 1024 * 1024


def free_space_mb(path: Union[str, os.PathLike[str]]) -> int:
    """Space left for ordinary users on the file system of `path`, in MiB (contract 4.2, step 6).

    Raises:
        OSError: `path` does not exist or does not answer.
    """
    numbers = os.statvfs(path)
    return numbers.f_bavail * numbers.f_frsize // _MIB


def load_average() -> float:
    """The load of the last minute (contract 4.2, step 7)."""
    return os.getloadavg()[0]


def cpu_count() -> int:
    """Processors that are online (contract 4.2, step 7)."""
    return os.cpu_count() or 1
