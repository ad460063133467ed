"""Image builds: they begin, their files are taken in, and scratch ones are put aside (contract 6.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

import koji

from kojid.sandbox.hub.content import (
    archives,
    buildlists,
    builds,
    buildstates,
    filing,
    names,
    notifications,
    rpms,
    wrappers,
)
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

States = koji.BUILD_STATES
#: The methods whose logs lie in one directory, but for those of a name that is there already.
_ONE_LOG_DIRECTORY = ("appliance", "image", "indirectionimage", "livecd")


@export("host.initImageBuild")
def init_image_build(ctx: Context, task_id: int, build_info: Mapping[str, Any]) -> Dict[str, Any]:
    """Begin the image build of a host's task.

    Args:
        ctx: the call.
        task_id: the task.
        build_info: name, version, release, epoch; without a release the next one is taken.

    Returns:
        The build's values, its id and release among them.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: there is such a build already.
    """
    task = ctx.owned_task(task_id)
    data = {**build_info, "task_id": task_id, "owner": task["owner"], "state": States["BUILDING"]}
    data["completion_time"] = None
    if not data.get("release"):
        data["release"] = buildlists.get_next_release(ctx, data)
    data["id"] = buildstates.new_build(ctx, data)
    buildstates.add_type(ctx, data["id"], "image")
    return data


@export("host.completeImageBuild")
def complete_image_build(
    ctx: Context, task_id: int, build_id: int, results: Mapping[str, Mapping[str, Any]]
) -> Optional[Row]:
    """Take in what a host's image build has made.

    Args:
        ctx: the call.
        task_id: the task.
        build_id: its build, under way.
        results: by anything: task_id, arch, files and rpmlist, and rpmresults where the image was wrapped; a result
            without task_id is one of a subtask that failed. All logs of a subtask are taken.

    Returns:
        The build, complete.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: a file is missing or of no known kind, or an rpm of an image is unknown; the build is not
            under way, another task's, or none of images.
    """
    method = ctx.owned_task(task_id)["method"]
    build = builds.need_build(ctx, build_id)
    if build["task_id"] != task_id:
        raise koji.GenericError(f"build {build_id} is not of task {task_id}")
    build = buildstates.end(ctx, build_id, "COMPLETE")
    family = filing.of_task(ctx, task_id)
    for result in results.values():
        if "task_id" in result:
            _take_in(ctx, build, result, family)
            _keep_logs(ctx, build, result, apart=method not in _ONE_LOG_DIRECTORY)
            if "rpmresults" in result:
                wrapped = result["rpmresults"]
                filing.move(wrappers.taken_in(ctx, wrapped["task_id"], build, wrapped))
    notifications.about_build(ctx, task_id, build)
    return build


def _take_in(ctx: Context, build: Row, result: Mapping[str, Any], family: Any) -> None:
    below = ctx.settings.pathinfo.taskrelpath(result["task_id"])
    components = sorted(_component(ctx, rpm) for rpm in result["rpmlist"])
    twice = [one for one, other in zip(components, components[1:]) if one == other]
    if twice:
        raise koji.GenericError(f"rpms that are told twice for one image: {twice}")
    for name in result["files"]:
        archive = archives.add(ctx, filing.uploaded(ctx, f"{below}/{name}", family), build, "image", result)
        if not name.endswith("xml"):  # a description has no packages in it
            for rpm_id in components:
                ctx.db.insert("archive_rpm_components", archive_id=archive, rpm_id=rpm_id)


def _keep_logs(ctx: Context, build: Row, result: Mapping[str, Any], *, apart: bool) -> None:
    """Take a subtask's logs in: all that it has uploaded, `apart` in a directory of its arch."""
    below = ctx.settings.pathinfo.taskrelpath(result["task_id"])
    logs = Path(builds.directory(ctx, build), "data", "logs", "image")
    for path in sorted(Path(ctx.settings.pathinfo.work(), below).glob("*.log")):
        place = logs / result["arch"] if apart or (logs / path.name).exists() else logs
        filing.move([(filing.uploaded(ctx, f"{below}/{path.name}"), place / path.name)])


def _component(ctx: Context, rpm: Mapping[str, Any]) -> int:
    found = rpms.external(ctx, rpm) if rpm.get("location") else rpms.get_rpm(ctx, rpm, strict=True)
    if found["draft"]:
        raise koji.GenericError(f"a draft can't be part of an image: {rpm['name']}")
    return int(found["id"])


@export("host.moveImageBuildToScratch")
def move_image_build_to_scratch(ctx: Context, task_id: int, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Move what a scratch image build has made to scratch/USER/task_ID, each subtask's to a directory of its own.

    Args:
        ctx: the call.
        task_id: the task.
        results: by anything: task_id, files and logs, and rpmresults where the image was wrapped; a result without
            task_id is one of a subtask that failed.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: a file is missing or elsewhere.
    """
    owner = names.need(ctx, "users", ctx.owned_task(task_id)["owner"])["name"]
    family = filing.of_task(ctx, task_id)
    scratch = Path(ctx.settings.pathinfo.scratch(), owner)
    made = [result for result in results.values() if "task_id" in result]
    filing.move(move for result in made for move in _moves(ctx, result, family, scratch))


def _moves(ctx: Context, result: Mapping[str, Any], family: Any, scratch: Path) -> Iterator[filing.Move]:
    home = scratch / f"task_{result['task_id']}"
    below = ctx.settings.pathinfo.taskrelpath(result["task_id"])
    for name in [*result["files"], *result["logs"]]:
        yield filing.uploaded(ctx, f"{below}/{name}", family), home / name
    wrapped = result.get("rpmresults")
    if wrapped:
        below = ctx.settings.pathinfo.taskrelpath(wrapped["task_id"])
        for name in [wrapped["srpm"], *wrapped["rpms"], *wrapped["logs"]]:
            yield filing.uploaded(ctx, f"{below}/{name}", family), home / "rpms" / name
