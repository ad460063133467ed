"""All modules that export methods; importing this one fills the kernel's table."""

from __future__ import annotations

from kojid.sandbox.hub import (
    channels,
    content,
    events,
    hostcalls,
    hosts,
    hostwaits,
    introspection,
    logins,
    outputs,
    permissions,
    schedulercalls,
    taskcalls,
    tasklists,
    uploads,
    users,
)

__all__ = [
    "channels",
    "content",
    "events",
    "hostcalls",
    "hosts",
    "hostwaits",
    "introspection",
    "logins",
    "outputs",
    "permissions",
    "schedulercalls",
    "taskcalls",
    "tasklists",
    "uploads",
    "users",
]
