"""What a build has left in the result directory: listed beneath a descriptor, regular files only (contract 6.3, 6)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import List

from kojid.buildroot.chrootfiles import open_directory


@dataclass
class Results:
    """Names of the files in a result directory, each list sorted.

    Args:
        srpms: source packages.
        rpms: binary packages.
        logs: logs; they have been streamed already.
        unexpected: anything else: other files, links, files with a second name, directories, devices. None of it is
            to be used.
    """

    srpms: List[str] = field(default_factory=list)
    rpms: List[str] = field(default_factory=list)
    logs: List[str] = field(default_factory=list)
    unexpected: List[str] = field(default_factory=list)

    @property
    def noarch(self) -> List[str]:
        """The binary packages that are noarch; the hub compares those between arches."""
        return [name for name in self.rpms if name.endswith(".noarch.rpm")]

    def place(self, name: str, regular: bool) -> None:
        """Put one directory entry where it belongs."""
        if not regular or name.startswith("."):
            self.unexpected.append(name)
        elif name.endswith(".src.rpm"):
            self.srpms.append(name)
        elif name.endswith(".rpm"):
            self.rpms.append(name)
        elif name.endswith(".log"):
            self.logs.append(name)
        else:
            self.unexpected.append(name)


def collect(directory: str) -> Results:
    """List a result directory.

    Args:
        directory: its path; it must not be a link itself.

    Raises:
        OSError: there is no such directory.
    """
    results = Results()
    with open_directory(directory) as descriptor, os.scandir(descriptor) as entries:
        for name, regular in sorted((entry.name, _is_own(entry)) for entry in entries):
            results.place(name, regular)
    return results


def _is_own(entry: os.DirEntry[str]) -> bool:
    """Whether this is a regular file that has no other name anywhere, as all that mock writes."""
    return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_nlink == 1
