# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Who changed what when: the rows of versioned tables, those that no longer hold among them."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.content import builds, names
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

#: Versioned table -> columns that refer to something with a name: column -> (its table, what the answer calls it).
TAG = {"tag_id": ("tag", "tag")}
GROUP = {"group_id": ("groups", "group")}
PACKAGE = {"package_id": ("package", "package")}
USER = {"user_id": ("users", "user")}
HOST = {"host_id": ("host", "host")}
EXTERNAL = {"external_repo_id": ("external_repo", "external_repo")}
TABLES: Dict[str, Dict[str, Tuple[str, str]]] = {
    "user_perms": {**USER, "perm_id": ("permissions", "permission")},
    "user_groups": {**USER, "group_id": ("users", "group")},
    "host_config": HOST,
    "host_channels": {**HOST, "channel_id": ("channels", "channels")},
    "tag_inheritance": {**TAG, "parent_id": ("tag", "parent")},
    "tag_config": TAG,
    "tag_extra": TAG,
    "build_target_config": {
        "build_target_id": ("build_target", "build_target"),
        "build_tag": ("tag", "build_tag"),
        "dest_tag": ("tag", "dest_tag"),
    },
    "external_repo_config": EXTERNAL,
    "tag_external_repos": {**TAG, **EXTERNAL},
    "tag_listing": TAG,
    "tag_packages": {**PACKAGE, **TAG},
    "tag_package_owners": {**PACKAGE, **TAG, "owner": ("users", "owner")},
    "group_config": {**GROUP, **TAG},
    "group_req_listing": {**GROUP, **TAG, "req_id": ("groups", "req")},
    "group_package_listing": {**GROUP, **TAG},
}
#: Filter -> the table of what it names.
FILTERS = {
    "tag": "tag",
    "package": "package",
    "user": "users",
    "permission": "permissions",
    "external_repo": "external_repo",
    "build_target": "build_target",
    "group": "groups",
    "host": "host",
    "channel": "channels",
}
COMMON = (
    "row.*, creator.name AS creator_name, revoker.name AS revoker_name, made.time AS create_ts, ended.time AS revoke_ts"
)
JOINS = (
    " JOIN events AS made ON made.id = row.create_event LEFT JOIN events AS ended ON ended.id = row.revoke_event"
    " JOIN users AS creator ON creator.id = row.creator_id LEFT JOIN users AS revoker ON revoker.id = row.revoker_id"
)
BUILD_COLUMNS = (
    "package.name AS name, build.version AS version, build.release AS release, build.epoch AS epoch,"
    ' build.state AS "build.state"'
)
BUILD_JOINS = " JOIN build ON build.id = row.build_id JOIN package ON package.id = build.pkg_id"


@export("queryHistory", reads=True)
def query_history(
    ctx: Context,
    tables: Optional[Sequence[str]] = None,
    queryOpts: queries.QueryOpts = None,
    **filters: Any,
) -> Dict[str, List[Row]]:
    """The history that passes every filter given: table -> rows, in the order of their making.

    Args:
        ctx: the call.
        tables: only these.
        queryOpts: order and limits, for each table.
        filters: before, after (times), beforeEvent, afterEvent (events): made or revoked then; active: whether still
            in force; editor: made or revoked by this user; build, key (of a tag's extra), and those of `FILTERS`:
            about this thing, which leaves out the tables that have nothing to do with such things.

    Raises:
        koji.GenericError: no such table, filter or thing.
    """
    filters = {("package" if name == "pkg" else name): value for name, value in filters.items() if value is not None}
    unknown = sorted(set(tables or ()) - set(TABLES))
    if unknown:
        raise koji.GenericError(f"No such history table: {unknown[0]}")
    found: Dict[str, List[Row]] = {}
    for table in tables or TABLES:
        conditions = _conditions(ctx, table, filters)
        if conditions is not None:
            rows = _rows(ctx, table, *conditions)
            found[table] = queries.apply(rows, queryOpts)
    return found


def _rows(ctx: Context, table: str, clauses: Sequence[str], params: Sequence[Any]) -> List[Row]:
    columns, joins = COMMON, JOINS
    for column, (target, word) in TABLES[table].items():
        columns += f', named_{word}.name AS "{word}.name"'
        joins += f" LEFT JOIN {target} AS named_{word} ON named_{word}.id = row.{column}"
    if table == "tag_listing":
        columns, joins = f"{columns}, {BUILD_COLUMNS}", joins + BUILD_JOINS
    where = " AND ".join(["1", *clauses])
    return ctx.db.all(f"SELECT {columns} FROM {table} AS row{joins} WHERE {where} ORDER BY row.create_event", params)


def _conditions(ctx: Context, table: str, filters: Mapping[str, Any]) -> Optional[Tuple[List[str], List[Any]]]:
    """SQL conditions and their parameters, or None for a table that a filter has nothing to do with."""
    clauses: List[str] = []
    params: List[Any] = []
    for name, value in filters.items():
        added = _common(ctx, name, value)
        if added is None:
            added = _about(ctx, table, name, value)
        if added is None:
            return None
        clauses.append(added[0])
        params += added[1]
    return clauses, params


def _common(ctx: Context, name: str, value: Any) -> Optional[Tuple[str, List[Any]]]:
    """The condition of a filter that every table has."""
    if name == "active":
        return ("row.active = 1" if value else "row.active IS NULL"), []
    if name == "editor":
        user_id = names.need(ctx, "users", value)["id"]
        return "(row.creator_id = ? OR row.revoker_id = ?)", [user_id, user_id]
    if name in ("before", "after"):
        sign, moment = ("<" if name == "before" else ">"), queries.seconds(value)
        return f"(made.time {sign} ? OR ended.time {sign} ?)", [moment, moment]
    if name in ("beforeEvent", "afterEvent"):
        sign, event = ("<" if name == "beforeEvent" else ">"), queries.integer(value, name)
        return f"(row.create_event {sign} ? OR row.revoke_event {sign} ?)", [event, event]
    return None


def _about(ctx: Context, table: str, name: str, value: Any) -> Optional[Tuple[str, List[Any]]]:
    """The condition of a filter for rows about a thing; None where the table has nothing to do with such things."""
    if name == "key":
        return ("row.key = ?", [value]) if table == "tag_extra" else None
    if name == "build":
        return ("row.build_id = ?", [builds.find_id(ctx, value, strict=True)]) if table == "tag_listing" else None
    if name not in FILTERS:
        raise koji.GenericError(f"No such history filter: {name}")
    number = names.need(ctx, FILTERS[name], value)["id"]
    if name == "package" and table == "tag_listing":
        return "build.pkg_id = ?", [number]
    columns = [column for column, (target, _word) in TABLES[table].items() if target == FILTERS[name]]
    if name == "user" and table == "user_groups":
        columns = ["user_id"]
    clause = " OR ".join(f"row.{column} = ?" for column in columns)
    return (f"({clause})", [number] * len(columns)) if columns else None


@export("untaggedBuilds", reads=True)
def untagged_builds(
    ctx: Context, name: Optional[str] = None, queryOpts: queries.QueryOpts = None, draft: Optional[bool] = None
) -> Any:
    """The complete builds that are in no tag, all or those of a package's name: id, name, version, release."""
    rows = ctx.db.all(
        "SELECT build.id, package.name, build.version, build.release FROM build"
        " JOIN package ON package.id = build.pkg_id WHERE build.state = 1 AND (? IS NULL OR package.name = ?)"
        " AND (? IS NULL OR build.draft = ?)"
        " AND build.id NOT IN (SELECT build_id FROM tag_listing WHERE active = 1) ORDER BY build.id",
        (name, name, draft, draft),
    )
    return queries.apply(rows, queryOpts)


@export("buildReferences", reads=True)
def build_references(
    ctx: Context, build: builds.BuildInfo, limit: Optional[int] = None, lazy: bool = False
) -> Dict[str, Any]:
    """What keeps a build in use: tags, rpms of it in buildroots, when it was last so.

    Args:
        ctx: the call.
        build: the build.
        limit: at most so many rpms.
        lazy: accepted; everything is looked up anyway.

    Raises:
        koji.GenericError: no such build.
    """
    del lazy
    build_id = builds.need_build(ctx, build)["id"]
    used = (
        " FROM buildroot_listing AS listed JOIN rpminfo ON rpminfo.id = listed.rpm_id"
        " JOIN buildroot ON buildroot.id = listed.buildroot_id LEFT JOIN events ON events.id = buildroot.retire_event"
        " WHERE rpminfo.build_id = ?"
    )
    rpms = ctx.db.all(
        "SELECT DISTINCT rpminfo.id, rpminfo.name, rpminfo.version, rpminfo.release, rpminfo.arch,"
        f" rpminfo.build_id{used} LIMIT ?",
        (build_id, -1 if limit is None else limit),
    )
    return {
        "tags": ctx.db.all(
            "SELECT tag.id AS tag_id, tag.name FROM tag_listing JOIN tag ON tag.id = tag_listing.tag_id"
            " WHERE active = 1 AND build_id = ?",
            (build_id,),
        ),
        "rpms": rpms,
        "component_of": [],
        "archives": [],
        "images": [],
        "last_used": ctx.db.value(f"SELECT max(events.time){used}", (build_id,)),
    }
