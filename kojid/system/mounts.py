"""What is mounted where, and taking it away: exactly beneath a path, never beside it (contract 11, item 2)."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Iterable, List, Union

from kojid.system import syscalls

MOUNTINFO = "/proc/self/mountinfo"
_ESCAPE = re.compile(rb"\\([0-7]{3})")
#: What can be asked of a bind mount, by the names that mount(8) has for it.
BIND_OPTIONS = {
    "ro": syscalls.MS_RDONLY,
    "nosuid": syscalls.MS_NOSUID,
    "nodev": syscalls.MS_NODEV,
    "noexec": syscalls.MS_NOEXEC,
    "noatime": syscalls.MS_NOATIME,
    "nodiratime": syscalls.MS_NODIRATIME,
    "relatime": syscalls.MS_RELATIME,
    "strictatime": syscalls.MS_STRICTATIME,
}
_ROUNDS = 5  # a lazy unmount may uncover another mount at the same place


def decoded(field: bytes) -> str:
    """A path of mountinfo in clear: the kernel writes blanks, tabs, line ends and backslashes as octal numbers."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), field))


def mount_points() -> List[str]:
    """The mount points of this mount namespace, in the order in which they were mounted."""
    with open(MOUNTINFO, "rb") as table:
        return [decoded(line.split(b" ")[4]) for line in table]


def mounts_under(path: Union[str, os.PathLike[str]]) -> List[str]:
    """What is mounted on a path or below it, deepest first; whole components count, `tag-1-3` is not below `tag-1`.

    Only the parent of `path` is looked at, so that a mount that does not answer can't hold this up.
    """
    head, name = os.path.split(os.path.abspath(path))
    place = os.path.join(os.path.realpath(head), name)
    below = place.rstrip("/") + "/"
    found = [mount for mount in mount_points() if mount == place or mount.startswith(below)]
    found.reverse()  # of several at one place the last one lies on top
    return sorted(found, key=lambda mount: mount.count("/"), reverse=True)


def unmount_under(path: Union[str, os.PathLike[str]]) -> List[str]:
    """Detach all that is mounted on a path or below it, at once even if it is busy.

    Returns:
        What is still mounted there afterwards; empty when all is well.
    """
    for _ in range(_ROUNDS):
        mounts = mounts_under(path)
        if not mounts:
            break
        for mount in mounts:
            with contextlib.suppress(OSError):
                syscalls.umount2(mount, syscalls.MNT_DETACH | syscalls.UMOUNT_NOFOLLOW)
    return mounts_under(path)


def bind(source: int, target: int, *, recursive: bool = False) -> None:
    """Mount a directory on another one, both by descriptors: no path is followed that somebody may have bent.

    Args:
        source: descriptor of what is shown.
        target: descriptor of where it is shown.
        recursive: with all that is mounted below it.

    Raises:
        OSError: the kernel refuses.
    """
    flags = syscalls.MS_BIND | (syscalls.MS_REC if recursive else 0)
    syscalls.mount(_by_descriptor(source), _by_descriptor(target), flags)


def restrict(mounted: int, options: Iterable[str]) -> None:
    """Give a bind mount options of its own; those that say nothing to one are passed over.

    Args:
        mounted: descriptor of its top, opened after it was mounted.
        options: as for mount(8); see `BIND_OPTIONS`.

    Raises:
        OSError: the kernel refuses.
    """
    flags = 0
    for option in options:
        flags |= BIND_OPTIONS.get(option, 0)
    if flags:
        syscalls.mount("none", _by_descriptor(mounted), syscalls.MS_BIND | syscalls.MS_REMOUNT | flags)


def _by_descriptor(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
