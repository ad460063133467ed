"""Control groups, version 2: one for each task where this process may make them (design, decision 6).

What starts in a group stays in it, whatever it does with parents, sessions and process groups; so the members are known
and end by one write. Only groups below the daemon's own are made: systemd gives that one to the unit with Delegate=yes.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Iterator, List, Optional

from kojid.system import mounts

logger = logging.getLogger("koji.build.cgroups")

_OWN = Path("/proc/self/cgroup")


class Group:
    """A control group by its directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, pid: int) -> None:
        """Move a process in, and so all that it starts from now on. Raises OSError."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def pids(self) -> List[int]:
        """Its members and those of groups below it."""
        found: List[int] = []
        for directory in self._directories():
            with contextlib.suppress(OSError):  # gone meanwhile, or a threaded group
                found += map(int, (directory / "cgroup.procs").read_text().split())
        return [pid for pid in found if pid > 0]

    def kill(self) -> bool:
        """Send KILL to all members at once, newcomers too; False where the kernel (before 5.14) can't."""
        try:
            # never created by mistake: a kernel without it has no such file
            descriptor = os.open(self.path / "cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        with open(descriptor, "w") as switch:
            switch.write("1")
        return True

    def cpu_seconds(self) -> Optional[float]:
        """Processor time of all members so far, ended ones too; None when it can't be told."""
        with contextlib.suppress(OSError, ValueError):
            for line in (self.path / "cpu.stat").read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "usage_usec":
                    return int(value) / 1_000_000
        return None

    def remove(self) -> bool:
        """Take it away with the groups below it; False when somebody is still in there."""
        for directory in reversed(list(self._directories())):
            with contextlib.suppress(OSError):
                directory.rmdir()
        return not self.path.exists()

    def _directories(self) -> Iterator[Path]:
        """Itself and the groups below, each before those in it."""
        for directory, _names, _files in os.walk(self.path):
            yield Path(directory)


def own() -> Optional[Path]:
    """The directory of this process's own group, in a unified or a hybrid hierarchy; None where there is none."""
    top = _mounted()
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    if top is None or path is None or ".." in path.split("/"):
        return None  # with "..", the group lies outside what this cgroup namespace shows
    directory = top / path.lstrip("/")
    return directory if (directory / "cgroup.procs").exists() else None


def _mounted() -> Optional[Path]:
    """Where cgroup2 is mounted."""
    with contextlib.suppress(OSError), open(mounts.MOUNTINFO, "rb") as table:
        for line in table:
            head, _, tail = line.partition(b" - ")
            if tail.startswith(b"cgroup2 "):
                return Path(mounts.decoded(head.split(b" ")[4]))
    return None


def make(parent: Path, name: str) -> Optional[Group]:
    """A new, empty group; None where none can be made. One that was left under this name is emptied and used."""
    group = Group(parent / name)
    try:
        group.path.mkdir()
    except FileExistsError:
        if group.pids():
            group.kill()
    except OSError as error:
        logger.debug("no control group: %s", error)
        return None
    return group


def writable(parent: Path) -> bool:
    """Whether groups can be made below one."""
    trial = parent / f"kojid-trial-{os.getpid()}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True
