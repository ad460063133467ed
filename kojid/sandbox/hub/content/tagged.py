# ruff: noqa: A002 - argument names are the ones that clients of a hub send as keywords
"""What is in a tag: builds and their rpms, with inheritance, now or at an event."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from kojid.sandbox.hub import events
from kojid.sandbox.hub.content import builds, inheritance, names, packages, tags
from kojid.sandbox.hub.content.rpms import decoded
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

BUILD_COLUMNS = (
    "tag.id AS tag_id, tag.name AS tag_name, build.id, build.id AS build_id, build.version, build.release,"
    " build.epoch, build.state, time_text(build.completion_time) AS completion_time, NULL AS promotion_time,"
    " time_text(build.start_time) AS start_time, build.task_id, build.draft, build.extra, users.id AS owner_id,"
    " users.name AS owner_name, NULL AS promoter_id, NULL AS promoter_name, events.id AS creation_event_id,"
    " time_text(events.time) AS creation_time, volume.id AS volume_id, volume.name AS volume_name,"
    " package.id AS package_id, package.name AS package_name, package.name,"
    " package.name || '-' || build.version || '-' || build.release AS nvr, listed.create_event"
)
BUILD_TABLES = (
    "tag_listing AS listed JOIN tag ON tag.id = listed.tag_id JOIN build ON build.id = listed.build_id"
    " JOIN events ON events.id = build.create_event JOIN package ON package.id = build.pkg_id"
    " JOIN volume ON volume.id = build.volume_id JOIN users ON users.id = build.owner"
)
RPM_COLUMNS = (
    "rpminfo.name, rpminfo.version, rpminfo.release, rpminfo.arch, rpminfo.id, rpminfo.epoch, rpminfo.draft,"
    " rpminfo.payloadhash, rpminfo.size, rpminfo.buildtime, rpminfo.buildroot_id, rpminfo.build_id,"
    " rpminfo.metadata_only, rpminfo.extra"
)
COMPLETE = 1
BATCH = 500
Latest = Union[bool, int]


def builds_in(
    ctx: Context,
    tag_id: int,
    event: Optional[int] = None,
    *,
    inherit: bool = False,
    latest: Latest = False,
    package: Optional[str] = None,
    owner: Optional[str] = None,
    type: Optional[str] = None,
    draft: Optional[bool] = None,
) -> List[Row]:
    """The builds in a tag whose packages it lists and does not block, the most recently tagged first.

    Args:
        ctx: the call.
        tag_id: the tag.
        event: as it was then.
        inherit: also those of the tags that it inherits from, after its own.
        latest: only the first build of each package, or the first so many.
        package, owner: only of this package's, this user's name.
        type: only builds that have this type of content, with what lists tell of it.
        draft: only drafts, or only others.
    """
    where: Dict[str, Any] = {"build.state": COMPLETE}
    given = {"package.name": package, "users.name": owner, "build.draft": draft}
    where.update({column: value for column, value in given.items() if value is not None})
    listed = packages.listing(ctx, tag_id, None, event)
    limit = None if not latest else 1 if latest is True else int(latest)
    found: List[Row] = []
    seen: Dict[int, int] = {}
    for member in inheritance.lineage(ctx, tag_id, event) if inherit else [tag_id]:
        rows = _of_tag(ctx, {**where, "listed.tag_id": member}, event)
        for row in rows if type is None else builds.of_type(ctx, rows, type):
            entry = listed.get(row["package_id"])
            if entry is None or entry["blocked"]:
                continue
            seen[row["package_id"]] = seen.get(row["package_id"], 0) + 1
            if limit is None or seen[row["package_id"]] <= limit:
                found.append(row)
    return found


def _of_tag(ctx: Context, where: Dict[str, Any], event: Optional[int]) -> List[Row]:
    condition, params = equal(where)
    return ctx.db.all(
        f"SELECT {BUILD_COLUMNS} FROM {BUILD_TABLES} WHERE {events.at(event, 'listed')} AND {condition}"
        " ORDER BY listed.create_event DESC, build.id DESC",
        params,
    )


def tagged_with(ctx: Context, tag_id: int, event: Optional[int] = None) -> List[Row]:
    """The complete builds in one tag itself, the most recently tagged first."""
    return _of_tag(ctx, {"build.state": COMPLETE, "listed.tag_id": tag_id}, event)


def rpms_of(
    ctx: Context,
    builds: Sequence[Row],
    arch: Union[str, Sequence[str], None] = None,
    rpmsigs: bool = False,
    extra: bool = True,
) -> List[Row]:
    """The rpms of builds, those of the first build first.

    Args:
        ctx: the call.
        builds: rows with `id`.
        arch: only of these architectures.
        rpmsigs: one row for each of an rpm's signatures, with its `sigkey`.
        extra: whether rows come with `extra`.
    """
    columns, tables = RPM_COLUMNS, "rpminfo"
    if rpmsigs:
        columns += ", rpmsigs.sigkey"
        tables += " LEFT JOIN rpmsigs ON rpmsigs.rpm_id = rpminfo.id"
    place = {build["id"]: number for number, build in reversed(list(enumerate(builds)))}
    ids, found = list(place), []
    for start in range(0, len(ids), BATCH):  # SQLite takes only so many parameters at once
        where: Dict[str, Any] = {"rpminfo.build_id": ids[start : start + BATCH]}
        if arch is not None:
            where["rpminfo.arch"] = arch
        condition, params = equal(where)
        found += ctx.db.all(f"SELECT {columns} FROM {tables} WHERE {condition}", params)
    found.sort(key=lambda row: (place[row["build_id"]], row["id"]))
    return [decoded(row) if extra else _without(row, "extra") for row in found]


def _without(row: Row, key: str) -> Row:
    return {name: value for name, value in row.items() if name != key}


def _with_extra(builds: List[Row], wanted: bool) -> List[Row]:
    if not wanted:
        return [_without(build, "extra") for build in builds]
    return [{**build, "extra": json.loads(build["extra"]) if build["extra"] else None} for build in builds]


@export("listTagged", reads=True)
def list_tagged(
    ctx: Context,
    tag: names.Info,
    event: Optional[int] = None,
    inherit: bool = False,
    prefix: Optional[str] = None,
    latest: Latest = False,
    package: Optional[str] = None,
    owner: Optional[str] = None,
    type: Optional[str] = None,
    strict: bool = True,
    extra: bool = False,
    draft: Optional[bool] = None,
) -> List[Row]:
    """The builds in a tag, as `builds_in`; `prefix` keeps packages whose names begin so, `extra` adds that of builds.

    Raises:
        koji.GenericError: no such tag and `strict`.
    """
    found = tags.get_tag(ctx, tag, strict, event)
    if found is None:
        return []
    filters: Dict[str, Any] = {"package": package, "owner": owner, "type": type, "draft": draft}
    builds = builds_in(ctx, found["id"], event, inherit=inherit, latest=latest, **filters)
    start = (prefix or "").lower()
    return _with_extra([build for build in builds if build["package_name"].lower().startswith(start)], extra)


@export("listTaggedRPMS", reads=True)
def list_tagged_rpms(
    ctx: Context,
    tag: names.Info,
    event: Optional[int] = None,
    inherit: bool = False,
    latest: Latest = False,
    package: Optional[str] = None,
    arch: Union[str, Sequence[str], None] = None,
    rpmsigs: bool = False,
    owner: Optional[str] = None,
    type: Optional[str] = None,
    strict: bool = True,
    extra: bool = True,
    draft: Optional[bool] = None,
) -> Union[Tuple[List[Row], List[Row]], List[Row]]:
    """The rpms in a tag and their builds: (rpms, builds), as `builds_in` and `rpms_of`.

    Raises:
        koji.GenericError: no such tag and `strict`.
    """
    found = tags.get_tag(ctx, tag, strict, event)
    if found is None:
        return []
    filters: Dict[str, Any] = {"package": package, "owner": owner, "type": type, "draft": draft}
    builds = builds_in(ctx, found["id"], event, inherit=inherit, latest=latest, **filters)
    return rpms_of(ctx, builds, arch, rpmsigs, extra), _with_extra(builds, False)


@export("getLatestBuilds", reads=True)
def get_latest_builds(
    ctx: Context,
    tag: names.Info,
    event: Optional[int] = None,
    package: Optional[str] = None,
    type: Optional[str] = None,
    draft: Optional[bool] = None,
) -> List[Row]:
    """The newest build of each package in a tag, inheritance included.

    Raises:
        koji.GenericError: no such tag.
    """
    tag_id = names.need(ctx, "tag", tag)["id"]
    filters: Dict[str, Any] = {"package": package, "type": type, "draft": draft}
    return _with_extra(builds_in(ctx, tag_id, event, inherit=True, latest=True, **filters), False)


@export("getLatestRPMS", reads=True)
def get_latest_rpms(
    ctx: Context,
    tag: names.Info,
    package: Optional[str] = None,
    arch: Union[str, Sequence[str], None] = None,
    event: Optional[int] = None,
    rpmsigs: bool = False,
    type: Optional[str] = None,
    draft: Optional[bool] = None,
) -> Tuple[List[Row], List[Row]]:
    """The rpms of the newest build of each package in a tag, and those builds.

    Raises:
        koji.GenericError: no such tag.
    """
    tag_id = names.need(ctx, "tag", tag)["id"]
    filters: Dict[str, Any] = {"package": package, "type": type, "draft": draft}
    builds = builds_in(ctx, tag_id, event, inherit=True, latest=True, **filters)
    return rpms_of(ctx, builds, arch, rpmsigs), _with_extra(builds, False)
