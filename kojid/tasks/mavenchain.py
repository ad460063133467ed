"""What a chain of Maven builds is told to do, looked at without a hub: its order, its options, what is there already.

Contract 6.8.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

import koji

_TYPES = ("maven", "wrapper")
_NOT_OF_THE_TASK = ("scmurl", "buildrequires", "type")
# Options that say how much is told, and change nothing of what is built.
_TALK = ("-e", "--errors", "-q", "--quiet", "-V", "--show-version", "-X", "--debug")

Row = Dict[str, Any]


def check(builds: Any) -> None:
    """Refuse a chain that can't be built.

    Args:
        builds: as `chainmaven` gets them.

    Raises:
        koji.BuildError: it is none, a source is missing, a type is none, a wrapper does not say what it wraps, or there
            is no order in which they can be built.
    """
    if not isinstance(builds, Mapping):
        raise koji.BuildError(f"Invalid chain of builds: {builds}")
    for package, params in builds.items():
        if not isinstance(params, Mapping) or not isinstance(params.get("scmurl"), str):
            raise koji.BuildError(f"{package} has no scmurl")
        kind = params.get("type", "maven")
        if kind not in _TYPES:
            raise koji.BuildError(f"unsupported build type: {kind}")
        if kind == "wrapper" and len(params.get("buildrequires") or []) != 1:
            raise koji.BuildError(f"{package} has to name the one package that it wraps as buildrequires")
    _check_order(builds)


def _check_order(builds: Mapping[str, Row]) -> None:
    left = {package: set(params.get("buildrequires") or []) for package, params in builds.items()}
    while left:
        ready = {package for package, needs in left.items() if not needs.intersection(left) and needs <= set(builds)}
        if not ready:
            raise koji.BuildError("unable to run chain build, circular dependencies")
        left = {package: needs for package, needs in left.items() if package not in ready}


def task_options(params: Mapping[str, Any]) -> Row:
    """The options of the task that builds a package; a new dictionary."""
    return {key: value for key, value in params.items() if key not in _NOT_OF_THE_TASK}


def dependencies(package: str, builds: Mapping[str, Row], done: Mapping[str, Any]) -> List[Any]:
    """What a package needs, directly or not: builds and tasks that are done."""
    found: Set[str] = set()
    queue = list(builds[package].get("buildrequires") or [])
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += builds[name].get("buildrequires") or []
    return sorted({done[name] for name in found}, key=str)


def is_same(request: Sequence[Any], url: str, options: Mapping[str, Any], wrapped: Optional[Any]) -> bool:
    """Whether a task was asked for what a package would be built from now.

    Args:
        request: the parameters of the task.
        url: the source.
        options: of the task that would be made.
        wrapped: what a wrapper wraps; of its options none matters then.
    """
    if not request or request[0] != url:
        return False
    if wrapped is not None:
        build = request[2] if len(request) > 2 else None
        return isinstance(build, Mapping) and build.get("nvr") == wrapped
    before = request[2] if len(request) > 2 and isinstance(request[2], Mapping) else {}
    return _telling(before) == _telling(options)


def _telling(options: Mapping[str, Any]) -> Row:
    """The options that make a difference, lists without regard to their order."""
    kept = {key: value for key, value in options.items() if key not in ("skip_tag", "scratch", "jvm_options")}
    if "maven_options" in kept:
        kept["maven_options"] = [option for option in kept["maven_options"] or [] if option not in _TALK]
        if not kept["maven_options"]:
            del kept["maven_options"]
    return {key: sorted(value, key=str) if isinstance(value, list) else value for key, value in kept.items()}
