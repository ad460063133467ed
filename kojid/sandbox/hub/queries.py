"""What many answers share: the queryOpts that clients send, and looking things up by name or number."""

from __future__ import annotations

import datetime
from typing import Any, Iterable, List, Mapping, Optional, Tuple, Union

import koji

from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context

NameOrId = Union[int, str, Mapping[str, Any]]
QueryOpts = Optional[Mapping[str, Any]]


def ordering(opts: QueryOpts, columns: Iterable[str], default: str = "id") -> str:
    """The ORDER BY, LIMIT and OFFSET of an SQL statement, from a client's queryOpts.

    Args:
        opts: may hold `order` (names separated by commas, "-" before one for descending), `limit`, `offset`.
        columns: the names that may be ordered by.
        default: what is ordered by when the client does not say.

    Raises:
        koji.GenericError: a name that is not one of `columns`.
    """
    opts = opts or {}
    allowed = set(columns)
    parts: List[str] = []
    for item in str(opts.get("order") or default).split(","):
        name = item.strip()
        direction = "DESC NULLS FIRST" if name.startswith("-") else "ASC NULLS LAST"
        name = name.lstrip("-")
        if name not in allowed:
            raise koji.GenericError(f"Invalid order: {name}")
        parts.append(f'"{name}" {direction}')
    text = f"ORDER BY {', '.join(parts)}"
    if opts.get("limit") is not None or opts.get("offset") is not None:
        limit = opts.get("limit")
        text += f" LIMIT {-1 if limit is None else int(limit)} OFFSET {int(opts.get('offset') or 0)}"
    return text


def apply(rows: List[Row], opts: QueryOpts) -> Any:
    """Order and cut a finished list as queryOpts say; `countOnly` gives the number that is left.

    Args:
        rows: dicts; a value that is None counts as greater than all others, as in a hub's database.
    """
    opts = opts or {}
    for item in reversed([part.strip() for part in str(opts.get("order") or "").split(",") if part.strip()]):
        name = item.lstrip("-")
        if rows and name not in rows[0]:
            raise koji.GenericError(f"Invalid order: {name}")
        rows = sorted(rows, key=lambda row: _sortable(row[name]), reverse=item.startswith("-"))
    rows = rows[int(opts.get("offset") or 0) :]
    if opts.get("limit") is not None:
        rows = rows[: int(opts["limit"])]
    return len(rows) if opts.get("countOnly") else rows


def _sortable(value: Any) -> Tuple[bool, Any]:
    return (value is None, 0 if value is None else value)


def name_or_id(info: NameOrId, table: str = "") -> Tuple[str, Any]:
    """SQL condition and its one parameter for something a client names by id, name, or a dict with either.

    Raises:
        koji.ParameterError: it is none of these.
    """
    prefix = f"{table}." if table else ""
    if isinstance(info, Mapping):
        if info.get("id") is not None:
            return name_or_id(info["id"], table)
        if info.get("name") is not None:
            return name_or_id(str(info["name"]), table)
    if isinstance(info, int) and not isinstance(info, bool):
        return f"{prefix}id = ?", info
    if isinstance(info, str):
        return f"{prefix}name = ?", info
    raise koji.ParameterError(f"Invalid name or id value: {info!r}")


def row_of(ctx: Context, table: str, info: NameOrId, what: str) -> Row:
    """The row of a table with `id` and `name` columns that a client names.

    Raises:
        koji.GenericError: there is none.
    """
    condition, value = name_or_id(info)
    row = ctx.db.one(f'SELECT * FROM "{table}" WHERE {condition}', (value,))
    if row is None:
        raise koji.GenericError(f"No such {what}: {info!r}")
    return row


def seconds(moment: Union[float, str]) -> float:
    """A time that a client gives, as seconds since 1970 or as ISO text (UTC unless it says otherwise).

    Raises:
        koji.ParameterError: it is no time.
    """
    if isinstance(moment, (int, float)):
        return float(moment)
    try:
        parsed = datetime.datetime.fromisoformat(str(moment))
    except ValueError:
        raise koji.ParameterError(f"Invalid time: {moment!r}") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=datetime.timezone.utc)
    return parsed.timestamp()


def integer(value: Any, what: str) -> int:
    """A whole number from a client.

    Raises:
        koji.ParameterError: it is none.
    """
    try:
        return int(value)
    except (TypeError, ValueError):
        raise koji.ParameterError(f"Invalid type for {what} {value!r}: {type(value)}") from None
