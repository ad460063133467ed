# ruff: noqa: N803, A002 - argument names are the ones that clients of a hub send as keywords
"""Buildroots as a client sees them: which there are, and what was in one."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.content import buildroots
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

COLUMNS = (
    "buildroot.id, 0 AS br_type, NULL AS cg_id, NULL AS cg_name, NULL AS cg_version, buildroot.container_arch,"
    " buildroot.container_arch AS arch, buildroot.container_type, NULL AS host_os, NULL AS host_arch, NULL AS extra,"
    " buildroot.state, buildroot.task_id, host.id AS host_id, host.name AS host_name, repo.id AS repo_id,"
    " repo.state AS repo_state, tag.id AS tag_id, tag.name AS tag_name, made.id AS create_event_id,"
    " time_text(made.time) AS create_event_time, made.time AS create_ts, retired.id AS retire_event_id,"
    " time_text(retired.time) AS retire_event_time, retired.time AS retire_ts,"
    " repo_made.id AS repo_create_event_id, time_text(repo_made.time) AS repo_create_event_time"
)
TABLES = (
    "buildroot LEFT JOIN host ON host.id = buildroot.host_id LEFT JOIN repo ON repo.id = buildroot.repo_id"
    " LEFT JOIN tag ON tag.id = repo.tag_id LEFT JOIN events AS made ON made.id = buildroot.create_event"
    " LEFT JOIN events AS retired ON retired.id = buildroot.retire_event"
    " LEFT JOIN events AS repo_made ON repo_made.id = repo.create_event"
)
Numbers = Union[int, Sequence[int], None]


@export("listBuildroots", reads=True)
def list_buildroots(
    ctx: Context,
    hostID: Optional[int] = None,
    tagID: Optional[int] = None,
    state: Numbers = None,
    rpmID: Optional[int] = None,
    archiveID: Optional[int] = None,
    taskID: Optional[int] = None,
    buildrootID: Numbers = None,
    repoID: Optional[int] = None,
    queryOpts: queries.QueryOpts = None,
) -> Any:
    """Buildroots that pass every filter given.

    Args:
        ctx: the call.
        hostID, tagID, taskID, repoID: of this host, tag, task, repo.
        state: in this state, or one of these (contract 13).
        rpmID: that held this rpm.
        archiveID: that held this archive: none, as this hub holds no archives.
        buildrootID: this one, or these.
        queryOpts: order and limits.
    """
    if archiveID is not None:
        return queries.apply([], queryOpts)
    given: Dict[str, Any] = {
        "buildroot.id": buildrootID,
        "buildroot.host_id": hostID,
        "repo.tag_id": tagID,
        "buildroot.state": state,
        "buildroot.task_id": taskID,
        "buildroot.repo_id": repoID,
    }
    tables = TABLES
    if rpmID is not None:
        tables += " JOIN buildroot_listing AS listed ON listed.buildroot_id = buildroot.id"
        given["listed.rpm_id"] = rpmID
    condition, params = equal({column: value for column, value in given.items() if value is not None})
    rows = ctx.db.all(f"SELECT {COLUMNS} FROM {tables} WHERE {condition} ORDER BY buildroot.id", params)
    return queries.apply(rows, queryOpts)


@export("getBuildroot", reads=True)
def get_buildroot(ctx: Context, buildrootID: int, strict: bool = False) -> Optional[Row]:
    """One buildroot; None without one.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    found: List[Row] = list_buildroots(ctx, buildrootID=queries.integer(buildrootID, "buildrootID"))
    if not found and strict:
        raise koji.GenericError(f"No such buildroot: {buildrootID!r}")
    return found[0] if found else None


@export("getBuildrootListing", reads=True)
def get_buildroot_listing(ctx: Context, id: int) -> List[Row]:
    """What was in a buildroot.

    Raises:
        koji.GenericError: no such buildroot.
    """
    buildroots.need_buildroot(ctx, id)
    return ctx.db.all(
        "SELECT listed.rpm_id, listed.is_update, rpminfo.name, rpminfo.version, rpminfo.release, rpminfo.epoch,"
        " rpminfo.arch, rpminfo.build_id, rpminfo.draft, rpminfo.external_repo_id,"
        " external_repo.name AS external_repo_name FROM buildroot_listing AS listed"
        " JOIN rpminfo ON rpminfo.id = listed.rpm_id"
        " JOIN external_repo ON external_repo.id = rpminfo.external_repo_id WHERE listed.buildroot_id = ?",
        (id,),
    )
