"""Taking rpms in: the files are read, checked against the build they are said to be of, recorded and filed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

import koji

from kojid.sandbox.hub.content import (
    buildroots,
    builds,
    buildstates,
    filing,
    noarch,
    notifications,
    rpmheaders,
    signatures,
    tagchanges,
    tags,
)
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

FIELDS = ["name", "version", "release", "epoch", "sourcepackage", "arch", "buildtime", "sourcerpm", "sigmd5"]
IMPORT_UPDATE = 1


def read(path: Path) -> Row:
    """What an rpm file says of itself: name, version, release, epoch, arch, buildtime, sourcerpm, payloadhash, size.

    Raises:
        koji.GenericError: it is no rpm, its name is not the one that its header gives, or its architecture is none.
    """
    found = rpmheaders.fields(path, FIELDS)
    source = found.pop("sourcepackage") == 1
    found["arch"] = "src" if source else found["arch"]
    koji.parse_arches(found["arch"], strict=True)
    expected = f"{found['name']}-{found['version']}-{found['release']}.{found['arch']}.rpm"
    if path.name != expected:
        raise koji.GenericError(f"bad filename: {path.name} (expected {expected})")
    sigmd5 = found.pop("sigmd5")
    return {**found, "payloadhash": koji.hex_string(sigmd5), "size": path.stat().st_size}


def record(ctx: Context, path: Path, rpm: Mapping[str, Any], build: Row, buildroot_id: Optional[int]) -> int:
    """Add an rpm that has been `read` to a build and return its id.

    Raises:
        koji.GenericError: the build has failed, was canceled or deleted, or the hub has an rpm of that name.
    """
    state = builds.state_name(build)
    if state in ("FAILED", "CANCELED", "DELETED"):
        raise koji.GenericError(f"Build is {state}: {build['nvr']}")
    nvra = {key: rpm[key] for key in ("name", "version", "release", "arch")}
    known = ctx.db.one(
        "SELECT payloadhash FROM rpminfo WHERE name = :name AND version = :version AND release = :release"
        " AND arch = :arch AND external_repo_id = 0 AND NOT draft",
        nvra,
    )
    if known is not None and not build["draft"]:
        same = "the same payload" if known["payloadhash"] == rpm["payloadhash"] else "another payload"
        raise koji.GenericError(f"rpm already exists with {same}: {path.name} ({known['payloadhash']})")
    values = {key: rpm[key] for key in ("epoch", "payloadhash", "size", "buildtime")}
    rpm_id = ctx.db.insert(
        "rpminfo", build_id=build["id"], buildroot_id=buildroot_id, draft=build["draft"], **nvra, **values
    )
    signatures.keep(ctx, {**nvra, "id": rpm_id}, build, koji.rip_rpm_sighdr(str(path)))
    buildstates.add_type(ctx, build["id"])
    return rpm_id


def place(ctx: Context, build: Row, rpm: Mapping[str, Any]) -> Path:
    """Where a hub keeps an rpm of a build."""
    return builds.directory(ctx, build) / str(ctx.settings.pathinfo.rpm(rpm))


def _check_source(path: Path, rpm: Row, build: Row) -> None:
    release = koji.parse_target_release(build["release"]) if build["draft"] else build["release"]
    expected = f"{build['name']}-{build['version']}-{release}.src.rpm"
    given = path.name if rpm["arch"] == "src" else rpm["sourcerpm"]
    if given != expected:
        raise koji.GenericError(f"srpm mismatch for {path}: {given} (expected {expected})")


def _completed(ctx: Context, build_id: int, task_id: int, source: Row) -> Row:
    """Take a build into the state COMPLETE, its SRPM and task having been held against it."""
    build = builds.need_build(ctx, build_id)
    release = koji.gen_draft_release(source["release"], build_id) if build["draft"] else source["release"]
    for key, value in {**source, "release": release, "task_id": task_id}.items():
        if key in ("name", "version", "release", "epoch", "task_id") and value != build[key]:
            raise koji.GenericError(f"Unable to complete build: {key} mismatch (build: {build[key]}, rpm: {value})")
    if builds.state_name(build) != "BUILDING":
        raise koji.GenericError(f"Unable to complete build: state is {builds.state_name(build)}")
    ctx.db.update("build", {"id": build_id}, state=builds.States["COMPLETE"], completion_time=time.time())
    return builds.need_build(ctx, build_id)


@export("host.completeBuild")
def complete_build(
    ctx: Context,
    task_id: int,
    build_id: int,
    srpm: str,
    rpms: Sequence[str],
    brmap: Optional[Mapping[str, int]] = None,
    logs: Optional[Mapping[str, Sequence[str]]] = None,
) -> Row:
    """Take in what a host's build task has built (contract 6.1, step 15).

    Args:
        ctx: the call.
        task_id: the task.
        build_id: its build, under way.
        srpm, rpms: the files, relative to the work directory, uploaded by the task or its subtasks.
        brmap: file -> id of the buildroot that it was made in.
        logs: architecture -> log files.

    Returns:
        The build, complete.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: a file is missing, elsewhere, not what its name says or of another build; no such
            buildroot; the build is not under way or another task's; the hub has an rpm of that name.
        koji.BuildError: a noarch rpm differs between architectures.
    """
    ctx.owned_task(task_id)
    brmap, logs = brmap or {}, logs or {}
    family = filing.of_task(ctx, task_id)
    for relpath in [srpm, *rpms]:
        filing.uploaded(ctx, relpath, family)
    chosen = [srpm, *noarch.distinct(ctx, rpms, logs)]
    for buildroot_id in set(brmap.values()):
        buildroots.need_buildroot(ctx, buildroot_id)
    source = read(filing.uploaded(ctx, srpm))
    if source["arch"] != "src":
        raise koji.GenericError(f"not a source package: {srpm}")
    build = _completed(ctx, build_id, task_id, source)
    moves = _take_in(ctx, build, [(relpath, brmap.get(relpath)) for relpath in chosen])
    moves += filing.log_moves(ctx, logs, builds.directory(ctx, build) / "data" / "logs", family)
    notifications.about_build(ctx, task_id, build)
    filing.move(moves)
    return build


def _take_in(ctx: Context, build: Row, files: Sequence[Tuple[str, Optional[int]]]) -> List[filing.Move]:
    moves: List[filing.Move] = []
    for relpath, buildroot_id in files:
        path = filing.uploaded(ctx, relpath)
        rpm = read(path)
        _check_source(path, rpm, build)
        record(ctx, path, rpm, build, buildroot_id)
        moves.append((path, place(ctx, build, rpm)))
    return moves


def build_for(ctx: Context, path: Path, rpm: Row) -> Row:
    """The build that an imported rpm belongs to; an SRPM's is made when there is none.

    Raises:
        koji.GenericError: it is no SRPM and there is no build of its SRPM.
    """
    parts = rpm if rpm["arch"] == "src" else koji.parse_NVRA(rpm["sourcerpm"])
    build = builds.get_build(ctx, {key: parts[key] for key in ("name", "version", "release")})
    if build is not None:
        return build
    if rpm["arch"] != "src":
        raise koji.GenericError(f"No such build: {rpm['sourcerpm']} of {path.name}")
    data = {key: rpm[key] for key in ("name", "version", "release", "epoch")}
    return builds.need_build(ctx, buildstates.new_build(ctx, data))


@export("importRPM")
def import_rpm(ctx: Context, path: str, basename: str) -> Row:
    """Import an uploaded rpm; needs the permission `admin`.

    Args:
        ctx: the call.
        path: its directory below the work directory.
        basename: its name.

    Returns:
        The rpm, with `build` and `brootid`.

    Raises:
        koji.GenericError: it is missing, not what its name says, of no known build, or the hub has one of that name.
    """
    ctx.require("admin")
    file = filing.uploaded(ctx, f"{path}/{basename}")
    rpm = read(file)
    build = build_for(ctx, file, rpm)
    rpm_id = record(ctx, file, rpm, build, None)
    for tag in tags.list_tags(ctx, build=build["id"]):
        tagchanges.note_update(ctx, tag["id"], IMPORT_UPDATE)
    filing.move([(file, place(ctx, build, rpm))])
    shown = {key: value for key, value in rpm.items() if key != "sourcerpm"}
    return {**shown, "id": rpm_id, "build_id": build["id"], "build": build, "brootid": None, "external_repo_id": 0}
