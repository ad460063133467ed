"""Buildroots on disk: which directories and configurations are ours, how old they are, and taking them away.

Ours are the names that this builder makes (contract 7.2): TAG-ID-REPO below mockdir, with or without "-bootstrap", and
the configurations with its two lines at the top. Nothing else is ever looked into (contract 4.6, step 2).
"""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Set

from kojid.daemon.leftmounts import take_away
from kojid.errors import HostFault
from kojid.system import files, inhabitants, mounts

_log = logging.getLogger("koji.TaskManager")
_HEAD_LINES = 10
_ID = re.compile(r"^# Koji buildroot id: (\d+)\s*$")
_NAME = re.compile(r"^# Koji buildroot name: (\S+)\s*$")
_OURS = re.compile(r"(?P<name>.+-(?P<id>[1-9]\d*)-[1-9]\d*?)(?P<bootstrap>-bootstrap)?\Z")
_BOOTSTRAP = "-bootstrap"
_CONTENT = ("result", "results")


@dataclass(frozen=True)
class Local:
    """A buildroot of which this host has the configuration, the directories, or both.

    Args:
        id: of the hub.
        name: TAG-ID-REPO.
        config: its configuration, None if there is none.
    """

    id: int
    name: str
    config: Optional[Path]


def scan(directory: Path) -> List[Local]:
    """The buildroots whose configuration lies in `directory`, by ascending id; files without both marks are skipped."""
    found = [parse(config) for config in directory.glob("*.cfg")]
    return sorted((broot for broot in found if broot is not None), key=lambda broot: broot.id)


def parse(config: Path) -> Optional[Local]:
    """Read the identification lines of a mock configuration (contract 4.6, step 2)."""
    try:
        with config.open(encoding="utf-8", errors="replace") as text:
            head = [line for _, line in zip(range(_HEAD_LINES), text)]
    except OSError as error:
        _log.warning("%s can't be read: %s", config, error.strerror)
        return None
    ids = [match.group(1) for match in map(_ID.match, head) if match]
    names = [match.group(1) for match in map(_NAME.match, head) if match]
    if not ids or not names or os.sep in names[0]:
        return None
    return Local(int(ids[0]), names[0], config)


def of_name(name: str) -> Optional[Local]:
    """The buildroot that a directory's name stands for; None when the name is not one of ours."""
    match = _OURS.match(name)
    return Local(int(match["id"]), match["name"], None) if match else None


def without_config(mockdir: Path, configured: Iterable[str], owners: Set[int]) -> List[Local]:
    """The buildroots below `mockdir` that look like ours and have no configuration, by ascending id.

    Args:
        mockdir: where to look.
        configured: the names that have one.
        owners: whose directories may be ours.
    """
    known = set(configured)
    found: Dict[str, Local] = {}
    for entry in _entries(mockdir):
        broot = of_name(entry.name)
        if broot is None or broot.name in known or not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(FileNotFoundError):
            if entry.stat(follow_symlinks=False).st_uid in owners and _is_mocks(Path(entry.path)):
                found[broot.name] = broot
    return sorted(found.values(), key=lambda broot: broot.id)


def _entries(mockdir: Path) -> List[os.DirEntry[str]]:
    """What is in there; nothing when it has gone since it was last asked about."""
    try:
        with os.scandir(mockdir) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _is_mocks(directory: Path) -> bool:
    """Whether mock has made it: there is a chroot or a result in it, or nothing at all any more."""
    return any((directory / name).is_dir() for name in ("root", "result")) or not any(directory.iterdir())


def owners(mockuser: str) -> Set[int]:
    """The ids of the users to whom the directories of buildroots belong."""
    found = {0, os.geteuid()}
    with contextlib.suppress(KeyError):
        found.add(pwd.getpwnam(mockuser).pw_uid)
    return found


def directories(mockdir: Path, broot: Local) -> List[Path]:
    """The directories of a buildroot that are there: its own and its bootstrap's."""
    both = (mockdir / broot.name, mockdir / f"{broot.name}{_BOOTSTRAP}")
    return [directory for directory in both if directory.is_dir() and not directory.is_symlink()]


def roots(found: Iterable[Path]) -> List[Path]:
    """The chroots in directories of buildroots."""
    return [directory / "root" for directory in found if (directory / "root").is_dir()]


def changed(broot: Local, found: Sequence[Path]) -> float:
    """When something of a buildroot was last changed, seconds since the epoch; 0 when nothing is there."""
    places = [place for directory in found for place in (directory, directory / "root", directory / "result")]
    if broot.config is not None:
        places.append(broot.config)
    times = [0.0]
    for place in places:
        with contextlib.suppress(OSError):
            times.append(place.lstat().st_mtime)
    return max(times)


def is_empty(found: Sequence[Path]) -> bool:
    """Whether `empty` has nothing to do, as after a restart."""
    if any(any(root.iterdir()) for root in roots(found)):
        return False
    return not any((directory / name).exists() for directory in found for name in _CONTENT)


def empty(found: Sequence[Path]) -> None:
    """Delete what is in the chroots and their results; the empty `root` stays (contract 4.6)."""
    for directory in found:
        take_away(directory)
        for root in roots([directory]):
            files.empty_tree(root)
        for name in _CONTENT:
            files.remove_tree(directory / name)


def remove(broot: Local, found: Sequence[Path]) -> None:
    """Delete a buildroot whole, its configuration last, so that an interrupted deletion is taken up again."""
    for directory in found:
        take_away(directory)
        files.remove_tree(directory)
    if broot.config is not None:
        broot.config.unlink(missing_ok=True)


def remove_unused(broot: Local, found: Sequence[Path]) -> None:
    """As `remove`, for one of which the hub can't say that it is over: whoever works in it keeps it.

    Raises HostFault when it is in use.
    """
    for directory in found:
        inside = inhabitants.processes_in(directory)
        if inside:
            raise HostFault(f"{directory} is in use by process {inside[0]}")
        if inhabitants.locked_by_mock(directory):
            raise HostFault(f"{directory} is in use by mock")
    remove(broot, found)


def unmount(found: Sequence[Path]) -> None:
    """Take away what is mounted in the directories of a buildroot, at once even if it is busy.

    Raises HostFault when something stays.
    """
    left = [mount for directory in found for mount in take_away(directory)]
    if left:
        raise HostFault(f"{left[0]} stays mounted", "see `findmnt` and `fuser -vm` for what holds it")


def mounted(mockdir: Path) -> Dict[str, Local]:
    """The buildroots in which something is mounted, by name; whole components of paths count."""
    base = os.path.realpath(mockdir).rstrip("/") + "/"
    tops = {mount[len(base) :].split("/")[0] for mount in mounts.mount_points() if mount.startswith(base)}
    found = (of_name(top) for top in tops)
    return {broot.name: broot for broot in found if broot is not None}
