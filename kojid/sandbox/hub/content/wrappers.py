"""Wrapper packages: rpms around the archives of a build - asking for them, and taking them in (contract 6.8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, Optional

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content import builds, filing, imports, rpms, submissions, targets
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export


@export("wrapperRPM")
def wrapper_rpm(
    ctx: Context,
    build: builds.BuildInfo,
    url: str,
    target: str,
    priority: Optional[int] = None,
    channel: str = "maven",
    opts: Optional[Mapping[str, Any]] = None,
) -> int:
    """Ask for wrapper packages of a build.

    Args:
        ctx: the call.
        build: the build that holds the archives.
        url: of version control, where the template of the spec file is.
        target: a build target's name.
        priority: as for `build`.
        channel: the channel to have it built in.
        opts: the task's options: scratch, create_build, draft, skip_tag, wait_repo, wait_builds.

    Returns:
        The task's id.

    Raises:
        koji.GenericError: no such build or target.
        koji.PreBuildError: it has rpms already.
    """
    options = submissions.task_options(ctx, priority, channel)
    given = {key: value for key, value in (opts or {}).items() if key != "repo_id"}
    if not isinstance(url, str):
        raise koji.ParameterError(f"Invalid type for value '{url}': {type(url)}, expected type {str}")
    found = builds.need_build(ctx, build)
    if rpms.list_rpms(ctx, buildID=found["id"]) and not (given.get("scratch") or given.get("create_build")):
        raise koji.PreBuildError(f"wrapper rpms for {koji.buildLabel(found)} have already been built")
    info = targets.get_build_target(ctx, target, strict=True)
    return tasks.make_task(ctx, "wrapperRPM", [url, info, found, None, given], **options)


@export("host.importWrapperRPMs")
def import_wrapper_rpms(ctx: Context, task_id: int, build_id: builds.BuildInfo, rpm_results: Mapping[str, Any]) -> None:
    """Add the wrapper packages that a host's task has built to the build that they were built around.

    Args:
        ctx: the call.
        task_id: the task, in whose upload directory the files are.
        build_id: the build.
        rpm_results: buildroot_id; srpm, rpms and logs as bare names.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: the build is not complete or has rpms already, or a file is missing or none.
    """
    ctx.owned_task(task_id)
    build = builds.need_build(ctx, build_id)
    if builds.state_name(build) != "COMPLETE":
        raise koji.GenericError(
            f"cannot import wrapper rpms for {koji.buildLabel(build)}:"
            f" build state is {builds.state_name(build).lower()}, not complete"
        )
    if rpms.list_rpms(ctx, buildID=build["id"]):
        raise koji.GenericError(f"wrapper rpms for {koji.buildLabel(build)} have already been imported")
    filing.move(taken_in(ctx, task_id, build, rpm_results))


def taken_in(ctx: Context, task_id: int, build: Row, results: Mapping[str, Any]) -> List[filing.Move]:
    """Record the wrapper packages of a task as a build's; where their files and logs go."""
    home = ctx.settings.pathinfo.taskrelpath(task_id)
    moves: List[filing.Move] = []
    for name in [results["srpm"], *results["rpms"]]:
        path = filing.uploaded(ctx, f"{home}/{name}", [task_id])
        rpm = imports.read(path)
        imports.record(ctx, path, rpm, build, results["buildroot_id"])
        moves.append((path, imports.place(ctx, build, rpm)))
    logs = Path(builds.directory(ctx, build), "data", "logs")
    return moves + filing.log_moves(ctx, {"noarch": [f"{home}/{name}" for name in results["logs"]]}, logs, [task_id])
