# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Rpms that the hub knows: of its own builds, and those that buildroots took from external repositories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.content import builds, names
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

COLUMNS = (
    "rpminfo.id, rpminfo.build_id, rpminfo.buildroot_id, rpminfo.name, rpminfo.version, rpminfo.release,"
    " rpminfo.epoch, rpminfo.arch, rpminfo.draft, rpminfo.external_repo_id, external_repo.name AS external_repo_name,"
    " rpminfo.payloadhash, rpminfo.size, rpminfo.buildtime, rpminfo.metadata_only, rpminfo.extra"
)
TABLES = "rpminfo JOIN external_repo ON external_repo.id = rpminfo.external_repo_id"
NVRA = ("name", "version", "release", "arch")
NEEDED_TYPES = {
    "name": str,
    "version": str,
    "release": str,
    "epoch": (int, type(None)),
    "arch": str,
    "payloadhash": str,
    "size": int,
    "buildtime": int,
}
RpmInfo = Union[int, str, Mapping[str, Any]]


def decoded(row: Row) -> Row:
    """An rpm's row with its `extra` read."""
    if row.get("extra") is not None:
        row["extra"] = json.loads(row["extra"])
    return row


def _where(ctx: Context, info: RpmInfo) -> Dict[str, Any]:
    if isinstance(info, str):
        info = int(info) if info.isdigit() else koji.parse_NVRA(info)
    if isinstance(info, int) and not isinstance(info, bool):
        return {"rpminfo.id": info}
    if not isinstance(info, Mapping):
        raise koji.GenericError(f"Invalid type for rpminfo: {type(info)}")
    if "id" in info:
        where: Dict[str, Any] = {"rpminfo.id": info["id"]}
    else:
        missing = [key for key in NVRA if key not in info]
        if missing:
            raise koji.GenericError(f"rpm info without {', '.join(missing)}: {dict(info)!r}")
        where = {f"rpminfo.{key}": info[key] for key in NVRA}
    if info.get("location"):
        where["rpminfo.external_repo_id"] = names.need(ctx, "external_repo", info["location"])["id"]
    return where


@export("getRPM", reads=True)
def get_rpm(ctx: Context, rpminfo: RpmInfo, strict: bool = False, multi: bool = False) -> Any:
    """An rpm by id, N-V-R.A, N-V-R.A@REPO or a dict with name, version, release, arch (and location).

    Args:
        ctx: the call.
        rpminfo: which one.
        strict: raise when there is none.
        multi: give the list of all that are meant; else the hub's own comes first, then drafts, then external ones.

    Raises:
        koji.GenericError: there is none and `strict`, or `rpminfo` names nothing.
    """
    condition, params = equal(_where(ctx, rpminfo))
    found = [decoded(row) for row in ctx.db.all(f"SELECT {COLUMNS} FROM {TABLES} WHERE {condition}", params)]
    if multi:
        return found
    if not found and strict:
        raise koji.GenericError(f"No such rpm: {rpminfo!r}")
    return min(found, key=_preference) if found else None


def _preference(row: Row) -> Any:
    return (row["external_repo_id"] != 0, row["draft"], -row["id"])


@export("listRPMs", reads=True)
def list_rpms(
    ctx: Context,
    buildID: Optional[int] = None,
    buildrootID: Optional[int] = None,
    imageID: Optional[int] = None,
    componentBuildrootID: Optional[int] = None,
    hostID: Optional[int] = None,
    arches: Union[str, Sequence[str], None] = None,
    queryOpts: queries.QueryOpts = None,
    draft: Optional[bool] = None,
) -> Any:
    """Rpms that pass every filter given.

    Args:
        ctx: the call.
        buildID: of this build.
        buildrootID: made in this buildroot.
        imageID: installed in this image, an archive.
        componentBuildrootID: installed in this buildroot; they come with component_buildroot_id and is_update.
        hostID: made on this host.
        arches: of these architectures.
        queryOpts: order and limits.
        draft: only of drafts, or only of others.
    """
    columns = f"{COLUMNS}, rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release AS nvr"
    tables = TABLES
    given: Dict[str, Any] = {"rpminfo.build_id": buildID, "rpminfo.buildroot_id": buildrootID, "rpminfo.draft": draft}
    where = {column: value for column, value in given.items() if value is not None}
    if componentBuildrootID is not None:
        columns += ", listed.buildroot_id AS component_buildroot_id, listed.is_update"
        tables += " JOIN buildroot_listing AS listed ON listed.rpm_id = rpminfo.id"
        where["listed.buildroot_id"] = componentBuildrootID
    if imageID is not None:
        tables += " JOIN archive_rpm_components AS component ON component.rpm_id = rpminfo.id"
        where["component.archive_id"] = imageID
    if hostID is not None:
        tables += " JOIN buildroot ON buildroot.id = rpminfo.buildroot_id"
        where["buildroot.host_id"] = hostID
    if arches is not None:
        where["rpminfo.arch"] = arches
    condition, params = equal(where)
    rows = ctx.db.all(f"SELECT {columns} FROM {tables} WHERE {condition} ORDER BY rpminfo.id", params)
    return queries.apply([decoded(row) for row in rows], queryOpts)


@export("listBuildRPMs", reads=True)
def list_build_rpms(ctx: Context, build: builds.BuildInfo) -> List[Row]:
    """The rpms of a build.

    Raises:
        koji.GenericError: `build` is an NVR that the hub does not know.
    """
    found: List[Row] = list_rpms(ctx, buildID=builds.find_id(ctx, build, strict=True))
    return found


@export("queryRPMSigs", reads=True)
def query_rpm_sigs(
    ctx: Context,
    rpm_id: Optional[RpmInfo] = None,
    sigkey: Optional[str] = None,
    queryOpts: queries.QueryOpts = None,
) -> Any:
    """The signatures that came with rpms: rpm_id, sigkey ("" for an unsigned one's header), sighash."""
    where: Dict[str, Any] = {}
    if rpm_id is not None:
        found = get_rpm(ctx, rpm_id)
        if found is None:
            return []
        where["rpm_id"] = found["id"]
    if sigkey is not None:
        where["sigkey"] = sigkey.lower()
    condition, params = equal(where)
    return queries.apply(
        ctx.db.all(f"SELECT rpm_id, sigkey, sighash FROM rpmsigs WHERE {condition}", params), queryOpts
    )


def path(ctx: Context, rpm: Row) -> Path:
    """Where an rpm of the hub's own builds lies.

    Raises:
        koji.GenericError: it is an external one.
    """
    if rpm["build_id"] is None:
        raise koji.GenericError(f"External rpm: {rpm['id']}")
    build = builds.need_build(ctx, rpm["build_id"])
    return builds.directory(ctx, build) / str(ctx.settings.pathinfo.rpm(rpm))


def external(ctx: Context, info: Mapping[str, Any]) -> Row:
    """Record an rpm that a buildroot got from an external repository, or find it (contract 7.8).

    Args:
        ctx: the call.
        info: the rpm's `NEEDED_TYPES`, and `location`: the external repository's id or name.

    Raises:
        koji.GenericError: a value is missing or of a wrong type, no such repository, or the hub knows the same rpm
            from there with another payload hash.
    """
    for key, wanted in NEEDED_TYPES.items():
        if key not in info:
            raise koji.GenericError(f"{key} field missing: {dict(info)!r}")
        if not isinstance(info[key], wanted):  # type: ignore[arg-type]
            raise koji.GenericError(f"Invalid value for {key}: {info[key]!r}")
    repo_id = names.need(ctx, "external_repo", info["location"])["id"]
    nvra = {name: info[name] for name in NVRA}
    known: Optional[Row] = get_rpm(ctx, {**nvra, "location": repo_id})
    if known is None:
        values = {name: info[name] for name in NEEDED_TYPES}
        rpm_id = ctx.db.insert("rpminfo", external_repo_id=repo_id, **values)
        known = get_rpm(ctx, rpm_id, strict=True)
    assert known is not None
    if known["payloadhash"] != info["payloadhash"]:
        shown = f"{known['name']}-{known['version']}-{known['release']}.{known['arch']}@{known['external_repo_name']}"
        raise koji.GenericError(
            f"hash changed for external rpm: {shown} ({known['payloadhash']} -> {info['payloadhash']})"
        )
    return known
