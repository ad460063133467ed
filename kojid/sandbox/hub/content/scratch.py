"""Scratch builds: their files are put aside for their owner and never recorded (contract 6.1, step 15)."""

from __future__ import annotations

from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from kojid.sandbox.hub.content import filing, imports, names, noarch
from kojid.sandbox.hub.kernel import Context, export


@export("host.moveBuildToScratch")
def move_build_to_scratch(
    ctx: Context,
    task_id: int,
    srpm: str,
    rpms: Sequence[str],
    logs: Optional[Mapping[str, Sequence[str]]] = None,
) -> None:
    """Move what a host's scratch build has built to scratch/USER/task_ID.

    Args:
        ctx: the call.
        task_id: the task.
        srpm, rpms: the files, relative to the work directory, uploaded by the task or its subtasks.
        logs: architecture -> log files.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: a file is missing, elsewhere or not what its name says.
        koji.BuildError: a noarch rpm differs between architectures.
    """
    task = ctx.owned_task(task_id)
    family = filing.of_task(ctx, task_id)
    logs = logs or {}
    paths = {relpath: filing.uploaded(ctx, relpath, family) for relpath in [srpm, *rpms]}
    for path in paths.values():
        imports.read(path)
    owner = names.need(ctx, "users", task["owner"])["name"]
    home = Path(ctx.settings.pathinfo.scratch(), owner, f"task_{task_id}")
    chosen = [srpm, *noarch.distinct(ctx, rpms, logs)]
    moves: List[filing.Move] = [(paths[relpath], home / paths[relpath].name) for relpath in chosen]
    filing.move([*moves, *filing.log_moves(ctx, logs, home / "logs", family)])
