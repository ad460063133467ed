"""Signatures of rpms: their headers are kept apart, signed copies are written when somebody asks (contract 9.5, 6)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import List, Mapping, Optional

import koji

from kojid.sandbox.hub.content import builds, rpms
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export


def digest(header: bytes) -> str:
    """What a hub names a signature header by."""
    return hashlib.md5(header).hexdigest()


def keep(ctx: Context, rpm: Mapping[str, object], build: Row, header: bytes) -> str:
    """Record a signature of an rpm and keep its header in a file; return the key, "" for an unsigned one's header.

    Raises:
        koji.GenericError: there is one by that key already.
    """
    key = koji.get_sighdr_key(header) or ""
    if ctx.db.one("SELECT sighash FROM rpmsigs WHERE rpm_id = ? AND sigkey = ?", (rpm["id"], key)):
        raise koji.GenericError(f"Signature already exists for package {_nvra(rpm)}, key {key}")
    ctx.db.insert("rpmsigs", rpm_id=rpm["id"], sigkey=key, sighash=digest(header))
    path = builds.directory(ctx, build) / str(ctx.settings.pathinfo.sighdr(rpm, key))
    ctx.after_commit(lambda: _write(path, header))
    return key


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _nvra(rpm: Mapping[str, object]) -> str:
    return f"{rpm['name']}-{rpm['version']}-{rpm['release']}.{rpm['arch']}"


def _internal(ctx: Context, info: rpms.RpmInfo) -> Row:
    rpm: Row = rpms.get_rpm(ctx, info, strict=True)
    if rpm["external_repo_id"]:
        raise koji.GenericError(f"Not an internal rpm: {info} (from {rpm['external_repo_name']})")
    return rpm


@export("addRPMSig")
def add_rpm_sig(ctx: Context, an_rpm: rpms.RpmInfo, data: str) -> None:
    """Keep a signature header of an rpm, given as base64; needs the permission `sign`.

    Raises:
        koji.GenericError: no such rpm, the header is another rpm's, or there is one by its key.
    """
    ctx.require("sign")
    rpm = _internal(ctx, an_rpm)
    header = base64.b64decode(data)
    payload = koji.hex_string(koji.RawHeader(header).get(koji.RPM_SIGTAG_MD5))
    if payload != rpm["payloadhash"]:
        raise koji.GenericError(f"wrong md5 for {_nvra(rpm)}: {payload}")
    keep(ctx, rpm, builds.need_build(ctx, rpm["build_id"]), header)


@export("writeSignedRPM")
def write_signed_rpm(ctx: Context, an_rpm: rpms.RpmInfo, sigkey: str, force: bool = False) -> None:
    """Write the copy of an rpm that is signed with a key; needs the permission `sign`.

    Raises:
        koji.GenericError: no such rpm, or no signature of it by the key.
    """
    ctx.require("sign")
    _write_copy(ctx, an_rpm, sigkey, force)


@export("host.writeSignedRPM")
def host_write_signed_rpm(ctx: Context, an_rpm: rpms.RpmInfo, sigkey: str, force: bool = False) -> None:
    """As writeSignedRPM, for a build host (contract 9.5, 6)."""
    ctx.host()
    _write_copy(ctx, an_rpm, sigkey, force)


def _write_copy(ctx: Context, info: rpms.RpmInfo, key: str, force: bool) -> None:
    key = key.lower()
    rpm = _internal(ctx, info)
    paths, home = ctx.settings.pathinfo, builds.directory(ctx, builds.need_build(ctx, rpm["build_id"]))
    source = rpms.path(ctx, rpm)
    if not source.is_file():
        raise koji.GenericError(f"No such path: {source}")
    if not ctx.db.one("SELECT sighash FROM rpmsigs WHERE rpm_id = ? AND sigkey = ?", (rpm["id"], key)):
        raise koji.GenericError(f"No cached signature for package {_nvra(rpm)}, key {key}")
    target = home / str(paths.signed(rpm, key))
    if target.exists() and not force:
        return
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    koji.splice_rpm_sighdr((home / str(paths.sighdr(rpm, key))).read_bytes(), str(source), dst=str(target))


@export("deleteRPMSig")
def delete_rpm_sig(ctx: Context, rpminfo: rpms.RpmInfo, sigkey: Optional[str] = None, all_sigs: bool = False) -> None:
    """Forget a signature of an rpm, or all; its signed copy is deleted, its header put aside. Needs `admin`.

    Raises:
        koji.GenericError: no such rpm or signature, or none is named.
    """
    ctx.require("admin")
    if not sigkey and not all_sigs:
        raise koji.GenericError("No signature specified")
    rpm = _internal(ctx, rpminfo)
    found: List[Row] = rpms.query_rpm_sigs(ctx, rpm_id=rpm["id"], sigkey=None if all_sigs else sigkey)
    if not found:
        raise koji.GenericError(f"{_nvra(rpm)} has no matching signatures to delete")
    paths, home = ctx.settings.pathinfo, builds.directory(ctx, builds.need_build(ctx, rpm["build_id"]))
    for row in found:
        ctx.db.delete("rpmsigs", {"rpm_id": rpm["id"], "sigkey": row["sigkey"]})
        (home / str(paths.signed(rpm, row["sigkey"]))).unlink(missing_ok=True)
        header = home / str(paths.sighdr(rpm, row["sigkey"]))
        if header.exists():
            header.rename(f"{header}.{row['sighash']}.save")
