# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""A build's life: it begins, and is completed, fails, is canceled, or is begun again (contract 6.1, 13)."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any, Dict, Mapping

import koji

from kojid.sandbox.hub.content import builds, names, notifications
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

States = koji.BUILD_STATES


def new_build(ctx: Context, data: Mapping[str, Any], strict: bool = False) -> int:
    """Add a build, or begin a failed or canceled one of the same NVR again.

    Args:
        ctx: the call.
        data: name, version, release, epoch; state (COMPLETE when absent), task_id, owner (id), source, extra,
            start_time and completion_time in seconds, draft.
        strict: an existing build is an error in any case.

    Returns:
        The build's id.

    Raises:
        koji.GenericError: a value is missing, there is such a build that can't be begun again, or there is the
            regular build that a draft would become.
    """
    values = _values(ctx, data)
    old = builds.get_build(ctx, {key: data[key] for key in ("name", "version", "release")})
    if old is not None:
        if values["draft"]:
            raise koji.GenericError(f"Target build already exists: {old['nvr']} (id={old['id']})")
        if strict:
            raise koji.GenericError(f"Existing build found: {old['nvr']} (id={old['id']})")
        return _begin_again(ctx, old, values)
    build_id = ctx.db.insert("build", create_event=ctx.event(), **values)
    if values["draft"]:
        ctx.db.update("build", {"id": build_id}, release=koji.gen_draft_release(values["release"], build_id))
    return build_id


def _values(ctx: Context, data: Mapping[str, Any]) -> Dict[str, Any]:
    if not data.get("name"):
        raise koji.GenericError("No name or package id provided for build")
    for key in ("version", "release", "epoch"):
        if key not in data:
            raise koji.GenericError(f"No {key} value for build")
    now = time.time()
    extra = data.get("extra")
    return {
        "pkg_id": names.need(ctx, "package", names.check(data["name"]), create=True)["id"],
        "version": data["version"],
        "release": data["release"],
        "epoch": data["epoch"],
        "draft": bool(data.get("draft")),
        "source": data.get("source"),
        "start_time": data.get("start_time", now),
        "completion_time": data.get("completion_time", now),
        "state": data.get("state", States["COMPLETE"]),
        "task_id": data.get("task_id"),
        "owner": data["owner"] if data.get("owner") is not None else ctx.user_id(),
        "extra": None if extra is None else json.dumps(extra),
    }


def _begin_again(ctx: Context, old: Row, values: Mapping[str, Any]) -> int:
    build_id = int(old["id"])
    state = builds.state_name(old)
    if state == "BUILDING":
        if values["state"] == old["state"] and values["task_id"] == old["task_id"]:
            return build_id  # its own task was freed and runs again
        raise koji.GenericError(f"Build already in progress (task {old['task_id']})")
    if state not in ("FAILED", "CANCELED"):
        raise koji.GenericError(f"Build already exists (id={build_id}, state={state}): {old['nvr']}")
    for table, what in (("tag_listing", "tag history"), ("rpminfo", "rpm data")):
        if ctx.db.one(f"SELECT build_id FROM {table} WHERE build_id = ?", (build_id,)):
            raise koji.GenericError(f"Build already exists. Unable to recycle, has {what}")
    ctx.db.delete("build_types", {"build_id": build_id})
    ctx.db.update("build", {"id": build_id}, **{**values, "create_event": ctx.event()})
    stray = builds.directory(ctx, old)
    ctx.after_commit(lambda: shutil.rmtree(stray, ignore_errors=True))
    return build_id


def add_type(ctx: Context, build_id: int, btype: str = "rpm") -> None:
    """Have a build be of a type."""
    ctx.db.execute("INSERT OR IGNORE INTO build_types (build_id, btype) VALUES (?, ?)", (build_id, btype))


def end(ctx: Context, build_id: int, state: str) -> Row:
    """Take a build that is under way into a final state; return it as it then is.

    Raises:
        koji.GenericError: it is not under way.
    """
    build = builds.need_build(ctx, build_id)
    if builds.state_name(build) != "BUILDING":
        raise koji.GenericError(f"cannot update build {build_id}, state: {builds.state_name(build)}")
    ctx.db.update("build", {"id": build_id}, state=States[state], completion_time=time.time())
    return builds.need_build(ctx, build_id)


def cancel_build(ctx: Context, build_id: int) -> bool:
    """Mark a build as canceled, its task being canceled by the caller; False when it is not under way."""
    build = builds.need_build(ctx, build_id)
    if builds.state_name(build) != "BUILDING":
        return False
    build = end(ctx, build_id, "CANCELED")
    if build["task_id"] is not None:
        notifications.about_build(ctx, build["task_id"], build)
    return True


@export("cancelBuild")
def cancel(ctx: Context, buildID: builds.BuildInfo, strict: bool = False) -> bool:
    """Cancel a build and its task.

    Returns:
        Whether it was under way.

    Raises:
        koji.GenericError: no such build and `strict`.
        koji.ActionNotAllowed: the caller neither owns it nor is an admin.
    """
    user_id = ctx.user_id()
    build = builds.get_build(ctx, buildID, strict)
    if build is None:
        return False
    if build["owner_id"] != user_id and not ctx.has_permission("admin"):
        raise koji.ActionNotAllowed("Cannot cancel build, not owner")
    canceled = cancel_build(ctx, build["id"])
    if canceled and build["task_id"] is not None:
        ctx.call("cancelTaskFull", build["task_id"], strict=False)
    return canceled


@export("host.initBuild")
def host_init_build(ctx: Context, data: Mapping[str, Any]) -> int:
    """Begin the build of a host's task (contract 6.1, step 12).

    Returns:
        The build's id.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: there is such a build already.
    """
    task = ctx.owned_task(data["task_id"])
    under_way = {"owner": task["owner"], "state": States["BUILDING"], "completion_time": None}
    build_id = new_build(ctx, {**data, **under_way})
    add_type(ctx, build_id)
    return build_id


@export("host.failBuild")
def host_fail_build(ctx: Context, task_id: int, build_id: int) -> None:
    """Mark the build of a host's task as failed (contract 6.1, step 16).

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: no such build, or it is not under way.
    """
    ctx.owned_task(task_id)
    notifications.about_build(ctx, task_id, end(ctx, build_id, "FAILED"))


@export("createEmptyBuild")
def create_empty_build(
    ctx: Context,
    name: str,
    version: str,
    release: str,
    epoch: Any,
    owner: Any = None,
    draft: bool = False,
) -> int:
    """Add a complete build without contents, for rpms to be imported into; needs the permission `admin`.

    Returns:
        The build's id.

    Raises:
        koji.GenericError: there is such a build, or no such owner.
    """
    ctx.require("admin")
    data: Dict[str, Any] = {"name": name, "version": version, "release": release, "epoch": epoch, "draft": draft}
    if owner is not None:
        data["owner"] = names.need(ctx, "users", owner)["id"]
    return new_build(ctx, data)
