"""What a wrapper package is built around: the files of a Maven, Windows or image build, or of a task that made one.

Contract 6.8. Nothing here fetches a file: it only tells names, places, and what the template of the spec is told.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple

import koji

_PATHS = koji.PathInfo(topdir="")
_BUILD_FIELDS = ("epoch", "name", "version", "release")
_IMAGE_METHODS = ("createLiveCD", "createAppliance", "createImage", "createLiveMedia")

Row = Dict[str, Any]


@dataclass
class Artifacts:
    """Files to wrap.

    Args:
        paths: from the volume's top, in the order of `names`.
        names: their names.
        shown: their paths as the template is told them.
    """

    paths: List[str] = field(default_factory=list)
    names: List[str] = field(default_factory=list)
    shown: List[str] = field(default_factory=list)

    def add(self, path: str, shown: str) -> None:
        """Add a file; logs are none of the artifacts."""
        name = os.path.basename(path)
        if not name.endswith(".log"):
            self.paths.append(path.lstrip("/"))
            self.names.append(name)
            self.shown.append(shown)

    def values(self) -> Row:
        """As the template is told them."""
        by_extension: Dict[str, List[str]] = {}
        for name in self.names:
            by_extension.setdefault(os.path.splitext(name)[1], []).append(name)
        return {"artifacts": by_extension, "all_artifacts": self.names, "all_artifacts_with_path": self.shown}


def find(session: Any, build: Optional[Row], task: Optional[Row]) -> Tuple[Artifacts, Row]:
    """The files to wrap, and what the template is told: of a task's output if there is a task, else of a build.

    Args:
        session: the hub.
        build: the build that the wrapper is for; a scratch build has none.
        task: the task that made the files.

    Returns:
        the files; and `artifacts` (extension to names), `all_artifacts`, `all_artifacts_with_path`, epoch, name,
        version, release, and maven_info, win_info or image_info.

    Raises:
        koji.BuildError: there is neither, the build is not complete or of none of these types, or there are no files.
    """
    kind, details = _kind_of(session, build) if build else ("", {})
    if task:
        found, label = _of_task(session, task["id"]), koji.taskLabel(task)
    elif build:
        found, label = _of_build(session, build, kind), koji.buildLabel(build)
    else:
        raise koji.BuildError("build and/or task must be specified")
    if not found.names:
        raise koji.BuildError(f"no output found for {label}")
    if build:
        told = {**{key: build.get(key) for key in _BUILD_FIELDS}, f"{kind}_info": details}
    else:
        told = _told_of_task(session, task or {})
    return found, {**found.values(), **told}


def _kind_of(session: Any, build: Row) -> Tuple[str, Row]:
    """Of which type a build is, and what that type says of it."""
    for kind, ask in (
        ("maven", session.getMavenBuild),
        ("win", session.getWinBuild),
        ("image", session.getImageBuild),
    ):
        details = ask(build["id"], strict=False)
        if details:
            return kind, details
    raise koji.BuildError("unsupported build type")


def _of_task(session: Any, task_id: int) -> Artifacts:
    found = Artifacts()
    below = _PATHS.task(task_id).lstrip("/")
    for name, volumes in sorted(session.listTaskOutput(task_id, all_volumes=True).items()):
        for volume in volumes:
            path = os.path.join(_PATHS.volumedir(volume), below, name)
            found.add(path, path)
    return found


def _of_build(session: Any, build: Row, kind: str) -> Artifacts:
    if build["state"] != koji.BUILD_STATES["COMPLETE"]:
        raise koji.BuildError("cannot call wrapperRPM on a build that did not complete successfully")
    found = Artifacts()
    top, place = _PLACES[kind]
    for archive in session.listArchives(buildID=build["id"], type=kind):
        shown = place(archive)
        found.add(os.path.join(top(build), shown), shown)
    return found


# The directory of a build's files of a kind, and where in it a file lies.
_PLACES: Dict[str, Tuple[Callable[[Row], str], Callable[[Row], str]]] = {
    "maven": (_PATHS.mavenbuild, _PATHS.mavenfile),
    "win": (_PATHS.winbuild, _PATHS.winfile),
    "image": (_PATHS.imagebuild, lambda archive: str(archive["filename"])),
}


def _told_of_task(session: Any, task: Row) -> Row:
    """What the result of the task of a scratch build tells."""
    result: Row = session.getTaskResult(task["id"])
    method = task["method"]
    if method == "buildMaven":
        nvr = koji.maven_info_to_nvr(result["maven_info"])
        told = {key: nvr.get(key) for key in _BUILD_FIELDS}
        return {**told, "release": "0.scratch", "maven_info": result["maven_info"]}
    told = {key: result.get(key) for key in _BUILD_FIELDS}
    if method == "vmExec":
        return {**told, "win_info": {"platform": result["platform"]}}
    if method in _IMAGE_METHODS:
        return told
    raise koji.BuildError(f"no wrapper packages can be built around what {method} makes")
