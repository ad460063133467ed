"""The files that a task has uploaded: listing and reading them (`koji watch-logs`, `download-task`)."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple, Union

import koji

from kojid.sandbox.hub import queries, tasks
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export
from kojid.sandbox.hub.uploads import DEFAULT_VOLUME, work_path


@export("listTaskOutput", reads=True)
def list_task_output(
    ctx: Context, taskID: int, stat: bool = False, all_volumes: bool = False, strict: bool = False
) -> Any:
    """The files below a task's directory; none when there is no such directory.

    Args:
        stat: give {name: {st_size (text), st_atime, st_mtime, st_ctime}} instead of names.
        all_volumes: look on every volume: {name: [volumes]}, with `stat` {name: {volume: {...}}}.
        strict: whether the task has to exist.

    Raises:
        koji.GenericError: it does not and `strict`.
    """
    if strict:
        tasks.task_row(ctx, taskID)
    found: Dict[str, Dict[str, Row]] = {}
    volumes = ctx.db.values("SELECT name FROM volume ORDER BY id") if all_volumes else [DEFAULT_VOLUME]
    for volume in volumes:
        for name, about in _files(_task_dir(ctx, taskID, volume)):
            found.setdefault(name, {})[volume] = about
    if all_volumes:
        return found if stat else {name: list(where) for name, where in found.items()}
    return {name: where[DEFAULT_VOLUME] for name, where in found.items()} if stat else list(found)


@export("downloadTaskOutput", reads=True)
def download_task_output(
    ctx: Context,
    taskID: int,
    fileName: str,
    offset: Union[int, str, None] = 0,
    size: int = -1,
    volume: Optional[str] = None,
) -> str:
    """A piece of a task's file in base64.

    Args:
        offset: where it begins; a negative one counts from the end.
        size: bytes at most; -1 is all.

    Raises:
        koji.GenericError: no such file, or one outside the task's directory.
    """
    if ".." in fileName.split("/"):
        raise koji.GenericError(f"Invalid file name: {fileName}")
    path = _task_dir(ctx, taskID, volume) / fileName.lstrip("/")
    if not path.is_file():
        raise koji.GenericError(f'no file "{fileName}" output by task {taskID}')
    start = queries.integer(offset or 0, "offset")
    with open(path, "rb") as handle:
        if start < 0:
            handle.seek(max(start, -path.stat().st_size), os.SEEK_END)
        else:
            handle.seek(start)
        return base64.b64encode(handle.read(size)).decode("ascii")


def _task_dir(ctx: Context, task_id: int, volume: Optional[str]) -> Path:
    return work_path(ctx, koji.pathinfo.taskrelpath(queries.integer(task_id, "task id")), volume)


def _files(top: Path) -> Iterator[Tuple[str, Row]]:
    for directory, _, names in os.walk(top):
        for name in sorted(names):
            path = Path(directory, name)
            try:
                about = path.stat()
            except FileNotFoundError:
                continue  # moved away meanwhile: a build was imported
            yield (
                str(path.relative_to(top)),
                {
                    "st_size": str(about.st_size),
                    "st_atime": about.st_atime,
                    "st_mtime": about.st_mtime,
                    "st_ctime": about.st_ctime,
                },
            )
