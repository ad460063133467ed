"""Changing a tag's groups; all of it needs the permission `tag`."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence

import koji

from kojid.sandbox.hub import events
from kojid.sandbox.hub.content import groups, names, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

GROUP_FIELDS = ("exported", "display_name", "is_default", "uservisible", "description", "langonly", "biarchonly")
PACKAGE_FIELDS = ("type", "basearchonly", "requires")
REQUIRED_FIELDS = ("type", "is_metapkg")


def _merged(fields: Sequence[str], previous: Optional[Row], given: Mapping[str, Any], defaults: Row) -> Row:
    """An entry's values: what is given, else what it had, else the defaults."""
    before = {name: previous[name] for name in fields} if previous else {}
    asked = {name: given[name] for name in fields if name in given}
    return {**{name: defaults.get(name) for name in fields}, **before, **asked}


def _pair(ctx: Context, tag: names.Info, group: names.Info, create: bool = False) -> Dict[str, Row]:
    ctx.require("tag")
    if create and isinstance(group, str):
        names.check(group)
    return {"tag": tags.need_tag(ctx, tag), "group": names.need(ctx, "groups", group, create=create)}


@export("groupListAdd")
def group_list_add(
    ctx: Context, taginfo: names.Info, grpinfo: names.Info, block: bool = False, force: bool = False, **opts: Any
) -> None:
    """Give a tag a group, or change its settings there.

    Args:
        ctx: the call.
        taginfo: the tag.
        grpinfo: the group; a new name is made known to the hub.
        block: whether the entry blocks the group.
        force: let it lift a block.
        opts: any of exported, display_name, is_default, uservisible, description, langonly, biarchonly.

    Raises:
        koji.GenericError: no such tag, or the group is blocked there.
    """
    pair = _pair(ctx, taginfo, grpinfo, create=True)
    tag, group = pair["tag"], pair["group"]
    previous = groups.read(ctx, tag["id"], packages=False, required=False).get(group["id"])
    if previous and previous["blocked"] and not force:
        raise koji.GenericError(f"group {group['name']} is blocked in tag {tag['name']}")
    defaults: Row = {"exported": True, "display_name": group["name"], "uservisible": True, "biarchonly": False}
    values = _merged(GROUP_FIELDS, previous, opts, defaults)
    events.replace(ctx, "group_config", {"group_id": group["id"], "tag_id": tag["id"]}, blocked=bool(block), **values)


@export("groupListRemove")
def group_list_remove(ctx: Context, taginfo: names.Info, grpinfo: names.Info, force: bool = False) -> None:
    """Take a group out of a tag's own ones.

    Raises:
        koji.GenericError: no such tag or group, or (without `force`) the tag has no such group itself.
    """
    pair = _pair(ctx, taginfo, grpinfo)
    found = events.revoke(ctx, "group_config", group_id=pair["group"]["id"], tag_id=pair["tag"]["id"])
    if not found and not force:
        raise koji.GenericError(f"No group: {pair['group']['name']} found for tag: {pair['tag']['name']}")


@export("groupListBlock")
def group_list_block(ctx: Context, taginfo: names.Info, grpinfo: names.Info) -> None:
    """Block a group in a tag; errors as groupListAdd."""
    group_list_add(ctx, taginfo, grpinfo, block=True)


@export("groupListUnblock")
def group_list_unblock(ctx: Context, taginfo: names.Info, grpinfo: names.Info) -> None:
    """Lift a tag's own block of a group.

    Raises:
        koji.GenericError: no such tag or group, or it is not blocked there.
    """
    pair = _pair(ctx, taginfo, grpinfo)
    key = {"group_id": pair["group"]["id"], "tag_id": pair["tag"]["id"]}
    if not events.current(ctx, "group_config", None, blocked=True, **key):
        raise koji.GenericError(f"group {pair['group']['name']} is NOT blocked in tag {pair['tag']['name']}")
    events.revoke(ctx, "group_config", **key)


def _usable(ctx: Context, tag: Row, group: Row) -> Row:
    """A group that a tag has, itself or inherited, and does not block."""
    config = groups.read(ctx, tag["id"]).get(group["id"])
    if config is None:
        raise koji.GenericError(f"group {group['name']} not present in tag {tag['name']}")
    if config["blocked"]:
        raise koji.GenericError(f"group {group['name']} is blocked in tag {tag['name']}")
    return config


@export("groupPackageListAdd")
def group_package_list_add(
    ctx: Context,
    taginfo: names.Info,
    grpinfo: names.Info,
    pkg_name: str,
    block: bool = False,
    force: bool = False,
    **opts: Any,
) -> None:
    """Add a package to a tag's group, or change its entry (opts: type, basearchonly, requires).

    Raises:
        koji.GenericError: no such tag or group, or the group or (without `force`) the package is blocked.
    """
    pair = _pair(ctx, taginfo, grpinfo)
    tag, group = pair["tag"], pair["group"]
    previous = _usable(ctx, tag, group)["packagelist"].get(pkg_name)
    if previous and previous["blocked"] and not force:
        raise koji.GenericError(f"package {pkg_name} blocked in group {group['name']}, tag {tag['name']}")
    values = _merged(PACKAGE_FIELDS, previous, opts, {"type": "mandatory"})
    key = {"group_id": group["id"], "tag_id": tag["id"], "package": pkg_name}
    events.replace(ctx, "group_package_listing", key, blocked=bool(block), **values)


@export("groupPackageListRemove")
def group_package_list_remove(ctx: Context, taginfo: names.Info, grpinfo: names.Info, pkg_name: str) -> None:
    """Take a package out of a tag's own entries of a group.

    Raises:
        koji.GenericError: no such tag or group.
    """
    pair = _pair(ctx, taginfo, grpinfo)
    key = {"group_id": pair["group"]["id"], "tag_id": pair["tag"]["id"], "package": pkg_name}
    events.revoke(ctx, "group_package_listing", **key)


@export("groupPackageListBlock")
def group_package_list_block(ctx: Context, taginfo: names.Info, grpinfo: names.Info, pkg_name: str) -> None:
    """Block a package in a tag's group; errors as groupPackageListAdd."""
    group_package_list_add(ctx, taginfo, grpinfo, pkg_name, block=True)


@export("groupReqListAdd")
def group_req_list_add(
    ctx: Context,
    taginfo: names.Info,
    grpinfo: names.Info,
    reqinfo: names.Info,
    block: bool = False,
    force: bool = False,
    **opts: Any,
) -> None:
    """Have a tag's group need another group (opts: type, is_metapkg).

    Raises:
        koji.GenericError: no such tag or group, or a group or (without `force`) the entry is blocked.
    """
    pair = _pair(ctx, taginfo, grpinfo)
    tag, group, other = pair["tag"], pair["group"], names.need(ctx, "groups", reqinfo)
    _usable(ctx, tag, other)
    previous = _usable(ctx, tag, group)["grouplist"].get(other["id"])
    if previous and previous["blocked"] and not force:
        raise koji.GenericError(f"requirement on {other['name']} blocked in group {group['name']}, tag {tag['name']}")
    values = _merged(REQUIRED_FIELDS, previous, opts, {"type": "mandatory", "is_metapkg": False})
    key = {"group_id": group["id"], "tag_id": tag["id"], "req_id": other["id"]}
    events.replace(ctx, "group_req_listing", key, blocked=bool(block), **values)
