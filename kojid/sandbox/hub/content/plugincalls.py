# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""The calls that a stock hub gets from its plugins runroot and save_failed_tree: each makes a task (contract 6.13)."""

from __future__ import annotations

import random
from typing import Any, Dict, List, Optional, Union

import koji

from kojid.sandbox.hub import channels, hosts, tasks
from kojid.sandbox.hub.content import buildrootlists, names, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export
from kojid.sandbox.hub.queries import integer

RUNROOT_PRIORITY = 15
RUNROOT_CHANNEL = "runroot"
#: The methods whose buildroots may be saved unless the content setting `saved_methods` names others; `*` is any.
SAVED_METHODS = ("buildArch",)


@export("runroot")
def runroot(
    ctx: Context,
    tagInfo: names.Info,
    arch: str,
    command: Union[str, List[str]],
    channel: Optional[str] = None,
    **opts: Any,
) -> int:
    """Ask for a command to be run in a buildroot; needs the permission `runroot`.

    Args:
        ctx: the call.
        tagInfo: the build tag.
        arch: of the buildroot; noarch leaves the choice to hub and builder.
        command: a text for the shell, or a list of words.
        channel: the channel of the task.
        opts: the task's options.

    Returns:
        The task's id.

    Raises:
        koji.ActionNotAllowed: the caller lacks the permission.
        koji.GenericError: no such tag or channel, the arch is none, or no host has one of the tag's arches.
    """
    ctx.require("runroot")
    wanted = koji.parse_arches(arch, strict=True, allow_none=False)
    if not isinstance(command, (str, list)):
        raise koji.GenericError(f"Invalid type for value '{command}': {type(command)}")
    options: Dict[str, Any] = {
        "priority": RUNROOT_PRIORITY,
        "arch": wanted,
        "channel": channel or RUNROOT_CHANNEL,
    }
    tag = tags.need_tag(ctx, tagInfo)
    if wanted == "noarch":
        options["arch"] = _arch_for(ctx, tag, options["channel"])
    return tasks.make_task(ctx, "runroot", koji.encode_args(tagInfo, wanted, command, **opts), **options)


def _arch_for(ctx: Context, tag: Row, channel: str) -> str:
    """The arch under which a noarch task is handed out: any, unless some host can't make such a buildroot."""
    if not tag["arches"]:
        raise koji.GenericError(f"no arches defined for tag {tag['name']}")
    wanted = tag["arches"].split()
    if not set(hosts.get_all_arches(ctx)) - set(wanted):
        return "noarch"
    serving = hosts.list_hosts(ctx, channelID=channels.find_channel(ctx, channel)["id"], enabled=True)
    offered = {koji.canonArch(arch) for host in serving for arch in host["arches"].split()}
    choices = [arch for arch in wanted if arch in offered]
    if not choices:
        raise koji.GenericError(f"no common arches for tag/channel: {tag['name']}/{channel}")
    return str(koji.canonArch(random.choice(choices)))


@export("saveFailedTree")
def save_failed_tree(ctx: Context, buildrootID: int, full: bool = False, **opts: Any) -> int:
    """Ask for what a failed task has left in its buildroot; for the task's owner and admins.

    Args:
        ctx: the call.
        buildrootID: the buildroot; the task goes to its host.
        full: all of the chroot.
        opts: the task's options.

    Returns:
        The task's id.

    Raises:
        koji.GenericError: no such buildroot.
        koji.PreBuildError: its task has not failed, is of another method, or its host is disabled.
        koji.ActionNotAllowed: it is somebody else's.
    """
    row = buildrootlists.get_buildroot(ctx, integer(buildrootID, "buildrootID"), strict=True)
    assert row is not None
    task = tasks.task_row(ctx, row["task_id"])
    if task["state"] != tasks.FAILED:
        raise koji.PreBuildError(f"Task {task['id']} has not failed. Only failed tasks can upload their buildroots.")
    methods = ctx.settings.content.get("saved_methods", SAVED_METHODS)
    if task["method"] not in methods and "*" not in methods:
        raise koji.PreBuildError(
            f"Only {', '.join(methods)} tasks can upload their buildroots (Task {task['id']} is {task['method']})."
        )
    if task["owner"] != ctx.user_id() and not ctx.has_permission("admin"):
        raise koji.ActionNotAllowed("Only owner of failed task or 'admin' can run this task.")
    if not hosts.find_host(ctx, task["host_id"])["enabled"]:
        raise koji.PreBuildError("Host is disabled.")
    return tasks.make_task(
        ctx, "saveFailedTree", koji.encode_args(row["id"], bool(full), **opts), assign=row["host_id"]
    )
