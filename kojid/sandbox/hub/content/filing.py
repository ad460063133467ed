"""Moving uploaded files to where a hub keeps them, leaving links behind so that a task's output stays readable."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, Iterable, List, Mapping, Sequence, Tuple

import koji

from kojid.sandbox.hub.kernel import Context

Move = Tuple[Path, Path]
_SUMS = {".md5": hashlib.md5, ".sha1": hashlib.sha1}


def uploaded(ctx: Context, relpath: Any, task_ids: Iterable[int] = ()) -> Path:
    """The path of an uploaded file named relative to the work directory.

    Args:
        ctx: the call.
        relpath: as the caller gives it.
        task_ids: when not empty, the tasks in one of whose upload directories it has to lie.

    Raises:
        koji.GenericError: it leads out of the work directory or of these tasks' directories, or is no regular file.
    """
    if not isinstance(relpath, str) or relpath.startswith("/") or ".." in Path(relpath).parts:
        raise koji.GenericError(f"Invalid path: {relpath!r}")
    paths = ctx.settings.pathinfo
    homes = [Path(paths.taskrelpath(task_id)) for task_id in task_ids]
    if homes and not any(home in Path(relpath).parents for home in homes):
        raise koji.GenericError(f"Not in an upload directory of the task: {relpath}")
    path = Path(paths.work(), relpath)
    if not path.exists():
        raise koji.GenericError(f"No such file: {path}")
    if path.is_symlink() or not path.is_file():
        raise koji.GenericError(f"Not a regular file: {path}")
    return path


def of_task(ctx: Context, task_id: int) -> List[int]:
    """A task and everything below it: those whose uploads its result may be made of."""
    return ctx.db.values(
        "WITH RECURSIVE tree (id) AS (SELECT ? UNION SELECT task.id FROM task JOIN tree ON task.parent = tree.id)"
        " SELECT id FROM tree",
        (task_id,),
    )


def log_moves(ctx: Context, logs: Mapping[str, Sequence[str]], directory: Path, task_ids: Iterable[int]) -> List[Move]:
    """Where uploaded logs (architecture -> paths) go below `directory`.

    Raises:
        koji.GenericError: as `uploaded`, or a name of an architecture can be none.
    """
    tasks = list(task_ids)
    moves: List[Move] = []
    for arch, relpaths in logs.items():
        target = directory
        if arch:
            koji.parse_arches(arch, strict=True)
            target = directory / arch
        moves += [(uploaded(ctx, relpath, tasks), target / Path(relpath).name) for relpath in relpaths]
    return moves


def move(moves: Iterable[Move]) -> None:
    """Move files, each leaving a symbolic link to its new place behind.

    Raises:
        koji.GenericError: there is a file at a new place already; nothing is moved then.
    """
    moves = list(moves)
    targets = [target for _, target in moves]
    for number, target in enumerate(targets):
        if os.path.lexists(target) or target in targets[:number]:
            raise koji.GenericError(f"Destination already exists: {target}")
    for source, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(str(source), str(target))
        source.symlink_to(os.path.relpath(target, source.parent))


def write_sums(directory: Path, *, again: bool = False) -> None:
    """Put the checksums of each file beside it, as Maven wants them; `again`: those that are there, too."""
    for path in sorted(directory.iterdir()):
        if path.suffix in _SUMS or not path.is_file():
            continue
        for suffix, algorithm in _SUMS.items():
            sums = path.with_name(f"{path.name}{suffix}")
            if again or not sums.exists():
                sums.write_text(algorithm(path.read_bytes()).hexdigest())
