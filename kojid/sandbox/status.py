"""What runs in a sandbox and what its hub is at."""

from __future__ import annotations

from typing import Any, Iterator

import koji

from kojid.sandbox import machinery
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import Layout
from kojid.sandbox.tasktree import Reader

_RECENT = 10


def lines(layout: Layout) -> Iterator[str]:
    """The state of a sandbox, line by line."""
    hub, builder = machinery.Hub(layout), machinery.Builder(layout)
    yield f"sandbox   {layout.dir}"
    for service in (hub.service, builder.service):
        pid = service.pid()
        yield f"{service.name:<9} {f'runs, pid {pid}' if pid else 'does not run'}   (output: {service.console})"
    if hub.service.pid() is None:
        return
    urls = hub.urls()
    yield f"hub URL   {urls.server}"
    yield f"files     {urls.topurl}  ({layout.topdir})"
    try:
        yield from _content(hub.connect())
    except (OSError, koji.GenericError, SandboxError) as error:
        yield f"the hub does not answer: {error}"


def _content(session: Any) -> Iterator[str]:
    for host in session.listHosts():
        state = "ready" if host["ready"] else "not ready"
        yield f"host      {host['name']}: {state}, load {host['task_load']:g} of {host['capacity']:g}, {host['arches']}"
    rows = session.listTasks(opts={"parent": None}, queryOpts={"order": "-id", "limit": _RECENT})
    yield f"tasks     {'the last ones:' if rows else 'none yet'}"
    reader = Reader(session)
    for row in rows:
        node = reader.read(row["id"])
        yield f"  {node.id:>5} {node.label:<56} {node.state.lower():<8} {node.host:<9} {node.seconds:6.1f} s".rstrip()
