"""How much a directory tree takes on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, Set, Tuple


def disk_usage(directory: Path) -> int:
    """Bytes that a directory takes on its own file system; no link is followed, no mount entered."""
    try:
        device = directory.lstat().st_dev
    except OSError:
        return 0
    seen: Set[Tuple[int, int]] = set()
    total = 0
    for status in _entries(directory, device):
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        total += status.st_blocks * 512
    return total


def _entries(directory: Path, device: int) -> Iterator[os.stat_result]:
    """The status of everything below a directory, and its own; what vanishes meanwhile is left out."""
    heap = [str(directory)]
    while heap:
        here = heap.pop()
        try:
            status = os.lstat(here)
            if status.st_dev != device:
                continue
            yield status
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        heap.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False)
        except OSError:
            continue
