# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Build targets: the pairs of a tag to build in and a tag to put the result into."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.content import names, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export


def _rows(ctx: Context, event: Optional[int]) -> List[Row]:
    return ctx.db.all(
        "SELECT build_target.id, build_target.name, config.build_tag, build.name AS build_tag_name,"
        " config.dest_tag, dest.name AS dest_tag_name"
        " FROM build_target_config AS config"
        " JOIN build_target ON build_target.id = config.build_target_id"
        " JOIN tag AS build ON build.id = config.build_tag JOIN tag AS dest ON dest.id = config.dest_tag"
        f" WHERE {events.at(event, 'config')} ORDER BY build_target.id"
    )


@export("getBuildTargets", reads=True)
def get_build_targets(
    ctx: Context,
    info: Optional[names.Info] = None,
    event: Optional[int] = None,
    buildTagID: Optional[names.Info] = None,
    destTagID: Optional[names.Info] = None,
    queryOpts: Optional[Mapping[str, Any]] = None,
) -> Any:
    """Targets, all or those of a name or id, a build tag, a destination tag.

    Raises:
        koji.GenericError: no such tag.
    """
    rows = _rows(ctx, event)
    if info is not None:
        column, value = next(iter(names.by(info).items()))
        rows = [row for row in rows if row[column] == value]
    for key, tag in (("build_tag", buildTagID), ("dest_tag", destTagID)):
        if tag is not None:
            tag_id = names.need(ctx, "tag", tag)["id"]
            rows = [row for row in rows if row[key] == tag_id]
    return queries.apply(rows, queryOpts)


@export("getBuildTarget", reads=True)
def get_build_target(
    ctx: Context, info: names.Info, event: Optional[int] = None, strict: bool = False
) -> Optional[Row]:
    """One target (contract 6.1, step 4): id, name, build_tag, dest_tag and the tags' names; None without one.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    rows: List[Row] = get_build_targets(ctx, info, event)
    if not rows and strict:
        raise koji.GenericError(f"No matching build target found: {info}")
    return rows[0] if rows else None


@export("createBuildTarget")
def create_build_target(ctx: Context, name: str, build_tag: names.Info, dest_tag: names.Info) -> int:
    """Make a target; needs the permission `target`. A deleted target's name can be used again.

    Returns:
        Its id.

    Raises:
        koji.GenericError: it exists, a tag does not, the name is not allowed.
    """
    ctx.require("target")
    if get_build_target(ctx, names.check(name)):
        raise koji.GenericError(f"A build target with the name '{name}' already exists")
    build, dest = _tag(ctx, "build", build_tag), _tag(ctx, "destination", dest_tag)
    target_id: int = names.need(ctx, "build_target", name, create=True)["id"]
    events.add(ctx, "build_target_config", build_target_id=target_id, build_tag=build, dest_tag=dest)
    return target_id


def _tag(ctx: Context, role: str, info: names.Info) -> int:
    tag = tags.get_tag(ctx, info)
    if tag is None:
        raise koji.GenericError(f"{role} tag '{info}' does not exist")
    tag_id: int = tag["id"]
    return tag_id


@export("editBuildTarget")
def edit_build_target(
    ctx: Context, buildTargetInfo: names.Info, name: str, build_tag: names.Info, dest_tag: names.Info
) -> None:
    """Change a target's name and tags; needs the permission `target`.

    Raises:
        koji.GenericError: no such target or tag, or the name is taken.
    """
    ctx.require("target")
    target = get_build_target(ctx, buildTargetInfo, strict=True)
    assert target is not None
    build, dest = _tag(ctx, "build", build_tag), _tag(ctx, "destination", dest_tag)
    if name != target["name"]:
        taken = names.find(ctx, "build_target", names.check(name))
        if taken is not None:
            raise koji.GenericError(f"name {name!r} is already taken by build target {taken['id']}")
        ctx.db.update("build_target", {"id": target["id"]}, name=name)
    key = {"build_target_id": target["id"]}
    events.replace(ctx, "build_target_config", key, build_tag=build, dest_tag=dest)


@export("deleteBuildTarget")
def delete_build_target(ctx: Context, buildTargetInfo: names.Info) -> None:
    """Delete a target; needs the permission `target`.

    Raises:
        koji.GenericError: there is none.
    """
    ctx.require("target")
    target = get_build_target(ctx, buildTargetInfo, strict=True)
    assert target is not None
    events.revoke(ctx, "build_target_config", build_target_id=target["id"])
