# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""What the rpm files themselves say: headers, files, dependencies, changelogs - read when asked for."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

import koji
import koji.util

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.content import builds, rpms
from kojid.sandbox.hub.kernel import Context, export

DEPENDENCIES = {
    koji.DEP_REQUIRE: "REQUIRE",
    koji.DEP_PROVIDE: "PROVIDE",
    koji.DEP_OBSOLETE: "OBSOLETE",
    koji.DEP_CONFLICT: "CONFLICT",
    koji.DEP_SUGGEST: "SUGGEST",
    koji.DEP_ENHANCE: "ENHANCE",
    koji.DEP_SUPPLEMENT: "SUPPLEMENT",
    koji.DEP_RECOMMEND: "RECOMMEND",
}
FILE_FIELDS = {
    "name": "filenames",
    "digest": "filemd5s",
    "size": "filesizes",
    "flags": "fileflags",
    "user": "fileusername",
    "group": "filegroupname",
    "mtime": "filemtimes",
    "mode": "filemodes",
}


def fields(path: Path, names: Sequence[str]) -> Dict[str, Any]:
    """Header fields of an rpm file; the library leaves a file open that it can't read, so it is opened here.

    Raises:
        koji.GenericError: it is no rpm, or there is no field of that name.
    """
    with path.open("rb") as file:
        try:
            header = koji.get_rpm_header(file)
        except koji.GenericError:
            raise
        except Exception as error:  # the rpm library raises errors of its own for what it can't read
            raise koji.GenericError(f"Cannot read rpm file {path.name}: {error}") from error
        return dict(koji.get_header_fields(header, list(names)))


def _file(ctx: Context, rpm_id: Optional[rpms.RpmInfo], task_id: Optional[int], name: Optional[str]) -> Path:
    """The rpm file that a call names: a known rpm's, or one that a task uploaded.

    Raises:
        koji.GenericError: nothing is named, or there is no such file.
    """
    if rpm_id:
        found = rpms.path(ctx, rpms.get_rpm(ctx, rpm_id, strict=True))
    elif task_id and name:
        if name.startswith("/") or ".." in Path(name).parts:
            raise koji.GenericError(f"Invalid filepath: {name}")
        found = Path(ctx.settings.pathinfo.work(), ctx.settings.pathinfo.taskrelpath(task_id), name)
    else:
        raise koji.GenericError("either rpmID or taskID and filepath must be specified")
    if not found.is_file():
        raise koji.GenericError(f"Missing rpm file: {found}")
    return found


def _found(ctx: Context, strict: bool, *which: Any) -> Optional[Path]:
    try:
        return _file(ctx, *which)
    except koji.GenericError:
        if strict or not any(which):
            raise
        return None


@export("getRPMHeaders", reads=True)
def get_rpm_headers(
    ctx: Context,
    rpmID: Optional[rpms.RpmInfo] = None,
    taskID: Optional[int] = None,
    filepath: Optional[str] = None,
    headers: Optional[Sequence[str]] = None,
    strict: bool = False,
) -> Dict[str, Any]:
    """Header fields of an rpm: a known one, or a file that a task uploaded; {} when it is not there.

    Raises:
        koji.GenericError: it is not there and `strict`, nothing is named, or there is no header of that name.
    """
    file = _found(ctx, strict, rpmID, taskID, filepath)
    if file is None:
        return {}
    return dict(koji.fixEncodingRecurse(fields(file, headers or []), remove_nonprintable=True))


@export("listRPMFiles", reads=True)
def list_rpm_files(ctx: Context, rpmID: rpms.RpmInfo, queryOpts: queries.QueryOpts = None) -> Any:
    """The files in an rpm: name, digest (also as md5), digest_algo, size, flags, user, group, mtime, mode."""
    file = _found(ctx, False, rpmID, None, None)
    if file is None:
        return queries.apply([], queryOpts)
    header = koji.get_rpm_header(str(file))
    found = koji.get_header_fields(header, list(FILE_FIELDS.values()))
    columns = [found[name] for name in FILE_FIELDS.values()]
    algorithm = koji.util.filedigestAlgo(header)
    rows = [{**dict(zip(FILE_FIELDS, values)), "digest_algo": algorithm} for values in zip(*columns)]
    return queries.apply([{**row, "md5": row["digest"]} for row in rows], queryOpts)


@export("getRPMDeps", reads=True)
def get_rpm_deps(
    ctx: Context,
    rpmID: rpms.RpmInfo,
    depType: Optional[int] = None,
    queryOpts: queries.QueryOpts = None,
    strict: bool = False,
) -> Any:
    """An rpm's dependencies: name, version, flags, type (koji.DEP_*), all or those of one type.

    Raises:
        koji.GenericError: it is not there and `strict`.
    """
    file = _found(ctx, strict, rpmID, None, None)
    if file is None:
        return queries.apply([], queryOpts)
    header = koji.get_rpm_header(str(file))
    rows: List[Dict[str, Any]] = []
    for kind, word in DEPENDENCIES.items():
        if depType in (None, kind):
            columns = [koji.get_header_field(header, f"{word}{part}") for part in ("NAME", "VERSION", "FLAGS")]
            rows += [
                {"name": name, "version": version, "flags": flags, "type": kind}
                for name, version, flags in zip(*columns)
            ]
    return queries.apply(rows, queryOpts)


@export("getChangelogEntries", reads=True)
def get_changelog_entries(
    ctx: Context,
    buildID: Optional[builds.BuildInfo] = None,
    taskID: Optional[int] = None,
    filepath: Optional[str] = None,
    author: Optional[str] = None,
    before: Union[float, str, None] = None,
    after: Union[float, str, None] = None,
    queryOpts: queries.QueryOpts = None,
    strict: bool = False,
) -> Any:
    """The changelog of a build's SRPM, or of an rpm that a task uploaded: date, date_ts, author, text; newest first.

    Args:
        ctx: the call.
        buildID: the build.
        taskID, filepath: the uploaded file.
        author, before, after: only entries by this author, before, after this time.
        queryOpts: order and limits.
        strict: raise when there is no such rpm.

    Raises:
        koji.GenericError: nothing is named, or it is not there and `strict`.
    """
    source: Optional[int] = None
    if buildID:
        build = builds.get_build(ctx, buildID, strict)
        found = rpms.list_rpms(ctx, buildID=build["id"], arches="src") if build else []
        if not found:
            if strict:
                raise koji.GenericError(f"Build {buildID} doesn't have srpms")
            return queries.apply([], queryOpts)
        source = found[0]["id"]
    file = _found(ctx, strict, source, taskID, filepath)
    entries = _entries(file) if file else []
    limits = (queries.seconds(after) if after else 0.0, queries.seconds(before) if before else float("inf"))
    kept = [
        row for row in entries if limits[0] < row["date_ts"] < limits[1] and (author is None or row["author"] == author)
    ]
    return queries.apply(kept, queryOpts)


def _entries(file: Path) -> List[Dict[str, Any]]:
    columns = ["changelogtime", "changelogname", "changelogtext"]
    found = fields(file, columns)
    rows = [
        {
            "date": datetime.datetime.fromtimestamp(moment).isoformat(" "),
            "date_ts": moment,
            "author": koji.fixEncoding(author),
            "text": koji.fixEncoding(text),
        }
        for moment, author, text in zip(*(found[column] for column in columns))
    ]
    return list(koji.fixEncodingRecurse(rows, remove_nonprintable=True))
