"""Build hosts as users and admins see them: listing, adding, changing, their channels."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.channels import find_channel, get_channel, new_channel
from kojid.sandbox.hub.database import Row, time_text
from kojid.sandbox.hub.kernel import Context, export
from kojid.sandbox.hub.users import find_user, get_user, new_user

_COLUMNS = """h.id, h.user_id, h.name, h.update_time AS update_ts, h.ready, h.task_load,
    c.arches, c.capacity, c.description, c.comment, c.enabled"""
_EDITABLE = ("arches", "capacity", "description", "comment")


@export("getHost", reads=True)
def get_host(
    ctx: Context, hostInfo: queries.NameOrId, strict: bool = False, event: Optional[int] = None
) -> Optional[Row]:
    """A host by id or name, as it is or was configured at an event (contract 4.2 lists the keys).

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    condition, value = queries.name_or_id(hostInfo, "h")
    sql = f"""SELECT {_COLUMNS} FROM host h JOIN host_config c ON c.host_id = h.id
               WHERE {events.at(event, "c")} AND {condition}"""
    row = ctx.db.one(sql, (value,))
    if row is None and strict:
        raise koji.GenericError(f"Invalid hostInfo: {hostInfo}")
    return row


def find_host(ctx: Context, info: queries.NameOrId) -> Row:
    """As getHost, for one that has to exist.

    Raises:
        koji.GenericError: it does not.
    """
    row = get_host(ctx, info, strict=True)
    assert row is not None
    return row


@export("listHosts", reads=True)
def list_hosts(
    ctx: Context,
    arches: Union[str, Sequence[str], None] = None,
    channelID: Union[int, str, None] = None,
    ready: Optional[bool] = None,
    enabled: Optional[bool] = None,
    userID: Union[int, str, None] = None,
    queryOpts: queries.QueryOpts = None,
) -> Any:
    """The hosts that have one of `arches`, serve a channel, are (not) ready or enabled, belong to a user.

    Raises:
        koji.GenericError: `arches` is empty; no such channel or user.
    """
    if arches is not None and not arches:
        raise koji.GenericError("arches option cannot be empty")
    clauses, params = ["c.active = 1"], []
    if channelID is not None:
        clauses.append("h.id IN (SELECT host_id FROM host_channels hc WHERE hc.active = 1 AND hc.channel_id = ?)")
        params.append(find_channel(ctx, channelID)["id"])
    if userID is not None:
        clauses.append("h.user_id = ?")
        params.append(find_user(ctx, userID)["id"])
    for column, wanted in (("h.ready", ready), ("c.enabled", enabled)):
        if wanted is not None:
            clauses.append(f"{column} = {int(bool(wanted))}")
    sql = f"""SELECT {_COLUMNS} FROM host h JOIN host_config c ON c.host_id = h.id
               WHERE {" AND ".join(clauses)} ORDER BY h.id"""
    hosts = ctx.db.all(sql, params)
    if arches is not None:
        wanted_arches = {arches} if isinstance(arches, str) else set(arches)
        hosts = [host for host in hosts if wanted_arches.intersection((host["arches"] or "").split())]
    return queries.apply(hosts, queryOpts)


@export("getLastHostUpdate", reads=True)
def get_last_host_update(ctx: Context, hostID: int, ts: bool = False) -> Union[str, float, None]:
    """When a host's user last called the hub; None when it never did. A text, or seconds with `ts`."""
    moment = ctx.db.value(
        """SELECT max(s.update_time) FROM sessions s JOIN host h ON h.user_id = s.user_id WHERE h.id = ?""",
        (hostID,),
    )
    return moment if ts or moment is None else time_text(moment)


@export("addHost")
def add_host(
    ctx: Context,
    hostname: str,
    arches: Sequence[str],
    krb_principal: Optional[str] = None,
    force: bool = False,
) -> int:
    """Add a build host with its user, in the default channel, and return its id.

    Args:
        arches: a list; of a text each letter is taken for an arch, as a real hub does.
        force: make a host of a user who is an ordinary one so far.

    Raises:
        koji.GenericError: the host exists, or its user and is none.
    """
    ctx.require("host")
    if get_host(ctx, hostname):
        raise koji.GenericError(f"host already exists: {hostname}")
    text = koji.parse_arches(" ".join(arches), strict=True)
    return new_host(ctx, hostname, text, krb_principal=krb_principal, force=force)


def new_host(ctx: Context, name: str, arches: str, *, krb_principal: Optional[str] = None, force: bool = False) -> int:
    """As addHost, without looking at the caller's permissions."""
    host_id = ctx.db.insert("host", name=name, user_id=_host_user(ctx, name, krb_principal, force))
    events.add(ctx, "host_config", host_id=host_id, arches=arches)
    events.add(ctx, "host_channels", host_id=host_id, channel_id=find_channel(ctx, "default")["id"])
    return host_id


def _host_user(ctx: Context, name: str, krb_principal: Optional[str], force: bool) -> int:
    user = get_user(ctx, name)
    if user is None:
        return new_user(ctx, name, usertype=koji.USERTYPES["HOST"], krb_principal=krb_principal)
    if user["usertype"] != koji.USERTYPES["HOST"]:
        if not force or user["usertype"] != koji.USERTYPES["NORMAL"]:
            raise koji.GenericError(f"user {name} already exists and it is not a host")
        ctx.db.update("users", {"id": user["id"]}, usertype=koji.USERTYPES["HOST"])
    return int(user["id"])


@export("editHost")
def edit_host(ctx: Context, hostInfo: queries.NameOrId, **kw: Any) -> bool:
    """Change a host's arches, capacity, description or comment; False when all is so already.

    Raises:
        koji.ParameterError: a value of the wrong type.
    """
    ctx.require("host")
    host = find_host(ctx, hostInfo)
    changes = {name: kw[name] for name in _EDITABLE if name in kw and kw[name] != host[name]}
    for name, value in changes.items():
        if name == "capacity":
            changes[name] = float(value)
        elif not isinstance(value, str):
            raise koji.ParameterError(f"Invalid type for {name} {value!r}: {type(value)}")
    return bool(changes) and configure_host(ctx, host, changes)


def configure_host(ctx: Context, host: Row, changes: Mapping[str, Any]) -> bool:
    """Put a new configuration of a host in force; False when it is no other one."""
    values = {name: host[name] for name in (*_EDITABLE, "enabled")}
    values.update(changes)
    return events.replace(ctx, "host_config", {"host_id": host["id"]}, **values)


@export("enableHost")
def enable_host(ctx: Context, hostname: queries.NameOrId) -> None:
    """Let a host have tasks."""
    _set_enabled(ctx, hostname, True)


@export("disableHost")
def disable_host(ctx: Context, hostname: queries.NameOrId) -> None:
    """Let a host have no more tasks; those it has go on."""
    _set_enabled(ctx, hostname, False)


@export("addHostToChannel")
def add_host_to_channel(
    ctx: Context, hostname: queries.NameOrId, channel_name: str, create: bool = False, force: bool = False
) -> None:
    """Have a host serve a channel, which is made when missing and `create`.

    Args:
        force: also a channel that is disabled.

    Raises:
        koji.GenericError: no such host or channel, a disabled one, or it serves it already.
    """
    ctx.require("host")
    host = get_host(ctx, hostname)
    if host is None:
        raise koji.GenericError(f"host does not exist: {hostname}")
    channel = get_channel(ctx, channel_name)
    if channel is None and create:
        channel = find_channel(ctx, new_channel(ctx, channel_name))
    if channel is None:
        raise koji.GenericError(f"channel does not exist: {channel_name}")
    if not channel["enabled"] and not force:
        raise koji.GenericError(f"channel {channel_name} is disabled")
    if not events.replace(ctx, "host_channels", {"host_id": host["id"], "channel_id": channel["id"]}):
        raise koji.GenericError(f"host {host['name']} is already subscribed to the {channel_name} channel")


@export("removeHostFromChannel")
def remove_host_from_channel(ctx: Context, hostname: queries.NameOrId, channel_name: str) -> None:
    """Have a host serve a channel no more.

    Raises:
        koji.GenericError: it does not serve it.
    """
    ctx.require("host")
    host = find_host(ctx, hostname)
    channel = find_channel(ctx, channel_name)
    if not events.revoke(ctx, "host_channels", host_id=host["id"], channel_id=channel["id"]):
        raise koji.GenericError(f"host {host['name']} is not subscribed to the {channel_name} channel")


@export("getAllArches", reads=True)
def get_all_arches(ctx: Context) -> List[str]:
    """Every architecture that a host builds for, in canonical form."""
    texts = ctx.db.values("SELECT arches FROM host_config WHERE active = 1 AND enabled = 1")
    return sorted({koji.canonArch(arch) for text in texts for arch in (text or "").split()})


def _set_enabled(ctx: Context, info: queries.NameOrId, enabled: bool) -> None:
    ctx.require("host")
    configure_host(ctx, find_host(ctx, info), {"enabled": enabled})
