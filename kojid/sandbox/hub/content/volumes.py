"""Storage volumes: directories below `vol` that builds are moved to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import List

import koji

from kojid.sandbox.hub.content import builds, names, tagchanges, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

DEFAULT = "DEFAULT"
VOLUME_CHANGE = 0
_MOVABLE = ("COMPLETE", "DELETED")


@export("addVolume")
def add_volume(ctx: Context, name: str, strict: bool = True) -> Row:
    """Add a volume whose directory is there; it gets a link `toplink` to the default one. Needs `admin`.

    Returns:
        Its id and name.

    Raises:
        koji.GenericError: the directory is missing, or there is such a volume and `strict`.
    """
    ctx.require("admin")
    names.check(name)
    home = Path(ctx.settings.pathinfo.volumedir(name))
    if not home.is_dir():
        raise koji.GenericError("please create the volume directory first")
    link = home / "toplink"
    if not link.is_symlink():
        link.symlink_to(ctx.settings.topdir)
    if strict and names.find(ctx, "volume", name):
        raise koji.GenericError(f"volume {name} already exists")
    return names.need(ctx, "volume", name, create=True)


@export("changeBuildVolume")
def change_build_volume(ctx: Context, build: builds.BuildInfo, volume: names.Info, strict: bool = True) -> None:
    """Move a build's files to another volume; a link stays on the default one. Needs `admin`.

    Raises:
        koji.GenericError: no such build, volume or directory; the build is there already and `strict`, or not complete.
    """
    ctx.require("admin")
    target = names.need(ctx, "volume", volume)
    old = builds.need_build(ctx, build)
    if old["volume_id"] == target["id"]:
        if strict:
            raise koji.GenericError(f"Build {old['nvr']} already on volume {target['name']}")
        return
    if builds.state_name(old) not in _MOVABLE:
        raise koji.GenericError(f"Build {old['nvr']} is {builds.state_name(old)}")
    new = {**old, "volume_id": target["id"], "volume_name": target["name"]}
    source, place = builds.directory(ctx, old), builds.directory(ctx, new)
    _copy(source, place, Path(ctx.settings.pathinfo.volumedir(target["name"])))
    ctx.db.update("build", {"id": old["id"]}, volume_id=target["id"])
    listed: List[Row] = tags.list_tags(ctx, build=old["id"])
    for tag in listed:
        tagchanges.note_update(ctx, tag["id"], VOLUME_CHANGE)
    usual = builds.directory(ctx, {**old, "volume_name": DEFAULT})
    ctx.after_commit(lambda: _replace(source, place, usual))


def _copy(source: Path, place: Path, volume: Path) -> None:
    if not volume.is_dir():
        raise koji.GenericError(f"Directory entry missing for volume: {volume}")
    if not source.is_dir():
        raise koji.GenericError(f"Build directory missing: {source}")
    if place.is_symlink():
        place.unlink()  # what was left on the default volume when the build went away from there
    if place.exists():
        raise koji.GenericError(f"Destination directory exists: {place}")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, place, symlinks=True)


def _replace(source: Path, place: Path, usual: Path) -> None:
    shutil.rmtree(source)
    if place == usual:
        return
    if usual.is_symlink():
        usual.unlink()
    usual.symlink_to(os.path.relpath(place, usual.parent))
