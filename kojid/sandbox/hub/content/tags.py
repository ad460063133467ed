# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Tags as a client sees them: getTag, listTags, and what a build in a tag is configured with."""

from __future__ import annotations

import fnmatch
import json
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.content import inheritance, names
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

Event = Union[int, str, None]
COLUMNS = (
    "tag.id, tag.name, tag_config.perm_id, permissions.name AS perm, tag_config.arches, tag_config.locked,"
    " tag_config.maven_support, tag_config.maven_include_all"
)
TABLES = (
    "tag_config JOIN tag ON tag.id = tag_config.tag_id LEFT JOIN permissions ON permissions.id = tag_config.perm_id"
)


@export("getTag", reads=True)
def get_tag(
    ctx: Context, tagInfo: names.Info, strict: bool = False, event: Event = None, blocked: bool = False
) -> Optional[Row]:
    """A tag as it is, or was at an event.

    Args:
        ctx: the call.
        tagInfo: id, name or a dict with one of them.
        strict: raise when there is none.
        event: an event's id; "auto" finds a deleted tag as it last was.
        blocked: give `extra` as key -> [blocked, value] with the blocked keys in.

    Returns:
        The tag with its own `extra` (without what it inherits), or None.

    Raises:
        koji.GenericError: there is no such tag and `strict`.
    """
    column, value = next(iter(names.by(tagInfo).items()))
    moment, revoked = _moment(ctx, column, value) if event == "auto" else (event, None)
    row = ctx.db.one(
        f"SELECT {COLUMNS} FROM {TABLES} WHERE tag.{column} = ? AND {events.at(_number(moment), 'tag_config')}",
        (value,),
    )
    if row is None:
        if strict:
            raise koji.GenericError(f"No such tagInfo: {tagInfo!r}")
        return None
    extra = own_extra(ctx, row["id"], _number(moment))
    row["extra"] = extra if blocked else {key: value for key, (is_blocked, value) in extra.items() if not is_blocked}
    if revoked is not None:
        row["revoke_event"] = revoked
    if moment is not None:
        row["query_event"] = moment
    return row


def _number(event: Event) -> Optional[int]:
    if isinstance(event, str):
        raise koji.GenericError(f"Invalid event: {event!r}")
    return event


def _moment(ctx: Context, column: str, value: Any) -> Tuple[Optional[int], Optional[int]]:
    """The event at which a tag has to be asked for to be found although it is deleted, and that of its deletion."""
    revoked: Optional[int] = ctx.db.value(
        "SELECT revoke_event FROM tag_config JOIN tag ON tag.id = tag_config.tag_id"
        f" WHERE tag.{column} = ? ORDER BY create_event DESC LIMIT 1",
        (value,),
    )
    return (None, None) if revoked is None else (revoked - 1, revoked)


def need_tag(ctx: Context, info: names.Info, event: Event = None) -> Row:
    """A tag that has to exist.

    Raises:
        koji.GenericError: it does not.
    """
    tag = get_tag(ctx, info, strict=True, event=event)
    assert tag is not None
    return tag


def own_extra(ctx: Context, tag_id: int, event: Optional[int] = None) -> Dict[str, List[Any]]:
    """A tag's own extra settings: key -> [whether it blocks an inherited one, value]."""
    rows = ctx.db.all(f"SELECT key, value FROM tag_extra WHERE tag_id = ? AND {events.at(event)}", (tag_id,))
    return {
        row["key"]: [row["value"] is None, None if row["value"] is None else json.loads(row["value"])] for row in rows
    }


@export("getBuildConfig", reads=True)
def get_build_config(ctx: Context, tag: names.Info, event: Optional[int] = None) -> Row:
    """A tag with the architectures and extra settings that it inherits (contract 7.3).

    Returns:
        The keys of getTag, and config_inheritance: which ancestor ({id, name}) each inherited value came from.

    Raises:
        koji.GenericError: there is no such tag.
    """
    config = need_tag(ctx, tag, event)
    extra = own_extra(ctx, config["id"], event)
    origin: Dict[str, Any] = {"extra": {}, "arches": None}
    for link in inheritance.full(ctx, config["id"], event):
        if link["noconfig"]:
            continue
        ancestor = need_tag(ctx, link["parent_id"], event)
        named = {"id": ancestor["id"], "name": ancestor["name"]}
        if config["arches"] is None and ancestor["arches"] is not None:
            config["arches"], origin["arches"] = ancestor["arches"], named
        for key, value in own_extra(ctx, ancestor["id"], event).items():
            if key not in extra:
                extra[key], origin["extra"][key] = value, named
    config["extra"] = {key: value for key, (is_blocked, value) in extra.items() if not is_blocked}
    config["config_inheritance"] = origin
    return config


@export("listTags", reads=True)
def list_tags(
    ctx: Context,
    build: Union[names.Info, None] = None,
    package: Union[names.Info, None] = None,
    perms: bool = True,
    queryOpts: Optional[Mapping[str, Any]] = None,
    pattern: Optional[str] = None,
) -> Any:
    """Tags, all or those of one build or one package.

    Args:
        ctx: the call.
        build: only the tags that hold this build.
        package: only the tags whose package list has this package; they come with its owner and state there.
        perms: whether the tag's permission comes along.
        queryOpts: order and limits.
        pattern: only names that match (`*`, `?`).

    Raises:
        koji.GenericError: no such build or package, or both are given.
    """
    if build is not None and package is not None:
        raise koji.GenericError("only one of build and package may be specified")
    rows = _of_package(ctx, package) if package is not None else _of_build(ctx, build)
    if pattern is not None:
        rows = [row for row in rows if fnmatch.fnmatchcase(row["name"].lower(), pattern.lower())]
    if not perms:
        rows = [{key: value for key, value in row.items() if key not in ("perm", "perm_id")} for row in rows]
    return queries.apply(rows, queryOpts)


def _of_build(ctx: Context, build: Optional[names.Info]) -> List[Row]:
    sql = f"SELECT {COLUMNS} FROM {TABLES} WHERE tag_config.active = 1"
    if build is None:
        return ctx.db.all(sql)
    found = ctx.call("getBuild", build)
    if found is None:
        raise koji.GenericError(f"No such build: {build}")
    listed = "SELECT tag_id FROM tag_listing WHERE active = 1 AND build_id = ?"
    return ctx.db.all(f"{sql} AND tag.id IN ({listed})", (found["id"],))


def _of_package(ctx: Context, package: names.Info) -> List[Row]:
    found = names.find(ctx, "package", package)
    if found is None:
        raise koji.GenericError(f"No such package: {package}")
    return ctx.db.all(
        f"SELECT {COLUMNS}, users.id AS owner_id, users.name AS owner_name, tag_packages.blocked,"
        f" tag_packages.extra_arches FROM {TABLES} JOIN tag_packages ON tag_packages.tag_id = tag.id"
        " JOIN tag_package_owners AS owned ON owned.tag_id = tag.id AND owned.package_id = tag_packages.package_id"
        " JOIN users ON users.id = owned.owner WHERE tag_config.active = 1 AND tag_packages.active = 1"
        " AND owned.active = 1 AND tag_packages.package_id = ?",
        (found["id"],),
    )
