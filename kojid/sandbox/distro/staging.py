"""Copies the files of Debian packages into a tree laid out like an RPM distribution's."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Set, Tuple

from kojid.sandbox.distro.dpkg import InstalledFile

#: Directories that are links into /usr, in the distribution as on current Debian and Fedora machines.
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

#: Documentation, translations and what only a Debian system has use for.
DROPPED_TREES = (
    "/usr/share/doc/", "/usr/share/doc-base/", "/usr/share/info/", "/usr/share/man/", "/usr/share/locale/",
    "/usr/share/lintian/", "/usr/share/bug/", "/usr/share/menu/", "/usr/share/applications/", "/usr/share/gdb/",
    "/usr/share/bash-completion/", "/usr/share/pixmaps/", "/usr/share/gcc/", "/usr/lib/systemd/", "/etc/cron.daily/",
    "/etc/skel/", "/etc/pam.d/", "/etc/init.d/", "/etc/default/", "/etc/apt/", "/etc/dpkg/", "/var/lib/dpkg/",
)  # fmt: skip
#: Large or unsatisfiable parts of otherwise wanted packages: link-time optimisation, sanitizers, the profiler,
#: rpm2archive (it alone needs libarchive), the keyrings of desktops, static Pythons, and the files that the synthetic
#: packages own.
DROPPED_FILES = (
    "/usr/lib/gcc/*/lto1", "/usr/lib/gcc/*/lto-dump", "/usr/bin/*lto-dump*", "/usr/lib/gcc/*/lib[altu]*san*",
    "/usr/bin/*gp-*", "/usr/bin/*gprofng*", "/usr/lib/*/gprofng/*", "/etc/gprofng.rc", "/usr/bin/rpm2archive",
    "/usr/lib/*/libsvn_auth_kwallet*", "/usr/lib/*/libsvn_auth_gnome_keyring*",
    "/usr/lib/*/libpython3*.a", "/usr/lib/python3*/config-*/libpython3*.a",
    "/usr/lib/rpm/macros.d/macros.sandbox", "/etc/os-release", "/usr/lib/os-release",
)  # fmt: skip
_DROPPED = re.compile("|".join(fnmatch.translate(pattern) for pattern in DROPPED_FILES))


@dataclass
class Staged:
    """What one RPM package holds: absolute paths of directories and of everything else."""

    directories: List[str] = field(default_factory=list)
    files: List[str] = field(default_factory=list)


def merged_path(path: str) -> str:
    """The path with a leading /bin, /sbin or /lib* moved below /usr."""
    first, slash, rest = path.lstrip("/").partition("/")
    if first in MERGED:
        return f"/usr/{first}{slash}{rest}"
    return path.rstrip("/") if len(path) > 1 else path


def is_dropped(path: str) -> bool:
    """Whether the distribution leaves this path out."""
    return f"{path}/".startswith(DROPPED_TREES) or bool(_DROPPED.match(path))


class Stage:
    """The tree that rpmbuild packs; every path is owned by the first package that brings it.

    Args:
        root: an empty directory.
        base_directories: paths that the filesystem package owns; no other package lists them.
    """

    def __init__(self, root: Path, base_directories: Iterable[str]) -> None:
        self.root = root
        self._base: Set[str] = set(base_directories)
        self._owned: Set[str] = set()
        #: The youngest file's time, in seconds since 1970: the same on every machine with the same packages.
        self.newest = 0

    def add(self, files: Sequence[InstalledFile]) -> Staged:
        """Copies a package's files and returns what it owns now; paths that are gone from the machine are left out."""
        staged = Staged()
        for item in files:
            path = merged_path(item.path)
            if path in self._base or path == "/." or is_dropped(path) or not os.path.lexists(item.source):
                continue
            self._place(path, item.source, staged)
        return staged

    def _place(self, path: str, source: str, staged: Staged) -> None:
        status = os.lstat(source)
        if stat.S_ISDIR(status.st_mode):
            self._directory(path)
            staged.directories.append(path)
        elif path not in self._owned and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            target = self._target(path)
            self.newest = max(self.newest, int(status.st_mtime))
            shutil.copy2(source, target, follow_symlinks=False)
            if not target.is_symlink():
                # No set-uid programs: the chroot has no use for them, and an unprivileged copy could not keep them.
                target.chmod(stat.S_IMODE(status.st_mode) & 0o777 | 0o400)
            self._owned.add(path)
            staged.files.append(path)

    def link(self, path: str, to: str, staged: Staged) -> None:
        """A symbolic link owned by the package, unless something has that path already."""
        path = merged_path(path)
        if path not in self._owned and not is_dropped(path):
            self._target(path).symlink_to(merged_path(to))
            self._owned.add(path)
            staged.files.append(path)

    def write(self, path: str, text: str, staged: Staged, mode: int = 0o644) -> None:
        """A file with this text, owned by the package."""
        target = self._target(path)
        target.write_text(text)
        target.chmod(mode)
        self._owned.add(path)
        staged.files.append(path)

    def owns(self, path: str) -> bool:
        """Whether a package has this path."""
        return merged_path(path) in self._owned

    def _directory(self, path: str) -> None:
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _target(self, path: str) -> Path:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def add_alternatives(stage: Stage, staged: Dict[str, Staged], links: Iterable[Tuple[str, str]]) -> None:
    """Turns Debian's alternatives into plain links, owned by the package that has the program."""
    owner = {path: name for name, package in staged.items() for path in package.files}
    for link, program in links:
        package = owner.get(merged_path(program))
        if package and not stage.owns(link):
            stage.link(link, program, staged[package])
