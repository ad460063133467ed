"""Working directories that dead tasks have left: WORKDIR/tasks/N/ID, N being the id modulo 10000 (contract 5.2)."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import Callable, Iterator, List, Tuple

from kojid.errors import HostFault
from kojid.system import files, inhabitants

_GROUPS = 10000
_AT_ONCE = 100  # looked at in one sweep, so that a heap of them does not hold up the loop


def left(workdir: str, lifetime: float, now: float, in_use: Callable[[int], bool]) -> List[Tuple[Path, float]]:
    """Directories of tasks that do not run here, with the seconds since their last change; at most a hundred.

    Args:
        workdir: the option.
        lifetime: seconds since its last change that one must be old.
        now: seconds since the epoch.
        in_use: whether a task, by id, is open here.
    """
    found = (
        (path, now - _changed(path)) for task_id, path in _directories(Path(workdir, "tasks")) if not in_use(task_id)
    )
    return list(itertools.islice(((path, age) for path, age in found if age >= lifetime), _AT_ONCE))


def _directories(top: Path) -> Iterator[Tuple[int, Path]]:
    for group in _entries(top):
        if not group.name.isdigit() or not group.is_dir(follow_symlinks=False):
            continue
        for entry in _entries(Path(group.path)):
            if _is_ours(entry, group.name):
                yield int(entry.name), Path(entry.path)


def _is_ours(entry: os.DirEntry[str], group: str) -> bool:
    with contextlib.suppress(OSError):
        return (
            entry.name.isdigit()
            and str(int(entry.name) % _GROUPS) == group
            and entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        )
    return False


def _entries(directory: Path) -> List[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def _changed(directory: Path) -> float:
    """When it or an entry of it was last changed; a directory that has just gone is brand-new."""
    try:
        times = [directory.lstat().st_mtime]
        times += [entry.stat(follow_symlinks=False).st_mtime for entry in _entries(directory)]
    except OSError:
        return float("inf")
    return max(times)


def remove_unused(directory: Path) -> None:
    """Remove one, unless a process works in it: another daemon may have the same `workdir`. Raises HostFault."""
    inside = inhabitants.processes_in(directory)
    if inside:
        raise HostFault(f"{directory} is in use by process {inside[0]}")
    files.remove_tree(directory)
