# ruff: noqa: N803, A002 - argument names are the ones that clients of a hub send as keywords
"""Finding things by a part of their names."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Callable

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.kernel import Context, export

#: What can be searched: type -> SQL for id and name of all there is.
SOURCES = {
    "package": "SELECT id, name FROM package",
    "build": "SELECT build.id, package.name || '-' || version || '-' || release AS name"
    " FROM build JOIN package ON package.id = build.pkg_id",
    "tag": "SELECT tag.id, tag.name FROM tag JOIN tag_config ON tag_config.tag_id = tag.id WHERE active = 1",
    "target": "SELECT target.id, target.name FROM build_target AS target"
    " JOIN build_target_config AS config ON config.build_target_id = target.id WHERE active = 1",
    "user": "SELECT id, name FROM users WHERE usertype = 0",
    "host": "SELECT id, name FROM host",
    "rpm": "SELECT id, name || '-' || version || '-' || release || '.' || arch || '.rpm' AS name FROM rpminfo",
}


@export("search", reads=True)
def search(ctx: Context, terms: str, type: str, matchType: str, queryOpts: queries.QueryOpts = None) -> Any:
    """What is called so: [{id, name}].

    Args:
        ctx: the call.
        terms: what to look for.
        type: one of `SOURCES`.
        matchType: "glob" (`*`, `?`), "regexp", or anything else for the exact name.
        queryOpts: order and limits.

    Raises:
        koji.GenericError: nothing to look for, another type, or no regular expression.
    """
    if not terms:
        raise koji.GenericError("empty search terms")
    if type not in SOURCES:
        raise koji.GenericError(f"No such search type: {type}")
    matches = _matcher(terms, matchType)
    rows = [row for row in ctx.db.all(f"{SOURCES[type]} ORDER BY 1") if matches(row["name"])]
    return queries.apply(rows, queryOpts)


def _matcher(terms: str, kind: str) -> Callable[[str], bool]:
    if kind == "glob":
        return lambda name: fnmatch.fnmatchcase(name.lower(), terms.lower())
    if kind == "regexp":
        try:
            pattern = re.compile(terms, re.IGNORECASE)
        except re.error as error:
            raise koji.GenericError(f"Invalid regular expression: {terms}: {error}") from None
        return lambda name: pattern.search(name) is not None
    return lambda name: name == terms
