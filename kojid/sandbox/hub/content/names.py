"""Things that have an id and a name: finding one by either, as every call of a hub lets its callers do."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Optional, Union

import koji

from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context

Info = Union[int, str, Mapping[str, Any]]
ALLOWED = re.compile(r"[A-Za-z0-9/_.+-]+")
LONGEST = 256


def by(info: Any) -> Dict[str, Any]:
    """The column and value that an id, a name or a dict with either stands for.

    Raises:
        koji.GenericError: it is none of these.
    """
    if isinstance(info, Mapping):
        for key in ("id", "name"):
            if key in info:
                return by(info[key])
    if isinstance(info, int) and not isinstance(info, bool):
        return {"id": info}
    if isinstance(info, str):
        return {"name": info}
    raise koji.ParameterError(f"Invalid name or id value: {info!r}")


def find(ctx: Context, table: str, info: Any, strict: bool = False, create: bool = False) -> Optional[Row]:
    """The {id, name} row of `table` that an id or name stands for.

    Args:
        ctx: the call.
        table: one with the columns id and name.
        info: id, name, or a dict with one of them.
        strict: raise when there is none.
        create: add a missing name.

    Returns:
        The row, or None.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    where = by(info)
    column, value = next(iter(where.items()))
    row = ctx.db.one(f'SELECT id, name FROM "{table}" WHERE {column} = ?', (value,))
    if row is None and create and "name" in where:
        return {"id": ctx.db.insert(table, name=value), "name": value}
    if row is None and strict:
        raise koji.GenericError(f"No such entry in table {table}: {info!r}")
    return row


def need(ctx: Context, table: str, info: Any, create: bool = False) -> Row:
    """As `find`, but there has to be one.

    Raises:
        koji.GenericError: there is none.
    """
    row = find(ctx, table, info, strict=True, create=create)
    assert row is not None
    return row


def check(name: Any) -> str:
    """A name for a new tag, target, group, package or external repository, if it may be one.

    Raises:
        koji.GenericError: it is no text, empty, too long or holds characters that a hub keeps out of names.
    """
    if not isinstance(name, str) or not name:
        raise koji.NameValidationError(f"Invalid name: {name!r}")
    if len(name) > LONGEST:
        raise koji.NameValidationError(f"Name {name} is too long. Max allowed length is {LONGEST}")
    if not ALLOWED.fullmatch(name):
        raise koji.NameValidationError(f"Name {name} contains characters other than letters, digits and /_.+-")
    return name


def arches(text: Optional[str]) -> Optional[str]:
    """A list of architectures in the form a hub keeps it, separated by single spaces; None stays None.

    Raises:
        koji.GenericError: a name has characters that no architecture has.
    """
    return None if text is None else str(koji.parse_arches(text, strict=True))
