"""Image builds as far as this hub takes them: they begin and may fail, and scratch ones are put aside (contract 6.9).

Nothing lists the packages of an image yet: `host.completeImageBuild` is no method here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

import koji

from kojid.sandbox.hub.content import buildlists, buildstates, filing, names
from kojid.sandbox.hub.kernel import Context, export

States = koji.BUILD_STATES


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
