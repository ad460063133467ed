# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Archives: the files of Maven, Windows and image builds, imported, listed, and filed where a hub keeps them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.content import archivetypes, builds, filing, othertypes, tags
from kojid.sandbox.hub.content.names import Info
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

#: The types of builds, under the numbers that a hub has for them.
BTYPES = {"rpm": 1, "maven": 2, "win": 3, "image": 4}
_KEPT = "id btype build_id buildroot_id filename size checksum checksum_type metadata_only extra type_name details"
COLUMNS = ", ".join(_KEPT.split())
#: What archives are filtered by, in the order of positions.
FILTERS = (
    "buildID",
    "buildrootID",
    "componentBuildrootID",
    "hostID",
    "type",
    "filename",
    "size",
    "checksum",
    "checksum_type",
    "typeInfo",
    "queryOpts",
    "imageID",
    "archiveID",
    "strict",
)
_OF_COLUMN = {
    "buildID": "build_id",
    "buildrootID": "buildroot_id",
    "filename": "filename",
    "size": "size",
    "checksum": "checksum",
    "checksum_type": "checksum_type",
    "archiveID": "id",
}


@export("listArchives", reads=True)
def list_archives(ctx: Context, *positions: Any, **filters: Any) -> Any:
    """The archives that pass the filters (see `FILTERS`); with `type` they come with what that type adds.

    Images that hold others are unknown here: such a filter gives none.

    Raises:
        koji.GenericError: there are none and `strict`, or there is no such type.
        koji.ParameterError: there is no such filter.
    """
    given = {**dict(zip(FILTERS, positions)), **filters}
    unknown = sorted(set(given) - set(FILTERS))
    if unknown or len(positions) > len(FILTERS):
        raise koji.ParameterError(f"listArchives: unexpected arguments: {', '.join(unknown) or positions}")
    found = _found(ctx, {key: value for key, value in given.items() if value is not None})
    if not found and given.get("strict"):
        raise koji.GenericError("No archives found.")
    return queries.apply(found, given.get("queryOpts"))


def _found(ctx: Context, given: Mapping[str, Any]) -> List[Row]:
    if any(key in given for key in ("imageID", "hostID")):
        return []
    where = {column: given[key] for key, column in _OF_COLUMN.items() if key in given}
    btype = given.get("type")
    if btype is not None:
        if btype not in BTYPES:
            raise koji.GenericError(f"unsupported archive type: {btype}")
        where["btype"] = btype
    condition, params = equal(where)
    if "componentBuildrootID" in given:
        condition += " AND id IN (SELECT archive_id FROM buildroot_archives WHERE buildroot_id = ?)"
        params.append(given["componentBuildrootID"])
    rows = ctx.db.all(f"SELECT {COLUMNS} FROM archiveinfo WHERE {condition} ORDER BY id", params)
    shown = [_shown(row, with_details=btype is not None) for row in rows]
    wanted = given.get("typeInfo") or {}
    return [row for row in shown if all(row.get(key) == value for key, value in wanted.items())]


def _shown(row: Row, *, with_details: bool) -> Row:
    details = json.loads(row.pop("details"))
    kind = next(one for one in archivetypes.TYPES if one["name"] == row["type_name"])
    row.update(
        btype_id=BTYPES[row["btype"]],
        type_id=kind["id"],
        type_description=kind["description"],
        type_extensions=kind["extensions"],
        compression_type=kind["compression_type"],
        extra=None if row["extra"] is None else json.loads(row["extra"]),
    )
    return {**row, **(details if with_details else {})}


@export("getArchive", reads=True)
def get_archive(ctx: Context, archive_id: int, strict: bool = False) -> Optional[Row]:
    """One archive with what its type adds; None when there is none.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    row = ctx.db.one(f"SELECT {COLUMNS} FROM archiveinfo WHERE id = ?", (archive_id,))
    if row is None and strict:
        raise koji.GenericError(f"No such archive: {archive_id}")
    return None if row is None else _shown(row, with_details=True)


@export("listTaggedArchives", reads=True)
def list_tagged_archives(
    ctx: Context, tag: Info, event: Optional[int] = None, strict: bool = True, **filters: Any
) -> List[List[Any]]:
    """The archives in a tag, and their builds.

    Raises:
        koji.GenericError: no such tag and `strict`.
    """
    unknown = sorted(set(filters) - {"inherit", "latest", "package", "type", "extra"})
    if unknown:
        raise koji.ParameterError(f"listTaggedArchives: unexpected arguments: {', '.join(unknown)}")
    if tags.get_tag(ctx, tag, strict, event) is None:
        return []
    given = {key: value for key, value in filters.items() if key != "extra"}
    tagged = ctx.call("listTagged", tag, event, **given)
    found = [archive for build in tagged for archive in list_archives(ctx, build["build_id"], type=filters.get("type"))]
    for archive in found if filters.get("type") == "maven" else ():
        archive.update({f"maven_{key}": archive[key] for key in othertypes.MAVEN_FIELDS})
    holders = {archive["build_id"] for archive in found}
    return [found, [build for build in tagged if build["build_id"] in holders]]


@export("importArchive")
def import_archive(
    ctx: Context,
    filepath: str,
    buildinfo: builds.BuildInfo,
    type: str,  # noqa: A002
    typeInfo: Mapping[str, Any],
) -> None:
    """Import an uploaded file as an archive of a build; needs the permission `TYPE-import`.

    Args:
        ctx: the call.
        filepath: relative to the work directory.
        buildinfo: the build, which has to be of this type.
        type: maven, win or image.
        typeInfo: what the type adds: group_id, artifact_id, version; relpath, platforms, flags; or arch.

    Raises:
        koji.GenericError: the file is missing or of no known kind, a value is missing, or there is such a file.
        koji.ImportError: the build is not of this type.
    """
    if type not in _PLACES:
        raise koji.GenericError(f"unsupported archive type: {type}")
    ctx.require(f"{type}-import")
    build = builds.need_build(ctx, buildinfo)
    add(ctx, filing.uploaded(ctx, filepath), build, type, typeInfo)


def add(
    ctx: Context,
    path: Path,
    build: Row,
    btype: str,
    details: Mapping[str, Any],
    buildroot_id: Optional[int] = None,
) -> int:
    """Record a file as an archive of a build and put it into its place; returns its id, errors as `import_archive`."""
    kind = archivetypes.of_file(path.name)
    if btype not in builds.get_build_type(ctx, build["id"], strict=True):  # type: ignore[operator]
        raise koji.ImportError(f"Build does not have type {btype}")
    known = _DETAILS[btype](details)
    if btype == "maven" and kind["name"] == "pom":
        _check_pom(path, known)
    target = Path(ctx.settings.topdir, _PLACES[btype](build, {**known, "filename": path.name}).lstrip("/"))
    content = path.read_bytes()
    archive_id = ctx.db.insert(
        "archiveinfo",
        build_id=build["id"],
        buildroot_id=buildroot_id,
        btype=btype,
        type_name=kind["name"],
        filename=path.name,
        size=len(content),
        checksum=hashlib.sha256(content).hexdigest(),
        checksum_type=koji.CHECKSUM_TYPES["sha256"],
        details=json.dumps(known),
    )
    filing.move([(path, target)])
    if btype == "maven":
        filing.write_sums(target.parent)
    return archive_id


def pom_info(path: Path) -> Dict[str, str]:
    """What a POM says of itself: group_id, artifact_id, version.

    Raises:
        koji.GenericError: it does not say all of that.
    """
    found: Dict[str, str] = koji.pom_to_maven_info(koji.parse_pom(contents=path.read_text(encoding="utf-8")))
    return found


def _check_pom(path: Path, info: Mapping[str, Any]) -> None:
    """Make sure that a POM says what its archive is said to be, and is named so.

    Raises:
        koji.BuildError: it does not.
    """
    told = pom_info(path)
    label = koji.mavenLabel(info)
    if koji.mavenLabel(told) != label:
        raise koji.BuildError(f"the POM {path.name} is of {koji.mavenLabel(told)}, not of {label}")
    if path.name != f"{info['artifact_id']}-{info['version']}.pom":
        raise koji.BuildError(f"{path.name} can't be the name of the POM of {label}")


def _maven(info: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: _need(info, key) for key in othertypes.MAVEN_FIELDS}


def _win(info: Mapping[str, Any]) -> Dict[str, Any]:
    if not info.get("platforms"):
        raise koji.BuildError("no value for platforms")
    flags = " ".join(info.get("flags") or []) or None
    return {"relpath": str(_need(info, "relpath")).strip("/"), "platforms": " ".join(info["platforms"]), "flags": flags}


def _image(info: Mapping[str, Any]) -> Dict[str, Any]:
    return {"arch": _need(info, "arch")}


def _need(info: Mapping[str, Any], key: str) -> Any:
    if key not in info:
        raise koji.GenericError(f"archive info without {key}: {dict(info)!r}")
    return info[key]


_DETAILS: Dict[str, Callable[[Mapping[str, Any]], Dict[str, Any]]] = {"maven": _maven, "win": _win, "image": _image}
# Where each lies, from the topdir.
_PATHS = koji.PathInfo(topdir="")
_PLACES: Dict[str, Callable[[Row, Row], str]] = {
    "maven": lambda build, archive: f"{_PATHS.mavenbuild(build)}/{_PATHS.mavenfile(archive)}",
    "win": lambda build, archive: f"{_PATHS.winbuild(build)}/{_PATHS.winfile(archive)}",
    "image": lambda build, archive: f"{_PATHS.imagebuild(build)}/{archive['filename']}",
}
