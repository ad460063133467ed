"""The trees of warm roots: set aside when mock has made them, laid out again where mock looks for a buildroot's.

mock has MOCKDIR/NAME/root, MOCKDIR/NAME/result and, if it makes a bootstrap chroot, MOCKDIR/NAME-bootstrap/root. A root
that it has made carries a mark, and what it does next with `--no-clean` is what it does in one that it has just made:
configuration, users, device nodes and the build user's home are set up again at each start.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import uuid
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import koji

from kojid.buildroot import packages
from kojid.buildroot.chrootfiles import open_directory, write_file
from kojid.errors import HostFault
from kojid.system import mounts
from kojid.system.diskusage import disk_usage
from kojid.system.files import open_beneath, remove_tree
from kojid.system.treecopy import copy_tree

#: uid, gid and mode of the directories that mock makes around a root: "base", "result" and perhaps "bootstrap".
Owners = Dict[str, Tuple[int, int, int]]

ROOT, BOOTSTRAP = "root", "bootstrap"
_MARK = ".initialized"  # mock puts it into a root that it has made
_CACHES = ("var/cache/dnf", "var/cache/libdnf5", "var/cache/yum")
_ADDED = ("id", "external_repo", "location")  # what `repocontent` adds to what the database says of a package


def set_aside(base: Path, place: Path, timeout: float, lock: int) -> Owners:
    """Copy a buildroot's trees to a place of their own.

    Args:
        base: the buildroot's directory.
        place: where they go, empty.
        timeout: seconds for each.
        lock: that the copying process is to hold, too.

    Raises:
        HostFault, OSError, koji.GenericError: they can't be copied.
    """
    owners = {"base": _owner(base), "result": _owner(base / "result")}
    copy_tree(base / "root", place / ROOT, timeout=timeout, lock=lock)
    _drop_downloads(str(place / ROOT))
    if (bootstrap(base) / "root" / _MARK).is_file():
        owners["bootstrap"] = _owner(bootstrap(base))
        copy_tree(bootstrap(base) / "root", place / BOOTSTRAP, timeout=timeout, lock=lock)
    return owners


def copy_trees(source: Path, place: Path, timeout: float, lock: int) -> None:
    """Copy what was set aside, to another place that is laid out alike; arguments and errors as for `set_aside`."""
    for name in (ROOT, BOOTSTRAP):
        if (source / name).is_dir():
            copy_tree(source / name, place / name, timeout=timeout, lock=lock)


def lay_out(base: Path, owners: Owners, bring: Callable[[str, Path], None]) -> None:
    """Make a buildroot's directories as mock does, and bring its trees there.

    Args:
        base: the buildroot's directory.
        owners: of the directories.
        bring: makes a tree, ROOT or BOOTSTRAP, what the path stands for; nothing is there.

    Raises:
        HostFault, OSError, koji.GenericError: it can't be done.
    """
    directories = {"base": base, "result": base / "result", "bootstrap": bootstrap(base)}
    for which in owners:
        directories[which].mkdir(exist_ok=True)
        directories[which].chmod(0o700)
    if "bootstrap" in owners:
        bring(BOOTSTRAP, bootstrap(base) / "root")
    bring(ROOT, base / "root")
    for which, (uid, gid, mode) in owners.items():
        os.chown(directories[which], uid, gid)
        directories[which].chmod(mode)
    _renew_machine_id(str(base / "root"))


def clear(base: Path) -> None:
    """Remove what `lay_out` has begun. Raises HostFault."""
    for tree in (base / "root", bootstrap(base) / "root"):
        remove_tree(tree)


def bootstrap(base: Path) -> Path:
    """The directory of a buildroot's bootstrap chroot."""
    return base.with_name(f"{base.name}-bootstrap")


def size(base: Path) -> int:
    """Bytes that a buildroot's trees take on disk."""
    return disk_usage(base / "root") + disk_usage(bootstrap(base) / "root")


def unfit(base: Path) -> str:
    """Why a root can't be set aside; empty when it can."""
    if not (base / "root" / _MARK).is_file():
        return "mock has not left a root that it would use again"
    mounted = [*mounts.mounts_under(base), *mounts.mounts_under(bootstrap(base))]
    return f"{mounted[0]} is mounted" if mounted else ""


def check_packages(root: Path, recorded: List[packages.Package]) -> None:
    """Compare what a root's database lists with what was recorded.

    Raises:
        HostFault: they differ. koji.BuildrootError: there is no database, or nothing in it.
    """
    plain = [{key: value for key, value in one.items() if key not in _ADDED} for one in recorded]
    if _in_order(packages.installed(str(root))) != _in_order(plain):
        raise HostFault("the root's rpm database does not list the packages that were recorded")


def _in_order(found: List[packages.Package]) -> List[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in found)


def _owner(directory: Path) -> Tuple[int, int, int]:
    status = directory.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def _renew_machine_id(root: str) -> None:
    """Give a copy a machine id of its own, where there is one: mock makes up a new one for each root."""
    try:
        with open_beneath(root, "etc/machine-id") as opened:
            known = opened.read(64).strip()
    except (OSError, koji.GenericError):
        return
    if known:
        write_file(root, "etc/machine-id", f"{uuid.uuid4().hex}\n".encode())


def _drop_downloads(root: str) -> None:
    """Remove the packages that the package manager has downloaded: they are installed, and would only be copied."""
    for cache in _CACHES:
        with contextlib.suppress(OSError):
            for name in _subdirectories(root, cache):
                with contextlib.suppress(OSError), open_directory(root, f"{cache}/{name}") as directory:
                    remove_tree(Path(f"/proc/self/fd/{directory}/packages"))


def _subdirectories(root: str, relative: str) -> Iterator[str]:
    with open_directory(root, relative) as directory, os.scandir(directory) as entries:
        yield from [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
