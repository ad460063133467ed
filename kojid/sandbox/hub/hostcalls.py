"""What a builder calls about itself and the life of its tasks: host.* (contract 4 and 12)."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, List, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import loaddata, releases, scheduler, tasks
from kojid.sandbox.hub.channels import list_channels
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.hosts import find_host
from kojid.sandbox.hub.kernel import Context, export

logger = logging.getLogger("kojid.sandbox.hub")


@export("host.getID", reads=True)
def get_id(ctx: Context) -> int:
    """The calling host's id."""
    return ctx.host()


@export("host.getHost", reads=True)
def get_host(ctx: Context) -> Row:
    """The calling host (contract 4.2 lists the keys)."""
    return find_host(ctx, ctx.host())


@export("host.updateHost")
def update_host(ctx: Context, task_load: float, ready: bool, data: Optional[Row] = None) -> None:
    """Report load and readiness; `data` holds the host's task methods and maxjobs (contract 4.3)."""
    host_id = ctx.host()
    load = float(task_load)
    ctx.db.update("host", {"id": host_id}, task_load=load, ready=bool(ready), update_time=time.time())
    if data is not None:
        scheduler.set_host_data(ctx, host_id, data)


@export("host.setHostData")
def set_host_data(ctx: Context, hostdata: Union[str, Row]) -> None:
    """Report the host's methods and maxjobs, as a dict or its JSON text (hubs of release 1.34)."""
    host_id = ctx.host()
    scheduler.set_host_data(ctx, host_id, json.loads(hostdata) if isinstance(hostdata, str) else hostdata)


@export("host.getTasks")
def get_tasks(ctx: Context) -> List[Row]:
    """The tasks assigned to the calling host; the scheduler may run in this call (contract 4.3)."""
    return scheduler.assigned_tasks(ctx, ctx.host())


@export("host.getLoadData")
def get_load_data(ctx: Context) -> List[List[Row]]:
    """What older builders choose from: the calling host with its channels, and its tasks (contract 4.4).

    Hubs before 1.34 tell of all hosts that are ready, and of the free tasks that the calling one could do.
    """
    if not releases.has(ctx.settings.version, releases.SCHEDULER):
        return loaddata.of_all(ctx, ctx.host())
    host = find_host(ctx, ctx.host())
    host["channels"] = [channel["id"] for channel in list_channels(ctx, hostID=host["id"])]
    return [[host], scheduler.assigned_tasks(ctx, host["id"])]


@export("host.getHostTasks", reads=True)
def get_host_tasks(ctx: Context) -> List[Row]:
    """The calling host's open tasks; `alert` is set where one that is waited for has ended (contract 4.5)."""
    rows = ctx.db.all(
        """SELECT t.id, t.waiting, t.weight,
                  t.waiting AND EXISTS (SELECT 1 FROM task c WHERE c.parent = t.id AND c.awaited = 1
                                           AND c.state IN (?, ?, ?)) AS alert
             FROM task t WHERE t.host_id = ? AND t.state = ? ORDER BY t.id""",
        (*tasks.FINISHED, ctx.host(), tasks.OPEN),
    )
    for row in rows:
        if row.pop("alert"):
            row["alert"] = True
    return rows


@export("host.openTask")
def open_task(ctx: Context, task_id: int) -> Optional[Row]:
    """Open a task; its row with the raw request, or None when another was faster (contract 4.5)."""
    return tasks.open_task(ctx, task_id, ctx.host())


@export("host.closeTask")
def close_task(ctx: Context, task_id: int, response: str) -> None:
    """End a task well with its result, an XML-RPC response."""
    ctx.owned_task(task_id)
    tasks.finish(ctx, task_id, response, tasks.CLOSED)


@export("host.failTask")
def fail_task(ctx: Context, task_id: int, response: str) -> None:
    """End a task badly with its fault, an XML-RPC response."""
    ctx.owned_task(task_id)
    tasks.finish(ctx, task_id, response, tasks.FAILED)


@export("host.freeTasks")
def free_tasks(ctx: Context, tasks: Sequence[int]) -> None:
    """Give tasks back; those that are not this host's are left alone without a word."""
    host_id = ctx.host()
    for task_id in tasks:
        _free_if_owned(ctx, task_id, host_id)


def _free_if_owned(ctx: Context, task_id: int, host_id: int) -> None:
    row = tasks.task_row(ctx, task_id)
    if row["state"] == tasks.OPEN and row["host_id"] == host_id:
        tasks.free(ctx, task_id)


@export("host.refuseTask")
def refuse_task(ctx: Context, task_id: int, soft: bool = True, msg: str = "") -> None:
    """Give a task back and have it kept from this host: for a while when soft, else for good (contract 4.5)."""
    host_id = ctx.host()
    row = tasks.task_row(ctx, task_id)
    if row["host_id"] != host_id:
        logger.warning("host %s refused task %s, which it does not have", host_id, task_id)
        return
    scheduler.refuse(ctx, row["id"], host_id, soft=bool(soft), by_host=True, msg=str(msg))
    tasks.free(ctx, row["id"])


@export("host.setTaskWeight")
def set_task_weight(ctx: Context, task_id: int, weight: float) -> None:
    """Say how much of the host's capacity a task takes (contract 4.8)."""
    row = ctx.owned_task(task_id)
    ctx.db.update("task", {"id": row["id"]}, weight=float(weight))


@export("host.subtask")
def subtask(ctx: Context, method: str, arglist: Sequence[Any], parent: int, **opts: Any) -> int:
    """Start a child task, or find the one with this label that was started before (contract 5.3).

    Raises:
        koji.ActionNotAllowed: the parent is not open on this host, or `owner` is given.
    """
    ctx.owned_task(parent)
    if "owner" in opts:
        raise koji.ActionNotAllowed("The owner option is not allowed here")
    if opts.get("label") is not None:
        known = ctx.db.value("SELECT id FROM task WHERE parent = ? AND label = ?", (parent, opts["label"]))
        if known:
            return int(known)
    if "kwargs" in opts:
        arglist = koji.encode_args(*arglist, **opts.pop("kwargs"))
    return tasks.make_task(ctx, method, arglist, parent=parent, **opts)


@export("host.subtask2")
def subtask2(ctx: Context, __parent: int, __taskopts: Row, __method: str, *args: Any, **opts: Any) -> int:
    """As host.subtask, with the child's own arguments in the call."""
    return subtask(ctx, __method, koji.encode_args(*args, **opts), __parent, **__taskopts)
