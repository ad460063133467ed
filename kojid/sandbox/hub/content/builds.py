# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""One build as a client sees it: by id or NVR, its types, its logs on disk, and the volumes that builds lie on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

import koji

from kojid.sandbox.hub.content import names
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

States = koji.BUILD_STATES
COLUMNS = (
    "build.id, build.id AS build_id, build.version, build.release, build.epoch, build.draft, build.state,"
    " time_text(build.completion_time) AS completion_time, build.completion_time AS completion_ts,"
    " time_text(build.start_time) AS start_time, build.start_time AS start_ts,"
    " time_text(promoted.time) AS promotion_time, promoted.time AS promotion_ts,"
    " promoter.id AS promoter_id, promoter.name AS promoter_name,"
    " build.task_id, build.source, build.extra, events.id AS creation_event_id,"
    " time_text(events.time) AS creation_time, events.time AS creation_ts,"
    " package.id AS package_id, package.name AS package_name, package.name AS name,"
    " volume.id AS volume_id, volume.name AS volume_name,"
    " package.name || '-' || build.version || '-' || build.release AS nvr,"
    " users.id AS owner_id, users.name AS owner_name"
)
TABLES = (
    "build JOIN events ON events.id = build.create_event JOIN package ON package.id = build.pkg_id"
    " JOIN volume ON volume.id = build.volume_id JOIN users ON users.id = build.owner"
    " LEFT JOIN build_promotions AS promoted ON promoted.build_id = build.id"
    " LEFT JOIN users AS promoter ON promoter.id = promoted.promoter_id"
)
BuildInfo = Union[int, str, Mapping[str, Any]]


def find_id(ctx: Context, info: BuildInfo, strict: bool = False) -> Optional[int]:
    """The id of a build named by id, NVR or a dict with `id` or name, version and release.

    Raises:
        koji.GenericError: it is none of these, or there is no such build and `strict`.
    """
    if isinstance(info, int) and not isinstance(info, bool):
        return info
    parts = koji.parse_NVR(info) if isinstance(info, str) else info
    if not isinstance(parts, Mapping):
        raise koji.GenericError(f"Invalid type for argument: {type(info)}")
    if any(key not in parts for key in ("name", "version", "release")):
        raise koji.GenericError("did not provide name, version, and release")
    found: Optional[int] = ctx.db.value(
        "SELECT build.id FROM build JOIN package ON package.id = build.pkg_id"
        " WHERE package.name = ? AND build.version = ? AND build.release = ?",
        (parts["name"], parts["version"], parts["release"]),
    )
    if found is None and strict:
        raise koji.GenericError(f"No such build: {info!r}")
    return found


@export("findBuildID", reads=True)
def find_build_id(ctx: Context, X: BuildInfo, strict: bool = False) -> Optional[int]:
    """A build's id, as `find_id`."""
    return find_id(ctx, X, strict)


@export("getBuild", reads=True)
def get_build(ctx: Context, buildInfo: BuildInfo, strict: bool = False) -> Optional[Row]:
    """One build with its owner, times, state, source and extra (see `COLUMNS`); None without one.

    Raises:
        koji.GenericError: there is none and `strict`, or `buildInfo` names nothing.
    """
    build_id = find_id(ctx, buildInfo, strict)
    row = None if build_id is None else ctx.db.one(f"SELECT {COLUMNS} FROM {TABLES} WHERE build.id = ?", (build_id,))
    if row is None:
        if strict:
            raise koji.GenericError(f"No such build: {buildInfo}")
        return None
    return decoded({**row, "cg_id": None, "cg_name": None})


def need_build(ctx: Context, info: BuildInfo) -> Row:
    """A build that has to exist.

    Raises:
        koji.GenericError: it does not.
    """
    build = get_build(ctx, info, strict=True)
    assert build is not None
    return build


def decoded(row: Row) -> Row:
    """A build's row with its `extra` read."""
    if row["extra"] is not None:
        row["extra"] = json.loads(row["extra"])
    return row


def of_type(ctx: Context, rows: List[Row], btype: str, wanted: Optional[Mapping[str, Any]] = None) -> List[Row]:
    """Those of some builds that are of a type, with what lists tell of it: maven_group_id and the like, or platform.

    Args:
        ctx: the call.
        rows: the builds, with build_id.
        btype: the type.
        wanted: values of group_id, artifact_id and version, or platform, that count only.
    """
    found = []
    ids = set(ctx.db.values("SELECT build_id FROM build_types WHERE btype = ?", (btype,)))
    for row in rows:
        if row["build_id"] not in ids:
            continue
        details = {key: value for key, value in (_kept(ctx, btype, row["build_id"]) or {}).items() if key != "build_id"}
        if all(details.get(key) == value for key, value in (wanted or {}).items()):
            prefix = "maven_" if btype == "maven" else ""
            found.append({**row, **{f"{prefix}{key}": value for key, value in details.items()}})
    return found


def state_name(build: Row) -> str:
    """The word for a build's state."""
    return str(States[build["state"]])


def directory(ctx: Context, build: Row) -> Path:
    """Where a build's files lie (contract 13)."""
    return Path(ctx.settings.pathinfo.build(build))


@export("getBuildType", reads=True)
def get_build_type(ctx: Context, buildInfo: BuildInfo, strict: bool = False) -> Optional[Dict[str, Any]]:
    """Which types of content a build has: type -> its details (None for rpm), those of old types as they are kept.

    Raises:
        koji.GenericError: no such build and `strict`.
    """
    build = get_build(ctx, buildInfo, strict)
    if build is None:
        return None
    details = (build["extra"] or {}).get("typeinfo", {})
    found = ctx.db.values("SELECT btype FROM build_types WHERE build_id = ?", (build["id"],))
    return {btype: _kept(ctx, btype, build["id"]) or details.get(btype) for btype in found}


def _kept(ctx: Context, btype: str, build_id: int) -> Optional[Row]:
    """What the tables say of a Maven, Windows or image build."""
    method = {"maven": "getMavenBuild", "win": "getWinBuild", "image": "getImageBuild"}.get(btype)
    found: Optional[Row] = ctx.call(method, build_id) if method else None
    return found


@export("getBuildLogs", reads=True)
def get_build_logs(ctx: Context, build: BuildInfo) -> List[Dict[str, str]]:
    """A complete build's log files: name, dir (below the logs' directory), path (below the topdir).

    Raises:
        koji.GenericError: no such build.
    """
    top, logs = ctx.settings.topdir, directory(ctx, need_build(ctx, build)) / "data" / "logs"
    found = []
    for parent, _, files in os.walk(logs):
        for name in sorted(files):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                subdir = str(Path(parent).relative_to(logs))
                found.append({"name": name, "dir": subdir, "path": f"{logs.relative_to(top)}/{subdir}/{name}"})
    return found


@export("getVolume", reads=True)
def get_volume(ctx: Context, volume: names.Info, strict: bool = False) -> Optional[Row]:
    """A storage volume's {id, name}; DEFAULT is the one that every hub has.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    found = names.find(ctx, "volume", volume)
    if found is None and strict:
        raise koji.GenericError(f"No such volume: {volume}")
    return found


@export("listVolumes", reads=True)
def list_volumes(ctx: Context) -> List[Row]:
    """The storage volumes."""
    return ctx.db.all("SELECT id, name FROM volume ORDER BY id")


def cancel_build(ctx: Context, build_id: int) -> bool:
    """Mark a build as canceled because its task is; False when it is not under way."""
    from kojid.sandbox.hub.content import buildstates  # it needs this module itself

    return buildstates.cancel_build(ctx, build_id)
