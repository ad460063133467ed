# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Builds in numbers: lists by many filters, how long a package takes, which release comes next."""

from __future__ import annotations

import fnmatch
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.content import builds, names
from kojid.sandbox.hub.content.builds import COLUMNS, TABLES, States, decoded
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

MONTH = 30 * 24 * 3600.0


@export("listBuilds", reads=True)
def list_builds(
    ctx: Context,
    packageID: Optional[names.Info] = None,
    userID: Optional[names.Info] = None,
    taskID: Optional[int] = None,
    prefix: Optional[str] = None,
    state: Optional[int] = None,
    volumeID: Optional[int] = None,
    source: Optional[str] = None,
    createdBefore: Union[float, str, None] = None,
    createdAfter: Union[float, str, None] = None,
    completeBefore: Union[float, str, None] = None,
    completeAfter: Union[float, str, None] = None,
    type: Optional[str] = None,  # noqa: A002
    typeInfo: Optional[Mapping[str, Any]] = None,
    queryOpts: queries.QueryOpts = None,
    pattern: Optional[str] = None,
    cgID: Optional[names.Info] = None,
    draft: Optional[bool] = None,
) -> Any:
    """Builds, all or those that pass every filter given.

    Args:
        ctx: the call.
        packageID, userID, volumeID: of this package, owner, volume.
        taskID: made by this task; -1 for any task.
        prefix: whose package's name begins so.
        state: in this state (contract 13).
        source, pattern: whose source or NVR matches (`*`, `?`).
        createdBefore, createdAfter, completeBefore, completeAfter: seconds since 1970, or a date's text.
        type, typeInfo: of this type, with these details; they come along.
        queryOpts: order and limits.
        cgID: refused: no content generators here.
        draft: only drafts, or only others.

    Raises:
        koji.GenericError: a filter that this hub does not have.
    """
    if cgID:
        raise koji.GenericError("this hub has no content generators")
    where: Dict[str, Any] = {}
    for column, table, info in (("package.id", "package", packageID), ("users.id", "users", userID)):
        if info is not None:
            found = names.find(ctx, table, info)
            if found is None:
                return []
            where[column] = found["id"]
    given = {"build.state": state, "volume.id": volumeID, "build.draft": draft}
    where.update({column: value for column, value in given.items() if value is not None})
    if taskID is not None and taskID != -1:
        where["build.task_id"] = taskID
    rows = [row for row in _rows(ctx, where) if taskID != -1 or row["task_id"] is not None]
    if type is not None:
        rows = builds.of_type(ctx, rows, type, typeInfo)
    rows = _matching(rows, prefix, source, pattern)
    limits = {"creation_ts": (createdAfter, createdBefore), "completion_ts": (completeAfter, completeBefore)}
    return queries.apply([row for row in rows if _within(row, limits)], queryOpts)


def _rows(ctx: Context, where: Mapping[str, Any]) -> List[Row]:
    condition, params = equal(where)
    rows = ctx.db.all(f"SELECT {COLUMNS} FROM {TABLES} WHERE {condition} ORDER BY build.id", params)
    return [{key: value for key, value in decoded(row).items() if key != "id"} for row in rows]


def _matching(rows: List[Row], prefix: Optional[str], source: Optional[str], pattern: Optional[str]) -> List[Row]:
    start = (prefix or "").lower()
    rows = [row for row in rows if row["package_name"].lower().startswith(start)]
    for key, glob in (("source", source), ("nvr", pattern)):
        if glob is not None:
            rows = [row for row in rows if fnmatch.fnmatchcase((row[key] or "").lower(), glob.lower())]
    return rows


def _within(row: Row, limits: Mapping[str, Sequence[Union[float, str, None]]]) -> bool:
    for column, (after, before) in limits.items():
        value = row[column]
        if after and (value is None or value <= queries.seconds(after)):
            return False
        if before and (value is None or value >= queries.seconds(before)):
            return False
    return True


@export("getAverageBuildDuration", reads=True)
def get_average_build_duration(ctx: Context, package: names.Info, age: Optional[int] = None) -> Optional[float]:
    """How long builds of a package take on average, in seconds (contract 6.3, step 3); None when there were none.

    Args:
        ctx: the call.
        package: the package.
        age: only builds completed in the last so many months.
    """
    found = names.find(ctx, "package", package)
    since = 0.0 if age is None else time.time() - int(age) * MONTH
    average: Optional[float] = ctx.db.value(
        "SELECT avg(build.completion_time - events.time) FROM build JOIN events ON events.id = build.create_event"
        " WHERE pkg_id = ? AND state = ? AND task_id IS NOT NULL AND completion_time > ?",
        (found["id"] if found else None, States["COMPLETE"], since),
    )
    return average


@export("getNextRelease", reads=True)
def get_next_release(ctx: Context, build_info: Mapping[str, Any], incr: int = 1) -> str:
    """The release after the newest of a package's version: "1" -> "2", "1.el9" -> "2.el9", "20260101.n.1" -> "....2".

    Raises:
        koji.BuildError: the newest release has no number in a place where one is counted up.
    """
    states = (States["COMPLETE"], States["DELETED"], States["BUILDING"])
    release: Optional[str] = ctx.db.value(
        "SELECT release FROM build JOIN package ON package.id = build.pkg_id WHERE name = ? AND version = ?"
        " AND NOT draft AND state IN (?, ?, ?) ORDER BY build.id DESC LIMIT 1",
        (build_info["name"], build_info["version"], *states),
    )
    parts = (release or "0").split(".")
    place = {1: 0, 2: 0, 3: 2}.get(len(parts))
    if place is None or not parts[place].isdigit():
        raise koji.BuildError(f"Unable to increment release value: {release}")
    parts[place] = str(int(parts[place]) + int(incr))
    return ".".join(parts)
