# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Making, changing and deleting tags. Nothing is lost: rows are revoked and new ones added (see events)."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional

import koji

from kojid.sandbox.hub import events
from kojid.sandbox.hub.content import inheritance, names, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

CONFIG = ("arches", "perm_id", "locked", "maven_support", "maven_include_all")
OWNED_BY_TAG = (
    "tag_config",
    "tag_extra",
    "tag_inheritance",
    "tag_listing",
    "tag_packages",
    "tag_package_owners",
    "tag_external_repos",
    "group_config",
    "group_req_listing",
    "group_package_listing",
)


@export("createTag")
def create_tag(
    ctx: Context,
    name: str,
    parent: Optional[names.Info] = None,
    arches: Optional[str] = None,
    perm: Optional[names.Info] = None,
    locked: bool = False,
    maven_support: bool = False,
    maven_include_all: bool = False,
    extra: Optional[Mapping[str, Any]] = None,
) -> int:
    """Make a tag; needs the permission `tag`.

    Args:
        ctx: the call.
        name: of the tag; a deleted tag's name can be used again.
        parent: a tag to inherit from, with priority 0.
        arches: separated by spaces.
        perm: the permission that builds are tagged with.
        locked: whether nothing can be tagged.
        maven_support: whether its repos come with a Maven repository.
        maven_include_all: whether that has all versions of an artifact in it, not only the one tagged last.
        extra: settings for the tag's builds (contract 7.3).

    Returns:
        Its id.

    Raises:
        koji.GenericError: the tag exists, its parent does not, a name is not allowed.
    """
    ctx.require("tag")
    if tags.get_tag(ctx, names.check(name)):
        raise koji.GenericError(f"A tag with the name '{name}' already exists")
    parent_tag = tags.get_tag(ctx, parent) if parent else None
    if parent and parent_tag is None:
        raise koji.GenericError(f"Parent tag '{parent}' could not be found")
    tag_id: int = names.need(ctx, "tag", name, create=True)["id"]
    events.add(
        ctx,
        "tag_config",
        tag_id=tag_id,
        arches=names.arches(arches or ""),
        perm_id=_permission(ctx, perm),
        locked=bool(locked),
        maven_support=bool(maven_support),
        maven_include_all=bool(maven_include_all),
    )
    for key, value in (extra or {}).items():
        events.replace(ctx, "tag_extra", {"tag_id": tag_id, "key": key}, value=json.dumps(value))
    if parent_tag is not None:
        link = {"parent_id": parent_tag["id"], "priority": 0, "maxdepth": None}
        link.update(intransitive=False, noconfig=False, pkg_filter="")
        inheritance.write(ctx, tag_id, [link])
    return tag_id


def _permission(ctx: Context, info: Optional[names.Info]) -> Optional[int]:
    return None if info is None else names.need(ctx, "permissions", info)["id"]


@export("editTag2")
def edit_tag(ctx: Context, tagInfo: names.Info, **kwargs: Any) -> None:
    """Change a tag; needs the permission `tag`.

    Args:
        ctx: the call.
        tagInfo: which one.
        kwargs: any of name, arches, locked, maven_support, maven_include_all, perm or perm_id, extra (dict of values
            to set), remove_extra and block_extra (lists of keys).

    Raises:
        koji.GenericError: no such tag, the new name is taken, a key to remove is not there or is also set.
    """
    ctx.require("tag")
    known = {"name", "perm", "extra", "remove_extra", "block_extra", *CONFIG}
    unknown = sorted(set(kwargs) - known)
    if unknown:
        raise koji.ParameterError(f"editTag2: unexpected keyword argument {unknown[0]!r}")
    tag = tags.need_tag(ctx, tagInfo)
    if kwargs.get("name") and kwargs["name"] != tag["name"]:
        _rename(ctx, tag, kwargs["name"])
    _configure(ctx, tag, kwargs)
    _edit_extra(ctx, tag, kwargs)


def _rename(ctx: Context, tag: Row, name: str) -> None:
    taken = names.find(ctx, "tag", names.check(name))
    if taken is not None:
        raise koji.GenericError(f"Name {name} already taken by tag {taken['id']}")
    ctx.db.update("tag", {"id": tag["id"]}, name=name)


def _configure(ctx: Context, tag: Row, changes: Mapping[str, Any]) -> None:
    config = {key: changes.get(key, tag[key]) for key in CONFIG}
    if "perm_id" in changes or "perm" in changes:
        config["perm_id"] = _permission(ctx, changes.get("perm_id", changes.get("perm")))
    if changes.get("arches"):
        config["arches"] = names.arches(changes["arches"])
    for flag in ("locked", "maven_support", "maven_include_all"):
        config[flag] = bool(config[flag])
    events.replace(ctx, "tag_config", {"tag_id": tag["id"]}, **config)


def _edit_extra(ctx: Context, tag: Row, changes: Mapping[str, Any]) -> None:
    extra = changes.get("extra") or {}
    remove, block = changes.get("remove_extra") or [], changes.get("block_extra") or []
    twice = sorted(set(extra) & {*remove, *block})
    if twice:
        raise koji.GenericError(f"Can not both add/update and remove tag-extra: '{twice[0]}'")
    own = tags.own_extra(ctx, tag["id"])
    missing = [key for key in remove if key not in own]
    if missing:
        raise koji.GenericError(f"Tag: {tag['name']} doesn't have extra: {', '.join(missing)}")
    for key, value in extra.items():
        events.replace(ctx, "tag_extra", {"tag_id": tag["id"], "key": key}, value=json.dumps(value))
    for key in block:
        events.replace(ctx, "tag_extra", {"tag_id": tag["id"], "key": key}, value=None)
    for key in remove:
        events.revoke(ctx, "tag_extra", tag_id=tag["id"], key=key)


@export("editTag")
def old_edit_tag(
    ctx: Context,
    tagInfo: names.Info,
    name: Optional[str],
    arches: Optional[str],
    locked: bool,
    permissionID: Optional[int],
    extra: Optional[Mapping[str, Any]] = None,
) -> None:
    """The older form of editTag2."""
    changes: Dict[str, Any] = {"name": name, "arches": arches, "locked": locked, "perm_id": permissionID}
    if extra is not None:
        changes["extra"] = extra
    edit_tag(ctx, tagInfo, **changes)


@export("deleteTag")
def delete_tag(ctx: Context, tagInfo: names.Info) -> None:
    """Delete a tag: everything that hangs on it is revoked; needs the permission `tag`.

    Raises:
        koji.GenericError: no such tag.
    """
    ctx.require("tag")
    tag_id = tags.need_tag(ctx, tagInfo)["id"]
    for table in OWNED_BY_TAG:
        events.revoke(ctx, table, tag_id=tag_id)
    events.revoke(ctx, "tag_inheritance", parent_id=tag_id)
    events.revoke(ctx, "build_target_config", build_tag=tag_id)
    events.revoke(ctx, "build_target_config", dest_tag=tag_id)
