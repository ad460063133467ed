"""Changing a tag's package list: adding, blocking, owners, extra architectures. The policy `package_list` decides."""

from __future__ import annotations

from typing import Any, Dict, Optional

import koji

from kojid.sandbox.hub import events
from kojid.sandbox.hub.content import names, packages, policy, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export


def set_entry(ctx: Context, tag_id: int, package_id: int, owner: int, blocked: bool, arches: Optional[str]) -> None:
    """Have exactly this entry for a package in a tag's own list."""
    key: Dict[str, Any] = {"tag_id": tag_id, "package_id": package_id}
    events.replace(ctx, "tag_packages", key, blocked=blocked, extra_arches=arches)
    events.replace(ctx, "tag_package_owners", key, owner=owner)


@export("packageListAdd")
def package_list_add(
    ctx: Context,
    taginfo: names.Info,
    pkginfo: names.Info,
    owner: Optional[names.Info] = None,
    block: Optional[bool] = None,
    extra_arches: Optional[str] = None,
    force: bool = False,
    update: bool = False,
) -> None:
    """Add a package to a tag's list, or change its entry.

    Args:
        ctx: the call.
        taginfo: the tag.
        pkginfo: the package; a new name is made known to the hub.
        owner: who answers for the package in the tag; kept when None.
        block: whether the entry blocks the package.
        extra_arches: architectures that it is built for beside the tag's.
        force: let an admin do it against the policy and over a block.
        update: there has to be an entry already.

    Raises:
        koji.GenericError: no such tag, owner or (by id) package; no owner given; the package is blocked.
        koji.ActionNotAllowed: the policy says no.
    """
    tag = tags.need_tag(ctx, taginfo)
    owner_id = None if owner is None else names.need(ctx, "users", owner)["id"]
    action = "update" if update else "block" if block else "add"
    _allowed(ctx, tag, pkginfo, action, force)
    package = names.need(ctx, "package", names.check(pkginfo) if isinstance(pkginfo, str) else pkginfo, create=True)
    previous = packages.listing(ctx, tag["id"], package["id"]).get(package["id"])
    if previous is None and update and not force:
        raise koji.GenericError(f"cannot update: tag {tag['name']} has no data for package {package['name']}")
    entry = _merged(previous, owner_id, block, names.arches(extra_arches))
    if previous is not None and not force:
        if all(previous[name] == value for name, value in entry.items()):
            return
        if previous["blocked"] and not entry["blocked"]:
            raise koji.GenericError(f"package {package['name']} is blocked in tag {tag['name']}")
    if entry["owner_id"] is None and not force:
        raise koji.GenericError("owner not specified")
    owner_id = entry["owner_id"] or ctx.user_id()
    set_entry(ctx, tag["id"], package["id"], owner_id, entry["blocked"], entry["extra_arches"])


def _allowed(ctx: Context, tag: Row, package: names.Info, action: str, force: bool) -> None:
    ctx.user_id()
    data = {"tag": tag["id"], "action": action, "package": package, "force": force}
    policy.require(ctx, "package_list", data, force=force)


def _merged(previous: Optional[Row], owner: Optional[int], block: Optional[bool], arches: Optional[str]) -> Row:
    before = previous or {"owner_id": None, "blocked": False, "extra_arches": None}
    return {
        "owner_id": before["owner_id"] if owner is None else owner,
        "blocked": before["blocked"] if block is None else bool(block),
        "extra_arches": before["extra_arches"] if arches is None else arches,
    }


@export("packageListRemove")
def package_list_remove(ctx: Context, taginfo: names.Info, pkginfo: names.Info, force: bool = False) -> None:
    """Take a package's entry out of a tag's own list; what the tag inherits then counts again.

    Raises:
        koji.GenericError: no such tag or package.
        koji.ActionNotAllowed: the policy says no.
    """
    tag, package = tags.need_tag(ctx, taginfo), names.need(ctx, "package", pkginfo)
    _allowed(ctx, tag, package["id"], "remove", force)
    _drop(ctx, tag["id"], package["id"])


def _drop(ctx: Context, tag_id: int, package_id: int) -> None:
    for table in ("tag_packages", "tag_package_owners"):
        events.revoke(ctx, table, tag_id=tag_id, package_id=package_id)


@export("packageListBlock")
def package_list_block(ctx: Context, taginfo: names.Info, pkginfo: names.Info, force: bool = False) -> None:
    """Block a package that a tag lists or inherits.

    Raises:
        koji.GenericError: no such tag or package, or the tag does not list it.
        koji.ActionNotAllowed: the policy says no.
    """
    tag, package = tags.need_tag(ctx, taginfo), names.need(ctx, "package", pkginfo)
    if not packages.listing(ctx, tag["id"], package["id"]):
        raise koji.GenericError(f"Package {package['name']} is not in tag listing for {tag['name']}")
    package_list_add(ctx, taginfo, pkginfo, block=True, force=force)


@export("packageListUnblock")
def package_list_unblock(ctx: Context, taginfo: names.Info, pkginfo: names.Info, force: bool = False) -> None:
    """Lift a block: the tag's own is dropped; where an inherited one remains, an unblocked entry is added.

    Raises:
        koji.GenericError: no such tag or package, or it is not blocked there.
        koji.ActionNotAllowed: the policy says no.
    """
    tag, package = tags.need_tag(ctx, taginfo), names.need(ctx, "package", pkginfo)
    _allowed(ctx, tag, package["id"], "unblock", force)
    entry = packages.listing(ctx, tag["id"], package["id"]).get(package["id"])
    if entry is None:
        raise koji.GenericError(f"no data (blocked or otherwise) for package {package['name']} in tag {tag['name']}")
    if not entry["blocked"]:
        raise koji.GenericError(f"package {package['name']} NOT blocked in tag {tag['name']}")
    if entry["tag_id"] == tag["id"]:
        _drop(ctx, tag["id"], package["id"])
    left = packages.listing(ctx, tag["id"], package["id"]).get(package["id"])
    if left is None or left["blocked"]:
        set_entry(ctx, tag["id"], package["id"], entry["owner_id"], False, entry["extra_arches"])


@export("packageListSetOwner")
def package_list_set_owner(
    ctx: Context, taginfo: names.Info, pkginfo: names.Info, owner: names.Info, force: bool = False
) -> None:
    """Change who answers for a package in a tag; errors as packageListAdd."""
    package_list_add(ctx, taginfo, pkginfo, owner=owner, force=force, update=True)


@export("packageListSetArches")
def package_list_set_arches(
    ctx: Context, taginfo: names.Info, pkginfo: names.Info, arches: str, force: bool = False
) -> None:
    """Change a package's extra architectures in a tag; errors as packageListAdd."""
    package_list_add(ctx, taginfo, pkginfo, extra_arches=arches, force=force, update=True)
