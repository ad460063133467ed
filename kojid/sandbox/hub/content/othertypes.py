# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Builds of other types than rpm - Maven, Windows, images: what each says beside the build, and how one is made.

Their files are archives (see `archives`).
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

import koji

from kojid.sandbox.hub.content import builds, buildstates
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

MAVEN_FIELDS = ("group_id", "artifact_id", "version")
NewBuild = Union[int, str, Mapping[str, Any]]


def _details(ctx: Context, word: str, sql: str, build: builds.BuildInfo, strict: bool) -> Optional[Row]:
    build_id = builds.find_id(ctx, build, strict)
    found = None if build_id is None else ctx.db.one(sql, (build_id,))
    if found is None and strict:
        raise koji.GenericError(f"no such {word} build: {build}")
    return found


@export("getMavenBuild", reads=True)
def get_maven_build(ctx: Context, buildInfo: builds.BuildInfo, strict: bool = False) -> Optional[Row]:
    """What a Maven build says beside the build: build_id, group_id, artifact_id, version; None if it is none.

    Raises:
        koji.GenericError: it is none and `strict`.
    """
    sql = "SELECT build_id, group_id, artifact_id, version FROM maven_builds WHERE build_id = ?"
    return _details(ctx, "maven", sql, buildInfo, strict)


@export("getWinBuild", reads=True)
def get_win_build(ctx: Context, buildInfo: builds.BuildInfo, strict: bool = False) -> Optional[Row]:
    """What a Windows build says beside the build: build_id, platform; None if it is none.

    Raises:
        koji.GenericError: it is none and `strict`.
    """
    sql = "SELECT build_id, platform FROM win_builds WHERE build_id = ?"
    return _details(ctx, "Windows", sql, buildInfo, strict)


@export("getImageBuild", reads=True)
def get_image_build(ctx: Context, buildInfo: builds.BuildInfo, strict: bool = False) -> Optional[Row]:
    """Whether a build is one of images: {build_id}, or None.

    Raises:
        koji.GenericError: it is none and `strict`.
    """
    sql = "SELECT build_id FROM build_types WHERE btype = 'image' AND build_id = ?"
    return _details(ctx, "image", sql, buildInfo, strict)


def _build_to_be(ctx: Context, info: NewBuild) -> Row:
    """The build that is to become one of another type; made when there is none."""
    build = builds.get_build(ctx, info)
    if build is None:
        if not isinstance(info, Mapping):
            raise koji.GenericError(f"Invalid type for build_info: {type(info)}")
        missing = [key for key in ("name", "version", "release", "epoch") if key not in info]
        if missing:
            raise koji.GenericError(f"Build info doesn't have mandatory '{missing[0]}' key")
        if info.get("draft"):
            raise koji.GenericError("only builds of rpms can be drafts")
        data = {key: info[key] for key in ("name", "version", "release", "epoch")}
        build = builds.need_build(ctx, buildstates.new_build(ctx, data))
    if build["draft"]:
        raise koji.GenericError(f"only builds of rpms can be drafts: {build['nvr']}")
    return build


@export("createMavenBuild")
def create_maven_build(ctx: Context, build_info: NewBuild, maven_info: Mapping[str, Any]) -> None:
    """Make a build a Maven one, itself made when there is none; needs the permission `maven-import`.

    Raises:
        koji.GenericError: a value is missing, or it is a draft.
        koji.BuildError: it is a Maven build already, with other values.
    """
    ctx.require("maven-import")
    describe_maven(ctx, _build_to_be(ctx, build_info)["id"], maven_info)


def describe_maven(ctx: Context, build_id: int, maven_info: Mapping[str, Any]) -> None:
    """Make a build that is there a Maven one; errors as `createMavenBuild`."""
    missing = [key for key in MAVEN_FIELDS if key not in maven_info]
    if missing:
        raise koji.GenericError(f"Maven info doesn't have mandatory '{missing[0]}' key")
    values = {key: maven_info[key] for key in MAVEN_FIELDS}
    known = get_maven_build(ctx, build_id)
    if known is None:
        ctx.db.insert("maven_builds", build_id=build_id, **values)
        buildstates.add_type(ctx, build_id, "maven")
        return
    for key, value in values.items():
        if known[key] != value:
            raise koji.BuildError(f"{key} mismatch (current: {known[key]}, new: {value})")


@export("createWinBuild")
def create_win_build(ctx: Context, build_info: NewBuild, win_info: Mapping[str, Any]) -> None:
    """Make a build a Windows one, itself made when there is none; needs the permission `win-import`.

    Raises:
        koji.GenericError: a value is missing, or it is a draft.
    """
    ctx.require("win-import")
    build = _build_to_be(ctx, build_info)
    if "platform" not in win_info:
        raise koji.GenericError("Windows info doesn't have mandatory platform key")
    sql = "INSERT OR REPLACE INTO win_builds (build_id, platform) VALUES (?, ?)"
    ctx.db.execute(sql, (build["id"], win_info["platform"]))
    buildstates.add_type(ctx, build["id"], "win")


@export("createImageBuild")
def create_image_build(ctx: Context, build_info: NewBuild) -> None:
    """Make a build one of images, itself made when there is none; needs the permission `image-import`.

    Raises:
        koji.GenericError: a value is missing, or it is a draft.
    """
    ctx.require("image-import")
    buildstates.add_type(ctx, _build_to_be(ctx, build_info)["id"], "image")
