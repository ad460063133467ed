"""Which Maven artifacts a buildroot has used: matched with the archives of its tag and of what it depended on.

An artifact that none of these has fails the build, unless the build has made it itself (contract 7.9).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import koji

from kojid.sandbox.hub import outputs
from kojid.sandbox.hub.content import archives, buildroots, builds, maventags, repos
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

Artifact = Tuple[str, str, str]
Entry = Mapping[str, Any]
_TIMESTAMP = re.compile(r"-\d{8}\.\d{6}-\d+")
_UNTRACKED = (".log", ".md5", ".sha1")


@export("host.updateMavenBuildRootList")
def update_maven_build_root_list(
    ctx: Context,
    brootid: int,
    task_id: int,
    mavenlist: Sequence[Entry],
    ignore: Optional[Sequence[Entry]] = None,
    project: bool = False,
    ignore_unknown: bool = False,
    extra_deps: Optional[Sequence[Union[int, str]]] = None,
) -> None:
    """Record which artifacts a buildroot has used.

    Args:
        ctx: the call.
        brootid: the buildroot.
        task_id: its task.
        mavenlist: what lies in Maven's local repository: maven_info and files (path, filename, size) of each artifact.
        ignore: what the build has made, in the same form.
        project: whether the project needs them, rather than Maven itself.
        ignore_unknown: whether artifacts that nobody has are let pass.
        extra_deps: tasks and builds whose artifacts count besides those of the tag.

    Raises:
        koji.ActionNotAllowed: the buildroot or the task is another host's.
        koji.BuildrootError: an artifact is not known, or has another size.
        koji.GenericError: no such buildroot or dependency, or the buildroot is not BUILDING.
    """
    root = buildroots.own(ctx, brootid, task_id)
    buildroots.check_state(root, "BUILDING")
    repo = repos.need_repo(ctx, root["repo_id"])
    known = _Known()
    for archive in maventags.latest(ctx, repo["tag_id"], repo["create_event"]):
        known.builds.setdefault(_artifact(archive), archive["build_id"])
    for entry in ignore or []:
        known.made(entry)
    for dependency in extra_deps or []:
        _add_dependency(ctx, known, dependency)
    used = list(_used(ctx, known, mavenlist, strict=not ignore_unknown))
    listed = set(ctx.db.values("SELECT archive_id FROM buildroot_archives WHERE buildroot_id = ?", (brootid,)))
    rows = [{"buildroot_id": brootid, "archive_id": one, "project_dep": project} for one in dict.fromkeys(used)]
    ctx.db.insert_many("buildroot_archives", [row for row in rows if row["archive_id"] not in listed])


@dataclass
class _Known:
    """Where artifacts may come from: builds, or (names with their sizes) what nobody has imported."""

    builds: Dict[Artifact, int] = field(default_factory=dict)
    files: Dict[Artifact, Dict[str, int]] = field(default_factory=dict)

    def made(self, entry: Entry) -> None:
        """Files that the build itself has made, or a task that it depends on; snapshots go by two names."""
        sizes = self.files.setdefault(_artifact(entry["maven_info"]), {})
        for file in entry["files"]:
            sizes[file["filename"]] = sizes[_TIMESTAMP.sub("-SNAPSHOT", file["filename"])] = int(file["size"])


def _artifact(info: Mapping[str, Any]) -> Artifact:
    return (info["group_id"], info["artifact_id"], info["version"])


def _add_dependency(ctx: Context, known: _Known, dependency: Union[int, str]) -> None:
    if isinstance(dependency, str):
        for archive in archives.list_archives(ctx, builds.need_build(ctx, dependency)["id"], type="maven"):
            known.builds[_artifact(archive)] = archive["build_id"]
        return
    for name, about in outputs.list_task_output(ctx, dependency, stat=True).items():
        path = PurePosixPath(name)
        if path.suffix not in _UNTRACKED and len(path.parts) >= 4:
            *group, artifact, version = path.parts[:-1]
            info = {"group_id": ".".join(group), "artifact_id": artifact, "version": version}
            known.made({"maven_info": info, "files": [{"filename": path.name, "size": about["st_size"]}]})


def _used(ctx: Context, known: _Known, entries: Sequence[Entry], *, strict: bool) -> Iterator[int]:
    """The archives that the artifacts of a list are."""
    for entry in entries:
        artifact = _artifact(entry["maven_info"])
        have = {row["filename"]: row for row in _archives(ctx, known.builds.get(artifact), entry["maven_info"])}
        for file in entry["files"]:
            archive = have.get(file["filename"])
            if archive is not None and archive["size"] == file["size"]:
                yield archive["id"]
            elif strict and known.files.get(artifact, {}).get(file["filename"]) != file["size"]:
                raise koji.BuildrootError(
                    f"No such file in build environment: {file['path']}/{file['filename']}, size: {file['size']}"
                )


def _archives(ctx: Context, build_id: Optional[int], info: Mapping[str, Any]) -> List[Row]:
    if build_id is None:
        return []
    wanted = {key: info[key] for key in ("group_id", "artifact_id", "version")}
    found: List[Row] = archives.list_archives(ctx, build_id, type="maven", typeInfo=wanted)
    return found
