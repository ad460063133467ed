# ruff: noqa: A002 - argument names are the ones that clients of a hub send as keywords
"""Events: the hub's history. What is versioned has rows that begin and end with an event, and none is ever lost.

A versioned table has the columns create_event, revoke_event, creator_id, revoker_id and active (1 in force, NULL
once revoked), as core.sql's host_config; these helpers keep them.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import koji

from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export


def at(event: Optional[int], table: str = "") -> str:
    """SQL condition for the rows of a versioned table in force at an event (None: now).

    Args:
        event: an event id.
        table: the table's name or alias in the statement.

    Raises:
        koji.GenericError: the event is not a number.
    """
    prefix = f"{table}." if table else ""
    if event is None:
        return f"({prefix}active = 1)"
    if isinstance(event, bool) or not isinstance(event, int):
        raise koji.GenericError(f"Invalid event: {event!r}")
    return f"({prefix}create_event <= {event} AND ({prefix}revoke_event IS NULL OR {prefix}revoke_event > {event}))"


def current(ctx: Context, table: str, event: Optional[int] = None, **where: Any) -> List[Row]:
    """The rows of a versioned table in force (now, or at an event) whose columns equal `where`."""
    condition, params = equal(where)
    return ctx.db.all(f'SELECT * FROM "{table}" WHERE {at(event)} AND {condition}', params)


def add(ctx: Context, table: str, **values: Any) -> int:
    """Put a row in force from this transaction's event on, by the calling user; return its rowid."""
    return ctx.db.insert(table, create_event=ctx.event(), creator_id=ctx.user_id(), **values)


def revoke(ctx: Context, table: str, **where: Any) -> int:
    """End the rows in force whose columns equal `where`; return how many there were."""
    found = {**where, "active": 1}
    return ctx.db.update(table, found, active=None, revoke_event=ctx.event(), revoker_id=ctx.user_id())


def replace(ctx: Context, table: str, key: Dict[str, Any], **values: Any) -> bool:
    """Have exactly one row in force for `key`, with `values`; False when that is the case already."""
    rows = current(ctx, table, **key)
    if len(rows) == 1 and all(rows[0][name] == value for name, value in values.items()):
        return False
    if rows:
        revoke(ctx, table, **key)
    add(ctx, table, **key, **values)
    return True


@export("getEvent", reads=True)
def get_event(ctx: Context, id: int) -> Row:
    """An event by its id: {id, ts}.

    Raises:
        koji.GenericError: there is none.
    """
    row = ctx.db.one("SELECT id, time AS ts FROM events WHERE id = ?", (id,))
    if row is None:
        raise koji.GenericError(f"No such event: {id!r}")
    return row


@export("getLastEvent", reads=True)
def get_last_event(ctx: Context, before: Optional[float] = None, strict: bool = True) -> Optional[Row]:
    """The newest event, or the newest before a time: {id, ts}.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    limit = float("inf") if before is None else float(before)
    row = ctx.db.one("SELECT id, time AS ts FROM events WHERE time < ? ORDER BY id DESC LIMIT 1", (limit,))
    if row is None and strict:
        raise koji.GenericError("No event found")
    return row
