"""The log that is growing right now, among those that the builder streams to the hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, List, Optional, Tuple

import koji

from kojid.system import files

_DULL = re.compile(r"(state|hw_info|mock_config|installed_pkgs|dnf.*)\.log")


@dataclass(frozen=True)
class Tail:
    """The end of a log: which task's, its name, its last lines."""

    task_id: int
    name: str
    lines: List[str]


def newest(paths: koji.PathInfo, task_ids: Iterable[int], count: int) -> Optional[Tail]:
    """The end of the log that was written last.

    Args:
        paths: of the hub's volume.
        task_ids: the tasks to look at.
        count: how many lines of it.
    """
    found: List[Tuple[float, int, Path]] = []
    for task_id in task_ids:
        logs = Path(paths.task(task_id)).glob("*.log")
        found.extend((_written(path), task_id, path) for path in logs if not _DULL.fullmatch(path.name))
    if not found:
        return None
    _, task_id, path = max(found)
    try:
        lines = files.tail_lines(path, count=count)
    except OSError:  # moved away together with its finished build
        return None
    return Tail(task_id, path.name, lines)


def _written(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
