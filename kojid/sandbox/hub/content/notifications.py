# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Who is told of builds and tagging: the tasks that make a builder send the mail (contract 6.11).

Settings (`content` in the hub's settings): `notifications` (bool, off by default), `email_domain` for the addresses
of users, `notify_on_success` (bool), `web_url` for the links, `recipients` (addresses that are always told).
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import koji
import koji.tasks

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content import builds, names, packages, tags, targets
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

DEFAULTS: Dict[str, Any] = {
    "notifications": False,
    "email_domain": "example.com",
    "notify_on_success": True,
    "web_url": "http://localhost/koji",
    "recipients": (),
}


def setting(ctx: Context, name: str) -> Any:
    """One of this module's settings."""
    return ctx.settings.content.get(name, DEFAULTS[name])


def about_build(ctx: Context, task_id: int, build: Row) -> Optional[int]:
    """Make the buildNotification task for a build that has ended, if anybody wants to know.

    Returns:
        The task's id, or None.
    """
    if not setting(ctx, "notifications"):
        return None
    target = _target(ctx, task_id)
    told = recipients(ctx, build, target["dest_tag"] if target else None, build["state"])
    if not told:
        return None
    return tasks.make_task(ctx, "buildNotification", [told, build, target, setting(ctx, "web_url")])


def _target(ctx: Context, task_id: int) -> Optional[Row]:
    info = ctx.call("getTaskInfo", task_id, request=True)
    if info is None or info["method"] != "build" or not info["request"][1]:
        return None
    return targets.get_build_target(ctx, info["request"][1])


def recipients(ctx: Context, build: Row, tag_id: Optional[int], state: int) -> List[str]:
    """The addresses that are told of a build in a tag: who asked for it, the package's owner, the build's owner."""
    success = state == koji.BUILD_STATES["COMPLETE"]
    found = list(setting(ctx, "recipients"))
    found += ctx.db.values(
        "SELECT email FROM build_notifications JOIN users ON users.id = build_notifications.user_id"
        " WHERE users.status = 0 AND (package_id = ? OR package_id IS NULL)"
        " AND (tag_id = ? OR tag_id IS NULL) AND (? OR NOT success_only)",
        (build["package_id"], tag_id, success),
    )
    if not success or setting(ctx, "notify_on_success"):
        owners = [build["owner_name"]]
        if tag_id is not None:
            entry = packages.listing(ctx, tag_id, build["package_id"]).get(build["package_id"])
            owners += [entry["owner_name"]] if entry and not entry["blocked"] else []
        found += [f"{owner}@{setting(ctx, 'email_domain')}" for owner in owners]
    return list(dict.fromkeys(found))


def about_tagging(
    ctx: Context,
    successful: bool,
    tag: Optional[names.Info],
    from_tag: Optional[names.Info],
    build: builds.BuildInfo,
    user: names.Info,
    ignore_success: bool = False,
    failure: str = "",
) -> Optional[int]:
    """Make the tagNotification task for a build that was, or could not be, tagged or untagged.

    Returns:
        The task's id, or None when nobody wants to know.
    """
    if not setting(ctx, "notifications") or (successful and ignore_success):
        return None
    found = builds.get_build(ctx, build)
    if found is None:
        return None
    state = koji.BUILD_STATES["COMPLETE" if successful else "FAILED"]
    told: List[str] = []
    for info in (tag, from_tag):
        listed = tags.get_tag(ctx, info) if info else None
        told += recipients(ctx, found, listed["id"], state) if listed else []
    if not told:
        return None
    user_id = names.need(ctx, "users", user)["id"]
    arguments = [list(dict.fromkeys(told)), successful, tag, from_tag, build, user_id, ignore_success, failure]
    return tasks.make_task(ctx, "tagNotification", arguments)


@export("host.tagNotification")
def host_tag_notification(
    ctx: Context,
    is_successful: bool,
    tag_id: Optional[names.Info],
    from_id: Optional[names.Info],
    build_id: builds.BuildInfo,
    user_id: names.Info,
    ignore_success: bool = False,
    failure_msg: str = "",
) -> None:
    """Tell those who want to know of a host's tagging (contract 6.7)."""
    ctx.host()
    about_tagging(ctx, is_successful, tag_id, from_id, build_id, user_id, ignore_success, failure_msg)


@export("getBuildNotifications", reads=True)
def get_build_notifications(ctx: Context, userID: Optional[names.Info] = None) -> List[Row]:
    """What a user (without one: the caller) wants to be told of.

    Raises:
        koji.GenericError: no such user.
    """
    user_id = ctx.user_id() if userID is None else names.need(ctx, "users", userID)["id"]
    return ctx.db.all(
        "SELECT id, user_id, package_id, tag_id, success_only, email FROM build_notifications WHERE user_id = ?",
        (user_id,),
    )


@export("createNotification")
def create_notification(
    ctx: Context,
    user_id: names.Info,
    package_id: Optional[names.Info],
    tag_id: Optional[names.Info],
    success_only: bool,
) -> None:
    """Have a user told of builds of a package (None: any) in a tag (None: any).

    Raises:
        koji.GenericError: no such user, package or tag, or it is so already.
        koji.ActionNotAllowed: the user is another and the caller no admin.
    """
    user = names.need(ctx, "users", user_id)
    if user["id"] != ctx.user_id():
        ctx.require("admin")
    wanted = {
        "user_id": user["id"],
        "package_id": None if package_id is None else names.need(ctx, "package", package_id)["id"],
        "tag_id": None if tag_id is None else names.need(ctx, "tag", tag_id)["id"],
        "success_only": bool(success_only),
    }
    asked = {key: value for key, value in wanted.items() if key != "user_id"}
    for row in get_build_notifications(ctx, user["id"]):
        if all(row[key] == value for key, value in asked.items()):
            raise koji.GenericError("notification already exists")
    ctx.db.insert("build_notifications", email=f"{user['name']}@{setting(ctx, 'email_domain')}", **wanted)
