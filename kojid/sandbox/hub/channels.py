"""Channels: the queues that tasks wait in and hosts serve."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

from typing import Any, List, Optional, Union

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

#: The channels that every hub has from its first start.
STANDARD = ("default", "createrepo", "maven", "livecd", "appliance", "vm", "image", "livemedia")

_COLUMNS = "c.id, c.name, c.description, c.enabled, c.comment"


@export("getChannel", reads=True)
def get_channel(ctx: Context, channelInfo: queries.NameOrId, strict: bool = False) -> Optional[Row]:
    """A channel by id or name.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    condition, value = queries.name_or_id(channelInfo, "c")
    row = ctx.db.one(f"SELECT {_COLUMNS} FROM channels c WHERE {condition}", (value,))
    if row is None and strict:
        raise koji.GenericError(f"query returned no rows: no channel {channelInfo!r}")
    return row


def find_channel(ctx: Context, info: queries.NameOrId) -> Row:
    """As getChannel, for one that has to exist.

    Raises:
        koji.GenericError: it does not.
    """
    return queries.row_of(ctx, "channels", info, "channel")


@export("listChannels", reads=True)
def list_channels(
    ctx: Context,
    hostID: Union[int, str, None] = None,
    event: Optional[int] = None,
    enabled: Optional[bool] = None,
) -> List[Row]:
    """All channels, or those of a host (at an event), in the order of their ids.

    Raises:
        koji.GenericError: an event without a host.
    """
    source, params = "channels c", []
    clauses = ["1"]
    if hostID:
        source += " JOIN host_channels hc ON hc.channel_id = c.id"
        clauses += [events.at(event, "hc"), "hc.host_id = ?"]
        params.append(queries.row_of(ctx, "host", hostID, "host")["id"])
    elif event:
        raise koji.GenericError("channels at an event are known of a host only")
    if enabled is not None:
        clauses.append(f"c.enabled = {int(enabled)}")
    sql = f"SELECT {_COLUMNS} FROM {source} WHERE {' AND '.join(clauses)} ORDER BY c.id"
    return ctx.db.all(sql, params)


@export("addChannel")
def add_channel(ctx: Context, channel_name: str, description: Optional[str] = None) -> int:
    """Make a channel and return its id.

    Raises:
        koji.GenericError: the name is taken.
    """
    ctx.require("admin")
    known = get_channel(ctx, channel_name)
    if known is not None:
        raise koji.GenericError(f"channel {channel_name} already exists (id={known['id']})")
    return new_channel(ctx, channel_name, description)


def new_channel(ctx: Context, name: str, description: Optional[str] = None) -> int:
    """As addChannel, without looking at permissions and earlier ones."""
    return ctx.db.insert("channels", name=name, description=description)


@export("editChannel")
def edit_channel(ctx: Context, channelInfo: queries.NameOrId, **kw: Any) -> bool:
    """Change a channel's name, description or comment; False when all is so already.

    Raises:
        koji.GenericError: the new name is taken.
    """
    ctx.require("admin")
    channel = find_channel(ctx, channelInfo)
    changes = {
        name: kw[name] for name in ("name", "description", "comment") if name in kw and kw[name] != channel[name]
    }
    if not changes:
        return False
    if "name" in changes and get_channel(ctx, str(changes["name"])):
        raise koji.GenericError(f"channel {changes['name']} already exists")
    ctx.db.update("channels", {"id": channel["id"]}, **changes)
    return True


@export("renameChannel")
def rename_channel(ctx: Context, old: str, new: str) -> None:
    """Give a channel another name."""
    edit_channel(ctx, old, name=new)


@export("enableChannel")
def enable_channel(ctx: Context, channelname: str, comment: Optional[str] = None) -> None:
    """Have the scheduler hand out a channel's tasks again."""
    _set_enabled(ctx, channelname, True, comment)


@export("disableChannel")
def disable_channel(ctx: Context, channelname: str, comment: Optional[str] = None) -> None:
    """Have the scheduler keep a channel's tasks back."""
    _set_enabled(ctx, channelname, False, comment)


def _set_enabled(ctx: Context, name: str, enabled: bool, comment: Optional[str]) -> None:
    ctx.require("admin")
    channel = find_channel(ctx, name)
    changes = {"enabled": enabled}
    if comment is not None:
        changes["comment"] = comment  # type: ignore[assignment]
    ctx.db.update("channels", {"id": channel["id"]}, **changes)
