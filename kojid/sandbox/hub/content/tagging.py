"""Putting builds into tags and taking them out: directly, by task, and by a host for a task (contract 6.7)."""

from __future__ import annotations

from typing import Any, Dict, Optional

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content import builds, names, notifications, packageedits, packages, policy, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

PRIORITY = 10


def check_access(ctx: Context, tag: Row, user_id: int, force: bool = False) -> None:
    """Whether a user may change what is in a tag.

    Raises:
        koji.ActionNotAllowed: the tag is locked or wants a permission, and there is no admin's force.
    """
    held = ctx.call("getUserPerms", user_id)
    if tag["locked"]:
        reason = "tag is locked"
    elif tag["perm"] and tag["perm"] not in held:
        reason = f"tag requires {tag['perm']} permission"
    else:
        return
    if not (force and "admin" in held):
        raise koji.ActionNotAllowed(reason)


def tag_build(ctx: Context, tag: Row, build: Row, user_id: int, force: bool = False) -> None:
    """Put a build into a tag as a user.

    Raises:
        koji.TagError: the build is not complete, or in the tag already (without `force`).
        koji.ActionNotAllowed: the user may not.
    """
    check_access(ctx, tag, user_id, force)
    _complete(build)
    where = {"tag_id": tag["id"], "build_id": build["id"]}
    if ctx.db.one("SELECT 1 FROM tag_listing WHERE active = 1 AND tag_id = :tag_id AND build_id = :build_id", where):
        if not force:
            raise koji.TagError(f"build {build['nvr']} already tagged ({tag['name']})")
        _take_out(ctx, where, user_id)
    ctx.db.insert("tag_listing", create_event=ctx.event(), creator_id=user_id, active=1, **where)


def _complete(build: Row) -> None:
    state = builds.state_name(build)
    if state != "COMPLETE":
        raise koji.TagError(f"build {build['nvr']} not complete: state {state}")


def _take_out(ctx: Context, where: Dict[str, Any], user_id: int) -> int:
    ended = {"active": None, "revoke_event": ctx.event(), "revoker_id": user_id}
    return ctx.db.update("tag_listing", {**where, "active": 1}, **ended)


def untag_build(ctx: Context, tag: Row, build: Row, user_id: int, strict: bool = True, force: bool = False) -> None:
    """Take a build out of a tag as a user.

    Raises:
        koji.TagError: it is not in it and `strict`.
        koji.ActionNotAllowed: the user may not.
    """
    check_access(ctx, tag, user_id, force)
    if not _take_out(ctx, {"tag_id": tag["id"], "build_id": build["id"]}, user_id) and strict:
        raise koji.TagError(f"build {build['nvr']} not in tag {tag['name']}")


def _check_listed(ctx: Context, tag: Row, build: Row, force: bool) -> None:
    """Have the tag list the build's package; an admin's force adds it."""
    package = {"id": build["package_id"], "name": build["package_name"]}
    refusal = packages.refusal(ctx, tag, package)
    if refusal is None:
        return
    if not (force and ctx.has_permission("admin")):
        raise koji.TagError(refusal)
    packageedits.package_list_add(ctx, tag["id"], package["id"], force=True, block=False)


def _check_policy(
    ctx: Context, operation: str, tag: Optional[Row], build: Row, source: Optional[Row], user_id: int, force: bool
) -> None:
    data = {
        "operation": operation,
        "tag": tag["id"] if tag else None,
        "build": build["id"],
        "fromtag": source["id"] if source else None,
        "user_id": user_id,
    }
    policy.require(ctx, "tag", data, force=force)


@export("tagBuild")
def request_tagging(
    ctx: Context,
    tag: names.Info,
    build: builds.BuildInfo,
    force: bool = False,
    fromtag: Optional[names.Info] = None,
) -> int:
    """Have a build tagged, or moved from `fromtag`, by a task.

    Returns:
        The task's id.

    Raises:
        koji.GenericError: no such build or tag.
        koji.TagError: the build is not complete, or the tag does not list its package.
        koji.ActionNotAllowed: the caller may not.
    """
    user_id = ctx.user_id()
    found, target = builds.need_build(ctx, build), tags.need_tag(ctx, tag)
    source = tags.need_tag(ctx, fromtag) if fromtag else None
    _complete(found)
    for touched in (target, source):
        if touched is not None:
            check_access(ctx, touched, user_id, force)
    _check_listed(ctx, target, found, force)
    _check_policy(ctx, "move" if source else "tag", target, found, source, user_id, force)
    params = [target["id"], found["id"], force, source["id"] if source else None]
    return tasks.make_task(ctx, "tagBuild", params, priority=PRIORITY)


@export("moveBuild")
def move_build(ctx: Context, tag1: names.Info, tag2: names.Info, build: builds.BuildInfo, force: bool = False) -> int:
    """Have a build moved between tags by a task; errors as tagBuild."""
    return request_tagging(ctx, tag2, build, force, tag1)


@export("untagBuild")
def request_untagging(
    ctx: Context, tag: names.Info, build: builds.BuildInfo, strict: bool = True, force: bool = False
) -> None:
    """Take a build out of a tag, at once.

    Raises:
        koji.GenericError: no such build or tag.
        koji.TagError: the build is not in the tag and `strict`.
        koji.ActionNotAllowed: the caller may not.
    """
    user_id = ctx.user_id()
    source, found = tags.need_tag(ctx, tag), builds.need_build(ctx, build)
    _check_policy(ctx, "untag", None, found, source, user_id, force)
    untag_build(ctx, source, found, user_id, strict, force)
    notifications.about_tagging(ctx, True, None, source["id"], found["id"], user_id)


@export("tagBuildBypass")
def tag_directly(
    ctx: Context, tag: names.Info, build: builds.BuildInfo, force: bool = False, notify: bool = False
) -> None:
    """Tag a build at once and whatever packages the tag lists; needs the permission `tag`.

    Raises:
        koji.GenericError: no such build or tag.
        koji.TagError: the build is not complete, or tagged already.
    """
    ctx.require("tag")
    user_id = ctx.user_id()
    target, found = tags.need_tag(ctx, tag), builds.need_build(ctx, build)
    _check_policy(ctx, "tag", target, found, None, user_id, force)
    tag_build(ctx, target, found, user_id, force)
    if notify:
        notifications.about_tagging(ctx, True, target["id"], None, found["id"], user_id)


@export("untagBuildBypass")
def untag_directly(
    ctx: Context,
    tag: names.Info,
    build: builds.BuildInfo,
    strict: bool = True,
    force: bool = False,
    notify: bool = False,
) -> None:
    """Take a build out of a tag at once; needs the permission `tag`; errors as untagBuild."""
    ctx.require("tag")
    user_id = ctx.user_id()
    source, found = tags.need_tag(ctx, tag), builds.need_build(ctx, build)
    _check_policy(ctx, "untag", None, found, source, user_id, force)
    untag_build(ctx, source, found, user_id, strict, force)
    if notify:
        notifications.about_tagging(ctx, True, None, source["id"], found["id"], user_id)


@export("host.tagBuild")
def host_tag_build(
    ctx: Context,
    task_id: int,
    tag: names.Info,
    build: builds.BuildInfo,
    force: bool = False,
    fromtag: Optional[names.Info] = None,
) -> None:
    """Tag, or move from `fromtag`, a build for a host's task, as that task's owner (contract 6.7).

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host, or its owner may not.
        koji.GenericError: no such build or tag.
        koji.TagError: the build is not complete or tagged already, or the tag does not list its package.
    """
    user_id = ctx.owned_task(task_id)["owner"]
    found, target = builds.need_build(ctx, build), tags.need_tag(ctx, tag)
    source = tags.need_tag(ctx, fromtag) if fromtag else None
    _check_policy(ctx, "move" if source else "tag", target, found, source, user_id, bool(force))
    _check_listed(ctx, target, found, bool(force))
    if source is not None:
        untag_build(ctx, source, found, user_id, True, bool(force))
    tag_build(ctx, target, found, user_id, bool(force))
