"""How a task waits for its children: host.taskSetWait and what follows it (contract 5.4)."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.database import marks
from kojid.sandbox.hub.kernel import Context, export


@export("host.taskSetWait")
def task_set_wait(ctx: Context, parent: int, tasks: Optional[Sequence[int]]) -> None:
    """Flag a task as waiting and the children it waits for as awaited; None means all of them."""
    ctx.host()
    if tasks is not None and not isinstance(tasks, list):
        raise koji.ParameterError(f"Invalid type for value '{tasks}': {type(tasks)}, expected type {list}")
    ctx.db.update("task", {"id": parent}, waiting=True)
    if tasks is None:
        ctx.db.update("task", {"parent": parent}, awaited=True)
    elif tasks:
        ctx.db.update("task", {"parent": parent, "id": tasks}, awaited=True)
        ctx.db.execute(
            f"UPDATE task SET awaited = 0 WHERE parent = ? AND awaited = 1 AND id NOT IN ({marks(tasks)})",
            (parent, *tasks),
        )


@export("host.taskWait")
def task_wait(ctx: Context, parent: int) -> List[List[int]]:
    """The awaited children: [those that have ended, the others]; the former are no longer awaited after this."""
    ctx.host()
    rows = ctx.db.all("SELECT id, state FROM task WHERE parent = ? AND awaited = 1 ORDER BY id", (parent,))
    finished = [row["id"] for row in rows if row["state"] in tasks.FINISHED]
    if finished:
        ctx.db.update("task", {"id": finished}, awaited=False)
    return [finished, [row["id"] for row in rows if row["state"] not in tasks.FINISHED]]


@export("host.taskUnwait")
def task_unwait(ctx: Context, parent: int) -> None:
    """Take the flags of host.taskSetWait back."""
    ctx.host()
    ctx.db.update("task", {"id": parent}, waiting=False)
    ctx.db.update("task", {"parent": parent}, awaited=False)


@export("host.taskWaitResults")
def task_wait_results(
    ctx: Context,
    parent: int,
    tasks: Optional[Sequence[int]],
    canfail: Optional[Sequence[int]] = None,
) -> List[List[Any]]:
    """End the waiting and give the results of children: [[id, result], ...]; None means all that have ended.

    Args:
        canfail: ids whose fault is given as {faultCode, faultString} in place of a result.

    Raises:
        xmlrpc.client.Fault: another child's fault.
        koji.GenericError: another child was canceled or has not ended.
    """
    task_unwait(ctx, parent)
    wanted = tasks if tasks is not None else _finished_children(ctx, parent)
    return [[task_id, _result(ctx, task_id, task_id in (canfail or ()))] for task_id in wanted]


def _finished_children(ctx: Context, parent: int) -> List[int]:
    return ctx.db.values(
        "SELECT id FROM task WHERE parent = ? AND state IN (?, ?, ?) ORDER BY id", (parent, *tasks.FINISHED)
    )


def _result(ctx: Context, task_id: int, may_fail: bool) -> Any:
    row = tasks.task_row(ctx, task_id)
    try:
        return tasks.result_of(row, raise_fault=not may_fail)
    except koji.GenericError as error:
        if may_fail and row["state"] == tasks.CANCELED:
            return {"faultCode": error.faultCode, "faultString": str(error)}
        raise
