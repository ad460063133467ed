"""What clients and handlers ask about tasks, and what owners and admins do with them."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import scheduler, tasks
from kojid.sandbox.hub.channels import find_channel
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.hosts import find_host
from kojid.sandbox.hub.kernel import Context, export
from kojid.sandbox.hub.queries import integer


@export("makeTask")
def make_task(ctx: Context, method: str, arglist: Sequence[Any], **opts: Any) -> int:
    """Make any task at all; for admins (`koji make-task`)."""
    ctx.require("admin")
    if "owner" in opts:
        raise koji.ActionNotAllowed("The owner option is not allowed here")
    return tasks.make_task(ctx, method, arglist, **opts)


@export("restartHosts")
def restart_hosts(ctx: Context, priority: int = 5, options: Optional[Row] = None) -> int:
    """Make the task that restarts every builder in turn (contract 6.12; `koji restart-hosts`).

    Args:
        options: channel, arches, timeout, as the task takes them.
    """
    ctx.require("host")
    if options is not None and not isinstance(options, dict):
        raise koji.ParameterError(f"Invalid type of options: {type(options)}")
    return tasks.make_task(ctx, "restartHosts", [] if options is None else [options], priority=priority)


@export("getTaskInfo", reads=True)
def get_task_info(ctx: Context, task_id: Union[int, Sequence[int]], request: bool = False, strict: bool = False) -> Any:
    """A task, or a list of them for a list of ids; None for one that does not exist.

    Raises:
        koji.GenericError: one does not exist and `strict`.
    """
    if isinstance(task_id, (list, tuple)):
        return [_info(ctx, item, request, strict) for item in task_id]
    return _info(ctx, task_id, request, strict)


def _info(ctx: Context, task_id: Any, request: bool, strict: bool) -> Optional[Row]:
    if strict:
        return tasks.describe(tasks.task_row(ctx, task_id), request=request)
    row = ctx.db.one("SELECT * FROM task WHERE id = ?", (integer(task_id, "task id"),))
    return tasks.describe(row, request=request) if row else None


@export("getTaskRequest", reads=True)
def get_task_request(ctx: Context, taskId: int) -> List[Any]:
    """The parameters of a task."""
    return tasks.request_of(tasks.task_row(ctx, taskId))


@export("getTaskResult", reads=True)
def get_task_result(ctx: Context, taskId: int, raise_fault: bool = True) -> Any:
    """The result of a task, as `tasks.result_of`."""
    return tasks.result_of(tasks.task_row(ctx, taskId), raise_fault=raise_fault)


@export("taskFinished", reads=True)
def task_finished(ctx: Context, taskId: int) -> bool:
    """Whether a task is closed, failed or canceled."""
    return tasks.task_row(ctx, taskId)["state"] in tasks.FINISHED


@export("getTaskChildren", reads=True)
def get_task_children(ctx: Context, task_id: int, request: bool = False, strict: bool = False) -> List[Row]:
    """The children of a task in the order they were made.

    Raises:
        koji.GenericError: there is no such task and `strict`.
    """
    if strict:
        tasks.task_row(ctx, task_id)
    rows = ctx.db.all("SELECT * FROM task WHERE parent = ? ORDER BY id", (integer(task_id, "task id"),))
    return [tasks.describe(row, request=request) for row in rows]


@export("getTaskDescendents", reads=True)
def get_task_descendents(ctx: Context, task_id: int, request: bool = False) -> Dict[str, List[Row]]:
    """Everything below a task: the id of each (as text) and its children."""
    found: Dict[str, List[Row]] = {}
    todo = [task_id]
    while todo:
        current = todo.pop()
        children = get_task_children(ctx, current, request=request)
        found[str(current)] = children
        todo += [child["id"] for child in children]
    return found


@export("cancelTask")
def cancel_task(ctx: Context, task_id: int, recurse: bool = True) -> None:
    """Cancel a task, with its children unless `recurse` is off; for its owner, its host and admins."""
    _may_cancel(ctx, task_id)
    tasks.cancel(ctx, task_id, recurse=recurse)


@export("cancelTaskChildren")
def cancel_task_children(ctx: Context, task_id: int) -> None:
    """Cancel what a task has started; for its owner, its host and admins."""
    ctx.user_id()
    _may_cancel(ctx, task_id)
    tasks.cancel_children(ctx, task_id)


@export("cancelTaskFull")
def cancel_task_full(ctx: Context, task_id: int, strict: bool = True) -> None:
    """Cancel a task and everything in its group; for admins.

    Args:
        strict: whether the task has to be the top one; else the top one is looked for.

    Raises:
        koji.GenericError: it is not and `strict`.
    """
    ctx.require("admin")
    row = tasks.task_row(ctx, task_id)
    if row["parent"] is not None and strict:
        raise koji.GenericError(f"Task {task_id} is not top-level (parent={row['parent']})")
    tasks.cancel_group(ctx, tasks.top_of(ctx, task_id))


def _may_cancel(ctx: Context, task_id: int) -> None:
    row = tasks.task_row(ctx, task_id)
    caller = ctx.session
    owns = caller is not None and caller.user_id == row["owner"]
    runs = caller is not None and caller.host_id is not None and row["state"] == tasks.OPEN
    if not owns and not (runs and caller and caller.host_id == row["host_id"]) and not ctx.has_permission("admin"):
        raise koji.ActionNotAllowed("Cannot cancel task, not owner")


@export("resubmitTask")
def resubmit_task(ctx: Context, taskID: int) -> int:
    """Make a canceled or failed top-level task anew and return the new one's id; for its owner and admins.

    Raises:
        koji.GenericError: it is neither, has a parent, or is not the caller's.
    """
    user_id = ctx.user_id()
    row = tasks.task_row(ctx, taskID)
    if row["state"] not in (tasks.CANCELED, tasks.FAILED):
        raise koji.GenericError("only canceled or failed tasks may be resubmitted")
    if row["parent"] is not None:
        raise koji.GenericError("only top-level tasks may be resubmitted")
    if row["owner"] != user_id and not ctx.has_permission("admin"):
        raise koji.GenericError("only the task owner or an admin may resubmit a task")
    channel = find_channel(ctx, row["channel_id"])["name"]
    opts = {"arch": row["arch"], "channel": channel, "priority": row["priority"]}
    return tasks.make_task(ctx, row["method"], tasks.request_of(row), **opts)


@export("freeTask")
def free_task(ctx: Context, task_id: int) -> None:
    """Take a task from its host; for admins."""
    ctx.require("admin")
    tasks.free(ctx, task_id)


@export("assignTask")
def assign_task(ctx: Context, task_id: int, host: Union[int, str], force: bool = False, override: bool = False) -> bool:
    """Assign a task to a host by hand; for admins.

    Args:
        force: also one that is not free.
        override: the scheduler is not to take it back.
    """
    ctx.require("admin")
    return scheduler.assign(
        ctx, integer(task_id, "task id"), find_host(ctx, host)["id"], force=force, override=override
    )


@export("setTaskPriority")
def set_task_priority(ctx: Context, task_id: int, priority: int, recurse: bool = True) -> None:
    """Change the priority of an unfinished task and, with `recurse`, of all below it; for admins.

    Raises:
        koji.GenericError: it has ended.
    """
    ctx.require("admin")
    row = tasks.task_row(ctx, task_id)
    if row["state"] in tasks.FINISHED:
        raise koji.GenericError("Finished task's priority can't be updated")
    below = get_task_descendents(ctx, row["id"]) if recurse else {str(row["id"]): []}
    ctx.db.update("task", {"id": [int(key) for key in below]}, priority=integer(priority, "priority"))
