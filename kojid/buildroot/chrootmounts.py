"""Directories and file systems of the host mounted into a chroot, and taken away again (contract 6.13).

A chroot may have a link where a mount is to be, and a shared directory one where a mount comes from: neither is
followed. What is mounted is found in the kernel's table, so that it goes even when the task that mounted it was killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

import koji

from kojid.buildroot.chrootfiles import make_directory, open_directory
from kojid.errors import HostFault
from kojid.system import mounts, process

logger = logging.getLogger("koji.build.buildroot")

_LIST = "runroot_mounts"
_BINDS = ("bind", "rbind")
_MOST_SECONDS = 180.0
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class MountFailed(koji.GenericError):
    """Something can't be mounted; the text says what and why."""


@dataclass(frozen=True)
class Mount:
    """Something to mount.

    Args:
        device: what: a directory of the host for a bind mount, else what the file system's type wants.
        inside: where, as it is called in the chroot; absolute, without "..".
        fstype: the file system's type; of no account for a bind mount.
        options: as for mount(8); `bind` or `rbind` makes a bind mount.
        trusted: the leading part of a bind mount's device that may go by way of links.
    """

    device: str
    inside: str
    fstype: str
    options: Tuple[str, ...]
    trusted: str = "/"

    @property
    def is_bind(self) -> bool:
        """Whether it shows a directory of the host."""
        return any(option in self.options for option in _BINDS)

    def __str__(self) -> str:
        fstype = "none" if self.is_bind else self.fstype
        return f"mount -t {fstype} -o {','.join(self.options)} {self.device} {self.inside}"


class ChrootMounts:
    """What is mounted in a chroot beside mock's own mounts, which live in a namespace of theirs.

    Args:
        root: the chroot's top; itself trusted.
        log: gets a line for each mount, and what mount(8) says.
        seconds: the longest that one mount may take.
    """

    def __init__(self, root: str, log: Path, seconds: float = _MOST_SECONDS) -> None:
        self._root = root
        self._log = log
        self._seconds = min(seconds, _MOST_SECONDS)

    def add(self, mount: Mount) -> None:
        """Mount something.

        Raises:
            MountFailed: it can't be mounted.
            HostFault: it does not answer, or mount(8) is missing.
        """
        logger.info("Mount command: %s", mount)
        try:
            make_directory(self._root, mount.inside)
            if mount.is_bind:
                self._bind(mount)
            else:
                self._mount(mount)
        except (OSError, ValueError) as error:
            self._tell(f"$ {mount}\n{error}\n")
            raise MountFailed(f"Unable to mount {mount.inside}: {error}") from error
        self._note(mount)

    def _bind(self, mount: Mount) -> None:
        trusted = os.path.realpath(mount.trusted)
        below = os.path.relpath(mount.device, mount.trusted)
        recursive = "rbind" in mount.options
        try:
            with open_directory(trusted, below) as source, open_directory(self._root, mount.inside) as target:
                mounts.bind(source, target, recursive=recursive)
        except FileNotFoundError as error:
            raise OSError(error.errno, "No such directory or mount", mount.device) from error
        with open_directory(self._root, mount.inside) as mounted:
            mounts.restrict(mounted, mount.options)
        self._tell(f"$ {mount}\n")

    def _mount(self, mount: Mount) -> None:
        place = self._place(mount)
        argv = ["mount", "-t", mount.fstype, "-o", ",".join(mount.options), mount.device, place]
        try:
            status = process.run(argv, timeout=self._seconds, log=self._log)
        except process.CommandTimeout as error:
            raise HostFault(f"{mount.device} can't be mounted: {error}") from error
        if not status.ok:
            raise MountFailed(f"Unable to mount {mount.inside}: mount {status.describe()}; see {self._log.name}")
        if place not in mounts.mounts_under(place):
            raise MountFailed(f"Unable to mount {mount.inside}: mount succeeded, but nothing is mounted there")

    def _place(self, mount: Mount) -> str:
        """Where it goes, as a path of the host; `make_directory` has seen to it that there is no link on the way."""
        return os.path.join(os.path.realpath(self._root), mount.inside.strip("/"))

    def _tell(self, text: str) -> None:
        with self._log.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)

    def _note(self, mount: Mount) -> None:
        """Add it to the list that scripts find at /tmp/runroot_mounts; nothing here reads that."""
        with contextlib.suppress(OSError), open_directory(self._root, "tmp") as directory:
            descriptor = os.open(_LIST, _APPEND, 0o644, dir_fd=directory)
            with open(descriptor, "a", encoding="utf-8") as notes:
                notes.write(f"{self._place(mount)}\n")

    def remove(self) -> Optional[str]:
        """Take away all that is mounted in the chroot, at once even if it is busy; returns what stays, if anything."""
        left = mounts.unmount_under(self._root)
        if left:
            logger.warning("Unable to unmount: %s", ", ".join(left))
        return left[0] if left else None
