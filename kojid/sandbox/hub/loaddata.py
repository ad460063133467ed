"""What hubs without a scheduler told builders, who chose their tasks themselves (contract 4.4; hubs up to 1.33)."""

from __future__ import annotations

import time
from typing import List

import koji

from kojid.sandbox.hub.channels import list_channels
from kojid.sandbox.hub.database import Row, marks
from kojid.sandbox.hub.kernel import Context

_FREE = koji.TASK_STATES["FREE"]
_ASSIGNED = koji.TASK_STATES["ASSIGNED"]
_LATEST_CALL = 300.0  # seconds: a host whose session was quiet for longer does not count
_MOST_TASKS = 100


def of_all(ctx: Context, host_id: int) -> List[List[Row]]:
    """Every host that is ready, and the tasks that one of them could take; nothing for a host that is not ready."""
    hosts = _ready_hosts(ctx)
    own = next((host for host in hosts if host["id"] == host_id), None)
    return [[], []] if own is None else [hosts, _tasks_for(ctx, own)]


def _ready_hosts(ctx: Context) -> List[Row]:
    hosts = ctx.db.all(
        """SELECT h.id, h.name, c.arches, h.task_load, c.capacity
             FROM host h JOIN host_config c ON c.host_id = h.id AND c.active = 1 AND c.enabled = 1
            WHERE h.ready = 1 AND EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = h.user_id AND s.master IS NULL
                                             AND s.expired = 0 AND s.update_time > ?)
            ORDER BY h.id""",
        (time.time() - _LATEST_CALL,),
    )
    for host in hosts:
        host["channels"] = [channel["id"] for channel in list_channels(ctx, hostID=host["id"]) if channel["enabled"]]
    return hosts


def _tasks_for(ctx: Context, host: Row) -> List[Row]:
    arches = [*(host["arches"] or "").split(), "noarch"]
    channels = host["channels"]
    return ctx.db.all(
        f"""SELECT id, state, channel_id, host_id, arch, method, priority, time_text(create_time) AS create_time
              FROM task WHERE (state = ? AND host_id = ?)
                 OR (state = ? AND arch IN ({marks(arches)}) AND channel_id IN ({marks(channels)}))
             ORDER BY priority, task.create_time LIMIT ?""",
        (_ASSIGNED, host["id"], _FREE, *arches, *channels, _MOST_TASKS),
    )
