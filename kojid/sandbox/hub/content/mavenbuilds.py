"""Maven builds: asked for, begun, taken in, and put aside where they are scratch builds (contract 6.8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content import (
    archives,
    buildlists,
    builds,
    buildstates,
    filing,
    names,
    notifications,
    othertypes,
    submissions,
    wrappers,
)
from kojid.sandbox.hub.kernel import Context, export

States = koji.BUILD_STATES
_METADATA = "maven-metadata.xml"
_SUMS = (".md5", ".sha1")


@export("mavenBuild")
def maven_build(
    ctx: Context,
    url: str,
    target: str,
    opts: Optional[Mapping[str, Any]] = None,
    priority: Optional[int] = None,
    channel: str = "maven",
) -> int:
    """Ask for a Maven build (contract 6.8); arguments and errors as `build`.

    Returns:
        The task's id.
    """
    options = submissions.task_options(ctx, priority, channel)
    if not isinstance(url, str):
        raise koji.ParameterError(f"Invalid type for value '{url}': {type(url)}, expected type {str}")
    return tasks.make_task(ctx, "maven", [url, target, dict(opts or {})], **options)


@export("chainMaven")
def chain_maven(
    ctx: Context,
    builds: Mapping[str, Any],
    target: str,
    opts: Optional[Mapping[str, Any]] = None,
    priority: Optional[int] = None,
    channel: str = "maven",
) -> int:
    """Ask for Maven builds in the order of what needs what: package -> parameters; else as `mavenBuild`."""
    options = submissions.task_options(ctx, priority, channel)
    if not isinstance(builds, dict):
        raise koji.ParameterError(f"Invalid type for value '{builds}': {type(builds)}, expected type {dict}")
    return tasks.make_task(ctx, "chainmaven", [builds, target, opts], **options)


@export("host.initMavenBuild")
def init_maven_build(
    ctx: Context, task_id: int, build_info: Mapping[str, Any], maven_info: Mapping[str, Any]
) -> Dict[str, Any]:
    """Begin the Maven build of a host's task, under the release after the newest of its version.

    Returns:
        The build's values, its id and release among them.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
    """
    task = ctx.owned_task(task_id)
    data = {**build_info, "task_id": task_id, "owner": task["owner"], "state": States["BUILDING"]}
    data.update(completion_time=None, release=buildlists.get_next_release(ctx, build_info))
    data["id"] = buildstates.new_build(ctx, data)
    othertypes.describe_maven(ctx, data["id"], maven_info)
    return data


@export("host.completeMavenBuild")
def complete_maven_build(
    ctx: Context,
    task_id: int,
    build_id: int,
    maven_results: Mapping[str, Any],
    rpm_results: Optional[Mapping[str, Any]],
) -> None:
    """Take in what a host's Maven build has made.

    Args:
        ctx: the call.
        task_id: the task.
        build_id: its build, under way.
        maven_results: task_id, buildroot_id, logs (paths), files (names by directory) below that task's directory.
        rpm_results: of the task of the wrapper packages, with its task_id; None without any.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: a file is missing or of no known kind, a POM contradicts its name, or the build is
            not under way.
        koji.BuildError: a directory has several POMs.
    """
    ctx.owned_task(task_id)
    build = buildstates.end(ctx, build_id, "COMPLETE")
    family = filing.of_task(ctx, task_id)
    details = othertypes.get_maven_build(ctx, build_id, strict=True) or {}
    home = Path(ctx.settings.pathinfo.mavenbuild(build))
    below = ctx.settings.pathinfo.taskrelpath(maven_results["task_id"])
    for directory, files in sorted(maven_results["files"].items()):
        poms = [name for name in files if name.endswith(".pom")]
        if len(poms) > 1:
            raise koji.BuildError(f"multiple .pom files in {directory}: {', '.join(poms)}")
        paths = {name: filing.uploaded(ctx, str(Path(below, directory, name)), family) for name in files}
        info = archives.pom_info(paths[poms[0]]) if poms else details
        for name, path in paths.items():
            if name == _METADATA:
                filing.move([(path, home / directory / name)])
                filing.write_sums(home / directory)
            elif path.suffix not in _SUMS:
                archives.add(ctx, path, build, "maven", info, maven_results["buildroot_id"])
    moves = list(_logs(ctx, maven_results, builds.directory(ctx, build) / "data" / "logs" / "maven", family))
    if rpm_results:
        moves += wrappers.taken_in(ctx, rpm_results["task_id"], build, rpm_results)
    filing.move(moves)
    notifications.about_build(ctx, task_id, build)


def _logs(ctx: Context, results: Mapping[str, Any], target: Path, family: List[int]) -> Iterator[filing.Move]:
    below = ctx.settings.pathinfo.taskrelpath(results["task_id"])
    for name in results["logs"]:
        yield filing.uploaded(ctx, f"{below}/{name}", family), target / Path(name).name


@export("host.moveMavenBuildToScratch")
def move_maven_build_to_scratch(
    ctx: Context, task_id: int, results: Mapping[str, Any], rpm_results: Optional[Mapping[str, Any]]
) -> None:
    """Move what a host's scratch build has made to scratch/USER/task_ID, wrapper packages below `rpms`.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: a file is missing or elsewhere.
    """
    task = ctx.owned_task(task_id)
    family = filing.of_task(ctx, task_id)
    owner = names.need(ctx, "users", task["owner"])["name"]
    home = Path(ctx.settings.pathinfo.scratch(), owner, f"task_{task_id}")
    files = [str(Path(directory, name)) for directory, listed in results["files"].items() for name in listed]
    wanted = [(results["task_id"], name, home) for name in [*files, *results["logs"]]]
    if rpm_results:
        rpms = [rpm_results["srpm"], *rpm_results["rpms"], *rpm_results["logs"]]
        wanted += [(rpm_results["task_id"], name, home / "rpms") for name in rpms]
    moves = []
    for source, name, top in wanted:
        below = ctx.settings.pathinfo.taskrelpath(source)
        moves.append((filing.uploaded(ctx, f"{below}/{name}", family), top / name))
    filing.move(moves)
