"""Maven artifacts of a tag, and the Maven repository that a tag's repo is made with (contract 9.1)."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple
from xml.etree.ElementTree import Element, SubElement, tostring

import koji

from kojid.sandbox.hub.content import filing, inheritance, names, packages, tagged, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export


@export("getLatestMavenArchives", reads=True)
def latest(ctx: Context, tag: names.Info, event: Optional[int] = None, inherit: bool = True) -> List[Row]:
    """The Maven archives in a tag, those of one build for each version of an artifact.

    The most recently tagged version of an artifact counts; in a tag with `maven_include_all` the others, too.

    Raises:
        koji.GenericError: no such tag.
    """
    tag_id = tags.need_tag(ctx, tag, event)["id"]
    return list(_chosen(ctx, tag_id, event, inherit=inherit))


def _chosen(ctx: Context, tag_id: int, event: Optional[int], *, inherit: bool) -> Iterator[Row]:
    listed = packages.listing(ctx, tag_id, None, event)
    holders: Dict[Tuple[str, str], Dict[str, int]] = {}  # artifact -> version -> build
    seen: Set[int] = set()
    for member in inheritance.lineage(ctx, tag_id, event) if inherit else [tag_id]:
        takes_all = tags.need_tag(ctx, member, event)["maven_include_all"]
        for build, archive in _archives(ctx, member, event):
            entry = listed.get(build["package_id"])
            if entry is None or entry["blocked"] or archive["id"] in seen:
                continue
            versions = holders.setdefault((archive["group_id"], archive["artifact_id"]), {})
            if not versions or takes_all:
                versions.setdefault(archive["version"], build["id"])
            if versions.get(archive["version"]) == build["id"]:
                seen.add(archive["id"])
                yield {**archive, **{f"build_{key}": build[key] for key in ("name", "version", "release", "epoch")},
                       "volume_name": build["volume_name"], "tag_id": member}  # fmt: skip


def _archives(ctx: Context, tag_id: int, event: Optional[int]) -> Iterator[Tuple[Row, Row]]:
    """The Maven archives of what is tagged with one tag, the most recently tagged build first."""
    for build in tagged.tagged_with(ctx, tag_id, event):
        for archive in ctx.call("listArchives", build["id"], type="maven"):
            yield build, archive


def write(ctx: Context, tag_id: int, event: int, directory: Path) -> None:
    """Make the Maven repository of a repo: links to the directories of builds, and metadata of each artifact.

    Args:
        ctx: the call.
        tag_id: the tag.
        event: as it was then.
        directory: the repository's top, made here.
    """
    directory.mkdir()
    artifacts: Dict[Path, Dict[str, Row]] = {}
    for archive in _chosen(ctx, tag_id, event, inherit=True):
        artifacts.setdefault(directory / str(koji.pathinfo.mavenrepo(archive)), {})[archive["version"]] = archive
    versions: Dict[Path, Set[str]] = {}
    for link, found in artifacts.items():
        (archive,) = found.values()
        build = {key: archive[f"build_{key}"] for key in ("name", "version", "release", "epoch")}
        home = ctx.settings.pathinfo.mavenbuild({**build, "volume_name": archive["volume_name"]})
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(f"{home}/{koji.pathinfo.mavenrepo(archive)}", link.parent))
        versions.setdefault(link.parent, set()).add(archive["version"])
        _write_metadata(link.parent, archive, versions[link.parent])


def _write_metadata(directory: Path, archive: Row, versions: Set[str]) -> None:
    ordered = sorted(versions, key=_order)
    top = Element("metadata")
    SubElement(top, "groupId").text = archive["group_id"]
    SubElement(top, "artifactId").text = archive["artifact_id"]
    versioning = SubElement(top, "versioning")
    SubElement(versioning, "latest").text = SubElement(versioning, "release").text = ordered[-1]
    every = SubElement(versioning, "versions")
    for version in ordered:
        SubElement(every, "version").text = version
    now = datetime.datetime.now(datetime.timezone.utc)
    SubElement(versioning, "lastUpdated").text = now.strftime("%Y%m%d%H%M%S")
    (directory / "maven-metadata.xml").write_bytes(tostring(top, encoding="utf-8", xml_declaration=True))
    filing.write_sums(directory, again=True)


def _order(version: str) -> List[Tuple[bool, int, str]]:
    """What versions are put in order by: numbers as numbers."""
    parts = re.findall(r"\d+|[^\W\d_]+", version)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
