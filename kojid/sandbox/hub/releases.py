"""What hubs of older releases did not have yet: methods, arguments, their scheduler (contract 14).

The hub is written as one of release 1.35; started as an older one it takes back what came later, so that a builder
runs into the same faults as there.
"""

from __future__ import annotations

import inspect
from typing import Dict, Mapping, Optional, Sequence, Tuple

import koji

Release = Tuple[int, ...]

#: The release in which a hub chose the hosts of tasks for the first time (contract 4.3).
SCHEDULER: Release = (1, 34)
#: Sessions travel in headers since this release, in the URL's query before (contract 3.3).
HEADERS: Release = (1, 31)
#: Answers carry the header Koji-Version since this release.
VERSION_HEADER: Release = (1, 35)
#: Repos list their rpms in rpmlist.jsonl since this release, and have options since the other (contract 9.1).
RPM_LISTS: Release = (1, 34)
REPO_OPTIONS: Release = (1, 35)

_METHODS: Mapping[str, Release] = {
    "getUserGroups": (1, 35),
    "getUserPermsInheritance": (1, 34),
    "host.getTasks": (1, 34),
    "host.refuseTask": (1, 34),
    "host.setHostData": (1, 34),
    "promoteBuild": (1, 34),
    "tagFirstChangeEvent": (1, 35),
    "tagLastChangeEvent": (1, 35),
}
#: Whole families, by the beginning of their names.
_FAMILIES: Mapping[str, Release] = {"repo.": (1, 35), "scheduler.": (1, 34)}

_ARGUMENTS: Mapping[str, Mapping[str, Release]] = {
    "assignTask": {"override": (1, 34)},
    "cancelBuild": {"strict": (1, 33)},
    "createEmptyBuild": {"draft": (1, 34)},
    "getEvent": {"strict": (1, 35)},
    "getLastEvent": {"strict": (1, 35)},
    "getLatestBuilds": {"draft": (1, 34)},
    "getLatestRPMS": {"draft": (1, 34)},
    "getRepo": {"min_event": (1, 35)},
    "getSessionInfo": {"details": (1, 31), "user_id": (1, 31)},
    "getUser": {"groups": (1, 34)},
    "getUserPerms": {"with_groups": (1, 34)},
    "host.repoDone": {"repo_json_updates": (1, 34)},
    "host.updateHost": {"data": (1, 34, 1)},
    "listBuildroots": {"repoID": (1, 33)},
    "listBuilds": {"draft": (1, 34)},
    "listRPMs": {"draft": (1, 34)},
    "listTagged": {"draft": (1, 34)},
    "listTaggedRPMS": {"draft": (1, 34)},
    "listUsers": {"perm": (1, 35), "inherited_perm": (1, 35)},
    "login": {"renew": (1, 32), "exclusive": (1, 32)},
    "logout": {"session_id": (1, 31)},
    "sslLogin": {"renew": (1, 32), "exclusive": (1, 32)},
    "untaggedBuilds": {"draft": (1, 34)},
}
#: Arguments that a method had before it got others, in their order, without their defaults.
_OLDER_FORMS: Mapping[str, Tuple[Release, Sequence[str]]] = {
    "host.repoInit": ((1, 35), ("tag", "task_id", "with_src", "with_debuginfo", "event", "with_separate_src")),
}


def release(version: str) -> Release:
    """A release as numbers; raises ValueError for what is none."""
    return tuple(int(part) for part in version.split("."))


def has(version: str, since: Release) -> bool:
    """Whether a hub of this version has what came with a release."""
    return release(version) >= since


def check_known(version: str, method: str) -> None:
    """Let a hub of a release only know the methods that it had.

    Raises:
        koji.GenericError: it had no such method; clients recognise "Invalid method" (contract 4.4).
    """
    since = _METHODS.get(method) or next((when for name, when in _FAMILIES.items() if method.startswith(name)), ())
    if not has(version, since):
        raise koji.GenericError(f"Invalid method: {method}")


def signature(version: str, method: str, present: inspect.Signature) -> inspect.Signature:
    """The arguments that a method had in a release.

    Args:
        version: the hub's.
        method: the method's name.
        present: its arguments as this hub has them, the context first.
    """
    older = _older_form(version, method, present)
    if older is not None:
        return older
    later: Dict[str, Release] = dict(_ARGUMENTS.get(method, {}))
    kept = [item for item in present.parameters.values() if has(version, later.get(item.name, ()))]
    return present.replace(parameters=kept)


def _older_form(version: str, method: str, present: inspect.Signature) -> Optional[inspect.Signature]:
    until, names = _OLDER_FORMS.get(method, ((), ()))
    if has(version, until):
        return None
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    context, first, *_ = present.parameters.values()
    others = [inspect.Parameter(name, plain, default=None) for name in names if name != first.name]
    return present.replace(parameters=[context, first, *others])
