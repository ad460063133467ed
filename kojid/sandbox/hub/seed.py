"""What a hub holds from its first start: permissions, channels, and the users and hosts that its settings name."""

from __future__ import annotations

from typing import Tuple

import koji

from kojid.sandbox.hub import channels, events, hosts, permissions, users
from kojid.sandbox.hub.content import bootstrap
from kojid.sandbox.hub.kernel import Context, Kernel, Request, Session
from kojid.sandbox.hub.settings import HostSetting


def seed(kernel: Kernel) -> None:
    """Put in what is missing; what somebody has changed since is left as it is."""
    with kernel.transaction(Request(), method="seed") as ctx:
        ctx.session = _administrator(ctx)
        for name, description in permissions.STANDARD.items():
            permissions.ensure(ctx, name, description)
        for name in channels.STANDARD:
            _channel(ctx, name)
        for name, held in ctx.settings.users.items():
            _user(ctx, name, held)
        for host in ctx.settings.hosts:
            _host(ctx, host)
        for name, password in ctx.settings.passwords.items():
            ctx.db.update("users", {"name": name}, password=password)
        bootstrap.seed(ctx)


def _administrator(ctx: Context) -> Session:
    """Whoever is first in the settings with the permission admin does all this."""
    name = next((name for name, held in ctx.settings.users.items() if "admin" in held), "admin")
    known = users.get_user(ctx, name)
    user_id = known["id"] if known else users.new_user(ctx, name)
    return Session(0, user_id, name, koji.AUTHTYPES["SSL"], permissions=["admin"])


def _channel(ctx: Context, name: str) -> int:
    known = channels.get_channel(ctx, name)
    return int(known["id"]) if known else channels.new_channel(ctx, name)


def _user(ctx: Context, name: str, held: Tuple[str, ...]) -> None:
    known = users.get_user(ctx, name)
    user_id = known["id"] if known else users.new_user(ctx, name)
    if ctx.db.one("SELECT 1 FROM user_perms WHERE user_id = ?", (user_id,)):
        return
    for permission in held:
        permissions.ensure(ctx, permission)
        permissions.grant_permission(ctx, user_id, permission)


def _host(ctx: Context, host: HostSetting) -> None:
    if hosts.get_host(ctx, host.name):
        return
    host_id = hosts.new_host(ctx, host.name, host.arches)
    hosts.edit_host(ctx, host_id, capacity=host.capacity)
    served = {_channel(ctx, name) for name in host.channels}
    for channel in channels.list_channels(ctx, hostID=host_id):
        if channel["id"] not in served:
            events.revoke(ctx, "host_channels", host_id=host_id, channel_id=channel["id"])
        served.discard(channel["id"])
    for channel_id in sorted(served):
        events.add(ctx, "host_channels", host_id=host_id, channel_id=channel_id)
