"""Whose log line it is: the task id in each line of a task process, and a log per task beside the daemon's."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any, Iterable, List, Optional

from kojid.redaction import RedactingFormatter
from kojid.system import logfields

FILE_FORMAT = "%(asctime)s [%(levelname)s] %(name)s: %(task)s%(message)s"
STDERR_FORMAT = "%(asctime)s [%(levelname)s] {%(process)d} %(name)s:%(lineno)d %(task)s%(message)s"

_current: Optional[int] = None


class TaskPrefix(logging.Filter):
    """Gives every record the attribute `task`: "[task 12] " in a task process, nothing in the daemon."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        record.task = "" if _current is None else f"[task {_current}] "
        return True


def begin(task_id: int, directory: str, method: str = "", request: Iterable[Any] = ()) -> None:
    """In a task process: mark its records, and write them to `directory`/TASK.log too.

    A directory that can't be written costs the extra log, not the task.

    Args:
        task_id: the task.
        directory: of the logs of single tasks; empty for none.
        method: the task's, for the journal.
        request: its parameters, of which the journal gets the source package's name.
    """
    global _current
    _current = task_id
    logfields.put(TASK_ID=task_id, METHOD=method, NVR=logfields.nvr_of_request(request))
    if not directory:
        return
    logger = logging.getLogger("koji")
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        handler = logging.FileHandler(path_of(task_id, directory))
    except OSError as error:
        logger.warning("no log for this task alone: %s", error)
        return
    handler.setFormatter(RedactingFormatter(FILE_FORMAT))
    handler.addFilter(TaskPrefix())
    logger.addHandler(handler)


def path_of(task_id: int, directory: str) -> Path:
    """Where the log of a task lies."""
    return Path(directory) / f"{task_id}.log"


def old(directory: str, lifetime: float) -> List[Path]:
    """The logs of tasks that were last written `lifetime` seconds ago."""
    if not directory or not os.path.isdir(directory):
        return []
    oldest = time.time() - lifetime
    found = []
    for entry in os.scandir(directory):
        stem, _dot, suffix = entry.name.partition(".")
        if stem.isdigit() and suffix == "log" and entry.stat(follow_symlinks=False).st_mtime < oldest:
            found.append(Path(entry.path))
    return found


def sweep(directory: str, lifetime: float) -> int:
    """Remove logs of tasks that were last written `lifetime` seconds ago; returns how many."""
    found = old(directory, lifetime)
    for path in found:
        path.unlink()
    return len(found)
