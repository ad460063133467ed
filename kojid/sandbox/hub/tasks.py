"""Tasks: their rows, how one is made, and every change of state that a hub allows."""

from __future__ import annotations

import time
from typing import Any, List, Optional, Sequence

import koji

from kojid.sandbox.hub import scheduler
from kojid.sandbox.hub.channels import find_channel
from kojid.sandbox.hub.database import Row, time_text
from kojid.sandbox.hub.hosts import find_host
from kojid.sandbox.hub.kernel import Context
from kojid.sandbox.hub.queries import integer
from kojid.sandbox.hub.users import find_user

FREE: int = koji.TASK_STATES["FREE"]
OPEN: int = koji.TASK_STATES["OPEN"]
CLOSED: int = koji.TASK_STATES["CLOSED"]
CANCELED: int = koji.TASK_STATES["CANCELED"]
ASSIGNED: int = koji.TASK_STATES["ASSIGNED"]
FAILED: int = koji.TASK_STATES["FAILED"]
FINISHED = (CLOSED, CANCELED, FAILED)

_PLAIN = (
    "arch",
    "awaited",
    "channel_id",
    "host_id",
    "id",
    "label",
    "method",
    "owner",
    "parent",
    "priority",
    "state",
    "waiting",
    "weight",
)
_OPTIONS = frozenset({"parent", "label", "owner", "channel", "arch", "priority", "assign"})


def task_row(ctx: Context, task_id: Any) -> Row:
    """The row of a task.

    Raises:
        koji.GenericError: there is no such task.
        koji.ParameterError: this is no task id.
    """
    row = ctx.db.one("SELECT * FROM task WHERE id = ?", (integer(task_id, "task id"),))
    if row is None:
        raise koji.GenericError(f"No such task: {task_id}")
    return row


def describe(row: Row, *, request: bool = False) -> Row:
    """A task as a hub's answers show it; with its decoded request if wanted."""
    shown: Row = {name: row[name] for name in _PLAIN}
    for name in ("create", "start", "completion"):
        shown[f"{name}_time"] = time_text(row[f"{name}_time"])
        shown[f"{name}_ts"] = row[f"{name}_time"]
    if request:
        shown["request"] = request_of(row)
    return shown


def request_of(row: Row) -> List[Any]:
    """The parameters that a task was made with."""
    params, _method = koji.xmlrpcplus.loads(row["request"])
    return list(params)


def result_of(row: Row, *, raise_fault: bool = True) -> Any:
    """The result of a finished task; a failed one's fault is raised, or given as a dict.

    Raises:
        koji.GenericError: the task was canceled or is not finished.
        xmlrpc.client.Fault: the fault it failed with.
    """
    if row["state"] == CANCELED:
        raise koji.GenericError(f"Task {row['id']} is canceled")
    if row["state"] not in FINISHED:
        raise koji.GenericError(f"Task {row['id']} is not finished")
    try:
        result, _method = koji.xmlrpcplus.loads(row["result"])
    except koji.xmlrpcplus.Fault as fault:
        if raise_fault:
            raise
        return {"faultCode": fault.faultCode, "faultString": fault.faultString}
    return result[0]


def make_task(ctx: Context, method: str, arglist: Sequence[Any], **opts: Any) -> int:
    """Make a task and return its id (contract 5.3).

    Args:
        method: what it is to do.
        arglist: its parameters; `koji.encode_args` puts keyword ones at the end.
        **opts: parent, label, owner (id or name), priority, channel (id or name), arch, assign (host id or name).

    Raises:
        koji.GenericError: no such parent, owner, channel or host; the parent is not open; the channel disabled.
        koji.ParameterError: an option that does not exist, or of the wrong type.
    """
    unknown = sorted(set(opts) - _OPTIONS)
    if unknown:
        raise koji.ParameterError(f"Invalid task option: {', '.join(unknown)}")
    if not isinstance(method, str):
        raise koji.ParameterError(f"Invalid type for value '{method}': {type(method)}, expected type {str}")
    parent = _open_parent(ctx, opts.get("parent"))
    values = _inherited(ctx, parent, opts)
    values["channel_id"] = _channel_id(ctx, method, arglist, {**opts, **values}, parent)
    values["request"] = koji.xmlrpcplus.dumps(tuple(arglist), methodname=method)
    if opts.get("assign") is not None:
        values.update(state=ASSIGNED, host_id=find_host(ctx, opts["assign"])["id"])
    task_id = ctx.db.insert("task", method=method, create_time=time.time(), **values)
    scheduler.refuse_by_arch(ctx, task_row(ctx, task_id))
    return task_id


def _open_parent(ctx: Context, parent_id: Any) -> Optional[Row]:
    if parent_id is None:
        return None
    row = ctx.db.one("SELECT * FROM task WHERE id = ?", (integer(parent_id, "parent"),))
    if row is None:
        raise koji.GenericError(f"Invalid parent task: {parent_id}")
    if row["state"] != OPEN:
        raise koji.GenericError(f"Parent task (id {parent_id}) is not open")
    return row


def _inherited(ctx: Context, parent: Optional[Row], opts: Row) -> Row:
    """Owner, arch, priority and label: as asked for, else from the parent, else the defaults."""
    if parent is None:
        owner = ctx.user_id() if opts.get("owner") is None else find_user(ctx, opts["owner"])["id"]
        defaults = {"owner": owner, "arch": "noarch", "priority": koji.PRIO_DEFAULT}
    else:
        defaults = {name: parent[name] for name in ("owner", "arch")}
        defaults["priority"] = parent["priority"] - 1
    arch = koji.parse_arches(opts["arch"], strict=True, allow_none=True) if "arch" in opts else None
    priority = opts.get("priority")
    label = opts.get("label")
    if label is not None and not isinstance(label, str):
        raise koji.ParameterError(f"Invalid type for value '{label}': {type(label)}, expected type {str}")
    return {
        "owner": defaults["owner"] if opts.get("owner") is None else find_user(ctx, opts["owner"])["id"],
        "arch": arch or defaults["arch"],
        "priority": defaults["priority"] if priority is None else integer(priority, "priority"),
        "label": label if parent else None,
        "parent": parent["id"] if parent else None,
    }


def _channel_id(ctx: Context, method: str, arglist: Sequence[Any], opts: Row, parent: Optional[Row]) -> int:
    from kojid.sandbox.hub.content import policy

    facts = {name: opts[name] for name in ("arch", "label", "owner")}
    name = policy.choose_channel(
        ctx, method, arglist, requested=opts.get("channel"), parent=parent, user_id=opts["owner"], **facts
    )
    return int(find_channel(ctx, name)["id"])


def assign(ctx: Context, task_id: int, host_id: int, *, force: bool = False) -> bool:
    """Hand a free task (with `force` any) to a host; False when it is not to be had."""
    row = task_row(ctx, task_id)
    if not force and row["state"] != FREE:
        return bool(row["state"] == ASSIGNED and row["host_id"] == host_id)
    ctx.db.update("task", {"id": task_id}, state=ASSIGNED, host_id=host_id)
    return True


def open_task(ctx: Context, task_id: int, host_id: int) -> Optional[Row]:
    """Open a task that is free or assigned to this host; None when it is not to be had (contract 4.5)."""
    row = task_row(ctx, task_id)
    if row["state"] != FREE and (row["state"] != ASSIGNED or row["host_id"] != host_id):
        return None
    ctx.db.update("task", {"id": task_id}, state=OPEN, host_id=host_id, start_time=time.time())
    row = task_row(ctx, task_id)
    return {**describe(row), "request": row["request"]}


def free(ctx: Context, task_id: int) -> bool:
    """Give a task back, so that it runs anew, here or elsewhere.

    Raises:
        koji.GenericError: it is finished.
    """
    row = task_row(ctx, task_id)
    if row["state"] in FINISHED:
        raise koji.GenericError(f"Cannot free task {task_id}, state is {koji.TASK_STATES[row['state']]}")
    ctx.db.update("task", {"id": task_id}, state=FREE, host_id=None)
    return True


def finish(ctx: Context, task_id: int, result: str, state: int) -> None:
    """End a task as CLOSED or FAILED with its result, an XML-RPC response (contract 5.1)."""
    ctx.db.update("task", {"id": task_id}, state=state, result=result, completion_time=time.time())


def cancel(ctx: Context, task_id: int, *, recurse: bool = True) -> bool:
    """Cancel a task, the build that it makes, and its children; False when it has ended otherwise."""
    row = task_row(ctx, task_id)
    if row["state"] in FINISHED:
        return bool(row["state"] == CANCELED)
    ctx.db.update("task", {"id": task_id}, state=CANCELED, completion_time=time.time())
    _cancel_builds(ctx, task_id)
    if recurse:
        cancel_children(ctx, task_id)
    return True


def cancel_children(ctx: Context, task_id: int) -> None:
    """Cancel what a task has started, and what that has started."""
    for child_id in children_of(ctx, task_id):
        cancel(ctx, child_id)


def top_of(ctx: Context, task_id: int) -> int:
    """The task that a task's whole group began with."""
    row = task_row(ctx, task_id)
    while row["parent"] is not None:
        row = task_row(ctx, row["parent"])
    return int(row["id"])


def cancel_group(ctx: Context, task_id: int) -> None:
    """Cancel a task and everything below it, also where a task in between has ended already."""
    cancel(ctx, task_id, recurse=False)
    for child_id in children_of(ctx, task_id):
        cancel_group(ctx, child_id)


def children_of(ctx: Context, task_id: int) -> List[int]:
    """The ids of a task's children."""
    return ctx.db.values("SELECT id FROM task WHERE parent = ? ORDER BY id", (task_id,))


def _cancel_builds(ctx: Context, task_id: int) -> None:
    from kojid.sandbox.hub.content import buildstates

    building = koji.BUILD_STATES["BUILDING"]
    found = ctx.db.values("SELECT id FROM build WHERE task_id = ? AND state = ?", (task_id, building))
    for build_id in found:
        buildstates.cancel_build(ctx, build_id)
