"""What users ask to be built: build, chainBuild, newRepo - each makes a task."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content import names, tags
from kojid.sandbox.hub.kernel import Context, export

REPO_PRIORITY = 15
REPO_CHANNEL = "createrepo"


def task_options(ctx: Context, priority: Optional[int], channel: Optional[str]) -> Dict[str, Any]:
    """The options of a task that a user asks for, its priority being relative to the usual one.

    Raises:
        koji.ActionNotAllowed: nobody is logged in, or a priority that only admins may ask for.
    """
    ctx.user_id()
    found: Dict[str, Any] = {}
    if priority:
        if priority < 0 and not ctx.has_permission("admin"):
            raise koji.ActionNotAllowed("only admins may create high-priority tasks")
        found["priority"] = koji.PRIO_DEFAULT + priority
    if channel:
        found["channel"] = channel
    return found


@export("build")
def build(
    ctx: Context,
    src: str,
    target: Optional[str],
    opts: Optional[Mapping[str, Any]] = None,
    priority: Optional[int] = None,
    channel: Optional[str] = None,
) -> int:
    """Ask for a build (contract 6.1).

    Args:
        ctx: the call.
        src: an SCM URL, or an uploaded SRPM relative to the work directory.
        target: a build target's name; None only with `repo_id` in `opts`.
        opts: the task's options, e.g. scratch.
        priority: relative to the usual one; only admins ask for one below 0.
        channel: the channel to have it built in.

    Returns:
        The task's id.

    Raises:
        koji.ParameterError: the source is no text.
        koji.ActionNotAllowed: nobody is logged in, or a priority that only admins may ask for.
    """
    options = task_options(ctx, priority, channel)
    if not isinstance(src, str):
        raise koji.ParameterError(f"Invalid type for value '{src}': {type(src)}, expected type {str}")
    return tasks.make_task(ctx, "build", [src, target, dict(opts or {})], **options)


@export("chainBuild")
def chain_build(
    ctx: Context,
    srcs: Sequence[Sequence[str]],
    target: str,
    opts: Optional[Mapping[str, Any]] = None,
    priority: Optional[int] = None,
    channel: Optional[str] = None,
) -> int:
    """Ask for builds in order (contract 6.6): srcs is a list of levels, each a list of sources; else as build."""
    options = task_options(ctx, priority, channel)
    if not isinstance(srcs, list):
        raise koji.ParameterError(f"Invalid type for value '{srcs}': {type(srcs)}, expected type {list}")
    return tasks.make_task(ctx, "chainbuild", [srcs, target, dict(opts or {})], **options)


@export("newRepo")
def new_repo(
    ctx: Context,
    tag: names.Info,
    event: Optional[int] = None,
    src: bool = False,
    debuginfo: bool = False,
    separate_src: bool = False,
) -> int:
    """Ask for a repo of a tag to be made (contract 6.10); needs the permission `repo` or `regen-repo`.

    Returns:
        The task's id.

    Raises:
        koji.GenericError: no such tag.
    """
    ctx.require("repo", "regen-repo")
    tags.need_tag(ctx, tag, event)
    (ctx.settings.topdir / "repos").mkdir(parents=True, exist_ok=True)  # builders refuse newRepo without it
    asked: Dict[str, Any] = {"src": src, "debuginfo": debuginfo, "separate_src": separate_src}
    options: Dict[str, Any] = {key: True for key, value in asked.items() if value}
    if event is not None:
        options["event"] = event
    return tasks.make_task(
        ctx, "newRepo", koji.encode_args(tag, **options), priority=REPO_PRIORITY, channel=REPO_CHANNEL
    )
