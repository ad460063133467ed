"""listTasks: tasks by what they are, whose they are and when they were."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Tuple

import koji

from kojid.sandbox.hub import queries, tasks
from kojid.sandbox.hub.database import Row, marks
from kojid.sandbox.hub.kernel import Context, export

_EQUAL = ("arch", "state", "owner", "host_id", "channel_id", "parent", "method")
_TIMES = {
    "createdBefore": ("create_time", "<"),
    "createdAfter": ("create_time", ">"),
    "startedBefore": ("start_time", "<"),
    "startedAfter": ("start_time", ">"),
    "completeBefore": ("completion_time", "<"),
    "completeAfter": ("completion_time", ">"),
    "completedBefore": ("completion_time", "<"),
    "completedAfter": ("completion_time", ">"),
}
_ORDER = (
    "id",
    "state",
    "create_time",
    "start_time",
    "completion_time",
    "channel_id",
    "host_id",
    "parent",
    "label",
    "owner",
    "method",
    "arch",
    "priority",
    "weight",
)
Condition = Tuple[str, List[Any]]


@export("listTasks", reads=True)
def list_tasks(ctx: Context, opts: Optional[Mapping[str, Any]] = None, queryOpts: queries.QueryOpts = None) -> Any:
    """The tasks that meet all of `opts`, or their number with queryOpts' `countOnly`.

    Args:
        opts: arch, state, owner, host_id, channel_id, parent, method (a value, a list of them, or None) and
            each with `not_` before it; createdBefore/After, startedBefore/After, completeBefore/After (seconds
            or ISO text); `decode` gives request and result as values instead of XML.
        queryOpts: order, limit, offset, countOnly.

    Raises:
        koji.GenericError: an order that there is not.
    """
    conditions = list(_conditions(opts or {}))
    where = " AND ".join(["1", *(sql for sql, _ in conditions)])
    params = [value for _, values in conditions for value in values]
    if (queryOpts or {}).get("countOnly"):
        return ctx.db.value(f"SELECT count(*) FROM task t WHERE {where}", params)
    sql = f"""SELECT t.*, u.name AS owner_name, u.usertype AS owner_type
                FROM task t LEFT JOIN users u ON u.id = t.owner WHERE {where} {_ordering(queryOpts)}"""
    decode = bool((opts or {}).get("decode"))
    return [_listed(row, decode) for row in ctx.db.all(sql, params)]


def _conditions(opts: Mapping[str, Any]) -> List[Condition]:
    found: List[Condition] = []
    for name in _EQUAL:
        if name in opts:
            found.append(_any_of(name, opts[name], negate=False))
        if f"not_{name}" in opts:
            found.append(_any_of(name, opts[f"not_{name}"], negate=True))
    for name, (column, comparison) in _TIMES.items():
        if opts.get(name) is not None:
            found.append((f"t.{column} {comparison} ?", [queries.seconds(opts[name])]))
    return found


def _any_of(column: str, value: Any, *, negate: bool) -> Condition:
    no = "NOT " if negate else ""
    if value is None:
        return f"t.{column} IS {no}NULL", []
    members = list(value) if isinstance(value, (list, tuple)) else [value]
    return f"t.{column} {no}IN ({marks(members)})", members


def _ordering(opts: queries.QueryOpts) -> str:
    text = queries.ordering(opts, _ORDER)
    return text.replace('"id"', "t.id").replace('"state"', "t.state")


def _listed(row: Row, decode: bool) -> Row:
    shown = tasks.describe(row)
    for name in ("request", "result"):
        shown[name] = _decoded(row[name]) if decode and row[name] else row[name]
    shown["owner_name"] = row["owner_name"]
    shown["owner_type"] = row["owner_type"]
    return shown


def _decoded(text: str) -> Any:
    """The values of a request or result; a fault as the struct that a hub's answer makes of it."""
    try:
        values, _method = koji.xmlrpcplus.loads(text)
    except koji.xmlrpcplus.Fault as fault:
        return {"faultCode": fault.faultCode, "faultString": fault.faultString}
    return values
