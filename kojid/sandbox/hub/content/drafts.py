"""Draft builds become regular ones: promoteBuild (contract 6.1, drafts)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import koji

from kojid.sandbox.hub.content import builds, policy, tagchanges, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

#: What a tag's change is noted as.
PROMOTION = 3


@export("promoteBuild")
def promote_build(ctx: Context, build: builds.BuildInfo, force: bool = False) -> Row:
    """Make a draft build a regular one: it loses the draft's part of its release, its files move with it.

    Args:
        ctx: the call.
        build: the draft.
        force: an admin may do it whatever the policy `draft_promotion` says.

    Returns:
        The build as it then is.

    Raises:
        koji.GenericError: it is no draft, is not complete, or there is a build of that name already.
        koji.ActionNotAllowed: the policy does not allow it.
    """
    user_id = ctx.user_id()
    draft = builds.need_build(ctx, build)
    release = _target_release(ctx, draft)
    policy.require(
        ctx,
        "draft_promotion",
        {"build": draft["id"], "target_release": release, "user_id": user_id},
        force=force,
    )
    ctx.db.update("build", {"id": draft["id"]}, draft=False, release=release)
    ctx.db.update("rpminfo", {"build_id": draft["id"]}, draft=False)
    ctx.db.insert("build_promotions", build_id=draft["id"], promoter_id=user_id, time=time.time())
    for tag in tags.list_tags(ctx, build=draft["id"]):
        tagchanges.note_update(ctx, tag["id"], PROMOTION)
    promoted = builds.need_build(ctx, draft["id"])
    _move(builds.directory(ctx, draft), builds.directory(ctx, promoted))
    return promoted


def _target_release(ctx: Context, draft: Row) -> str:
    refused = f"Cannot promote build {draft['nvr']}. Reason: "
    if not draft["draft"]:
        raise koji.GenericError(refused + "Not a draft build")
    if builds.state_name(draft) != "COMPLETE":
        raise koji.GenericError(f"{refused}state ({builds.state_name(draft)}) is not COMPLETE.")
    release = str(koji.parse_target_release(draft["release"]))
    there = builds.get_build(ctx, {"name": draft["name"], "version": draft["version"], "release": release})
    if there is not None:
        raise koji.GenericError(f"{refused}Target build exists: {there['nvr']}(#{there['id']})")
    return release


def _move(old: Path, new: Path) -> None:
    """Move a build's files; a link stays where they were, so that old addresses go on working."""
    new.parent.mkdir(parents=True, exist_ok=True)
    if old.exists():
        old.rename(new)
        old.symlink_to(os.path.relpath(new, old.parent))
