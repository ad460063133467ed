"""What the scheduler did and knows, for clients: scheduler.* (`koji scheduler-info`, `scheduler-logs`)."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import queries, scheduler
from kojid.sandbox.hub.database import Row, marks
from kojid.sandbox.hub.kernel import Context, export

Clauses = Optional[Sequence[Sequence[Any]]]
Fields = Union[None, str, Sequence[str]]

_SHARED = {
    "method": "task.method",
    "state": "task.state",
    "owner": "task.owner",
    "arch": "task.arch",
    "channel_id": "task.channel_id",
    "host_name": "host.name",
    "host_ready": "host.ready",
}
_RUNS = {
    **{name: f"r.{name}" for name in ("id", "task_id", "host_id", "active")},
    "create_ts": "r.create_time",
    "start_ts": "task.start_time",
    "completion_ts": "task.completion_time",
    **_SHARED,
}
_REFUSALS = {
    **{name: f"r.{name}" for name in ("id", "task_id", "host_id", "by_host", "soft", "msg")},
    "ts": "r.time",
    **_SHARED,
}
_MESSAGES = {
    **{name: f"r.{name}" for name in ("id", "task_id", "host_id", "msg")},
    "msg_ts": "r.msg_time",
    **_SHARED,
}
_OPERATORS = frozenset({"IN", "=", "!=", ">", "<", ">=", "<=", "IS", "IS NOT"})


@export("scheduler.getTaskRuns", reads=True)
def get_task_runs(
    ctx: Context, clauses: Clauses = None, fields: Fields = None, opts: queries.QueryOpts = None
) -> List[Row]:
    """The assignments that the scheduler made.

    Args:
        clauses: [field, value] or [field, operator, value] each; all have to hold.
        fields: names of the wanted fields; "*" is all.
        opts: queryOpts.
    """
    default = ("id", "task_id", "host_id", "active", "create_ts")
    return _view(ctx, "scheduler_task_runs", _RUNS, default, clauses, fields, opts)


@export("scheduler.getTaskRefusals", reads=True)
def get_task_refusals(ctx: Context, clauses: Clauses = None, fields: Fields = None) -> List[Row]:
    """Which tasks are kept from which hosts; arguments as scheduler.getTaskRuns."""
    default = ("id", "task_id", "host_id", "by_host", "soft", "msg", "ts")
    return _view(ctx, "scheduler_task_refusals", _REFUSALS, default, clauses, fields, None)


@export("scheduler.getLogMessages", reads=True)
def get_log_messages(
    ctx: Context, clauses: Clauses = None, fields: Fields = None, opts: queries.QueryOpts = None
) -> List[Row]:
    """The scheduler's log; arguments as scheduler.getTaskRuns."""
    default = ("id", "task_id", "host_id", "msg", "msg_ts")
    return _view(ctx, "scheduler_log_messages", _MESSAGES, default, clauses, fields, opts)


@export("scheduler.getHostData", reads=True)
def get_host_data(ctx: Context, hostID: Optional[int] = None) -> List[Row]:
    """What hosts reported of themselves: [{host_id, data}], data as JSON text."""
    where, params = ("host_id = ?", [hostID]) if hostID is not None else ("1", [])
    return ctx.db.all(f"SELECT host_id, data FROM scheduler_host_data WHERE {where} ORDER BY host_id", params)


@export("scheduler.doRun")
def do_run(ctx: Context, force: bool = False) -> bool:
    """Run the scheduler now, with `force` also right after a run; for admins."""
    ctx.require("admin")
    return scheduler.run(ctx, force=force)


def _view(
    ctx: Context,
    table: str,
    columns: Mapping[str, str],
    default: Sequence[str],
    clauses: Clauses,
    fields: Fields,
    opts: queries.QueryOpts,
) -> List[Row]:
    wanted = _wanted(columns, default, fields)
    where: List[str] = ["1"]
    params: List[Any] = []
    for clause in clauses or ():
        sql, values = _clause(columns, clause)
        where.append(sql)
        params += values
    selected = ", ".join(f'{sql} AS "{name}"' for name, sql in wanted.items())
    order = queries.ordering(opts, columns)
    for name, sql in columns.items():
        order = order.replace(f'"{name}"', sql)
    return ctx.db.all(
        f"""SELECT {selected} FROM {table} r LEFT JOIN task ON task.id = r.task_id
              LEFT JOIN host ON host.id = r.host_id WHERE {" AND ".join(where)} {order}""",
        params,
    )


def _wanted(columns: Mapping[str, str], default: Sequence[str], fields: Fields) -> Dict[str, str]:
    names = [fields] if isinstance(fields, str) else list(fields or default)
    if "*" in names or "**" in names:
        names = list(columns)
    return {name: _column(columns, name) for name in names}


def _column(columns: Mapping[str, str], name: str) -> str:
    if name not in columns:
        raise koji.ParameterError(f"Invalid field for query {name}")
    return columns[name]


def _clause(columns: Mapping[str, str], clause: Sequence[Any]) -> Any:
    if len(clause) not in (2, 3):
        raise koji.ParameterError(f"Invalid clause: {clause}")
    column, value = _column(columns, clause[0]), clause[-1]
    implied = "IN" if isinstance(value, (list, tuple)) else "="
    operator = str(clause[1]).upper() if len(clause) == 3 else implied
    if operator not in _OPERATORS:
        raise koji.ParameterError(f"Invalid operator: {operator}")
    if operator == "IN":
        return f"{column} IN ({marks(value)})", list(value)
    return f"{column} {operator} ?", [value]
