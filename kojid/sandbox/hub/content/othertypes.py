# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Builds of other types than rpm - Maven, Windows, images - and their archives: this hub can take none in.

Clients ask for them when they show any build; the answers are those of a hub that has none.
"""

from __future__ import annotations

from typing import Any, List, Optional

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.content import builds, tags
from kojid.sandbox.hub.content.names import Info
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export


def _none(ctx: Context, word: str, build: builds.BuildInfo, strict: bool) -> None:
    builds.find_id(ctx, build, strict)
    if strict:
        raise koji.GenericError(f"no such {word} build: {build}")


@export("getMavenBuild", reads=True)
def get_maven_build(ctx: Context, buildInfo: builds.BuildInfo, strict: bool = False) -> None:
    """What a Maven build says beside the build: None, as there is none.

    Raises:
        koji.GenericError: `strict`.
    """
    _none(ctx, "maven", buildInfo, strict)


@export("getWinBuild", reads=True)
def get_win_build(ctx: Context, buildInfo: builds.BuildInfo, strict: bool = False) -> None:
    """What a Windows build says beside the build: None, as there is none.

    Raises:
        koji.GenericError: `strict`.
    """
    _none(ctx, "windows", buildInfo, strict)


@export("getImageBuild", reads=True)
def get_image_build(ctx: Context, buildInfo: builds.BuildInfo, strict: bool = False) -> Optional[Row]:
    """What an image build says beside the build, its id only; None when it is none.

    Raises:
        koji.GenericError: it is none and `strict`.
    """
    build_id = builds.find_id(ctx, buildInfo, strict)
    where = "build_id = ? AND btype = 'image'"
    found = ctx.db.one(f"SELECT build_id, build_id AS id FROM build_types WHERE {where}", (build_id,))
    if found is None and strict:
        raise koji.GenericError(f"no such image build: {buildInfo}")
    return found


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


@export("listArchives", reads=True)
def list_archives(_ctx: Context, *positions: Any, **filters: Any) -> Any:
    """The archives that pass the filters (see `FILTERS`): none, as there are none.

    Raises:
        koji.GenericError: `strict`.
        koji.ParameterError: there is no such filter.
    """
    given = {**dict(zip(FILTERS, positions)), **filters}
    unknown = sorted(set(given) - set(FILTERS))
    if unknown or len(positions) > len(FILTERS):
        raise koji.ParameterError(f"listArchives: unexpected arguments: {', '.join(unknown) or positions}")
    if given.get("strict"):
        raise koji.GenericError(f"No archives found of build {given.get('buildID')}")
    return queries.apply([], given.get("queryOpts"))


@export("listTaggedArchives", reads=True)
def list_tagged_archives(
    ctx: Context, tag: Info, event: Optional[int] = None, strict: bool = True, **filters: Any
) -> List[List[Any]]:
    """The archives in a tag and their builds: none and none.

    Raises:
        koji.GenericError: no such tag and `strict`.
    """
    unknown = sorted(set(filters) - {"inherit", "latest", "package", "type", "extra"})
    if unknown:
        raise koji.ParameterError(f"listTaggedArchives: unexpected arguments: {', '.join(unknown)}")
    return [] if tags.get_tag(ctx, tag, strict, event) is None else [[], []]
