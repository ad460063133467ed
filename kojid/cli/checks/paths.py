"""Directories: there or to be made, the daemon's own, usable by mock, and not writable by strangers."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from pathlib import Path
from typing import Callable, Iterator, Optional

from kojid.buildroot.warmstore import Store, directory_of
from kojid.cli.checks.base import Check, Context, Finding, fine, unless_any, warn, wrong
from kojid.errors import HostFault
from kojid.system import access
from kojid.system.accounts import Credentials, credentials_of
from kojid.system.treecopy import shares_blocks

SECTION = "paths"
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs"})


def _stat(path: str) -> Optional[os.stat_result]:
    """What is there; None when nothing is. Raises OSError for any other trouble."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _mock_user(context: Context) -> Optional[Credentials]:
    """Whom mock runs as; None where that can't be told, or everything runs as who asks."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(HostFault):  # `mockuser` tells it
        return credentials_of(context.options.mockuser, "mock")
    return None


def _owner(found: os.stat_result) -> str:
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return f"uid {found.st_uid}"


def _open_to_strangers(found: os.stat_result) -> bool:
    return bool(found.st_mode & stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX


def _makeable(path: str) -> bool:
    """Whether a directory that is missing can be made: the nearest one above it can be written."""
    above = Path(path).absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def _own_directory(name: str, path: str) -> Iterator[Finding]:
    """A directory that the daemon makes and keeps for itself."""
    found = _stat(path)
    if found is None:
        if not _makeable(path):
            yield wrong(f"{path} does not exist and can't be made", f"mkdir -p {path}, or set {name}")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield wrong(f"{path} is no directory", f"move it away, or set {name}")
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield wrong(f"{path} can't be written", f"is its file system mounted read-only? else set {name}")
    if found.st_uid != os.geteuid():
        yield wrong(f"{path} belongs to {_owner(found)}", f"chown {_name_of(os.geteuid())} {path}")
    if _open_to_strangers(found):
        yield wrong(f"{path} can be written by everybody", f"chmod o-w {path}")


def _name_of(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _there(path: str) -> str:
    return path if os.path.isdir(path) else f"{path} (will be made)"


def _mockdir(context: Context) -> Iterator[Finding]:
    path, user = context.options.mockdir, context.options.mockuser
    found = _stat(path)
    if found is None:
        yield wrong(f"{path} does not exist", f"install mock, or: install -d -g mock -m 2775 {path}")
    elif not stat.S_ISDIR(found.st_mode):
        yield wrong(f"{path} is no directory", "set mockdir")
    elif os.geteuid() != 0 and not os.access(path, os.W_OK | os.X_OK):
        yield wrong(f"{path} can't be written", "set mockdir, or run as root")
    else:
        credentials = _mock_user(context)
        if credentials is not None and not access.may(credentials, access.WRITE, path):
            yield wrong(f"{path} can't be written by {user}, who runs mock", f"chgrp mock {path} && chmod 2775 {path}")
        if _open_to_strangers(found):
            yield warn(f"{path} can be written by everybody", f"chmod o-w {path}")


def _workdir(context: Context) -> Iterator[Finding]:
    path = context.options.workdir
    yield from _own_directory("workdir", path)
    credentials = _mock_user(context)
    if credentials is not None and os.path.isdir(path) and not access.may(credentials, access.SEARCH, path):
        user = context.options.mockuser
        yield wrong(f"{path} can't be entered by {user}, who runs mock", f"chmod o+x {path} and what is above it")


def _state_dir(context: Context) -> Iterator[Finding]:
    path = context.options.state_dir
    yield from _own_directory("state_dir", path)
    kind = _file_system(path)
    if kind in _NETWORK:
        yield warn(f"{path} is on {kind}: locks and the ledger need a local disk", "set state_dir to a local directory")


def _file_system(path: str) -> str:
    """The kind of file system that a path is on, by the table of mounts."""
    place, kind = "", ""
    real = os.path.realpath(path)
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as table:
        for line in table:
            mount, mounted = line.split(" ")[1:3]
            if (real + "/").startswith(mount.rstrip("/") + "/") and len(mount) >= len(place):
                place, kind = mount, mounted
    return kind


def _log_file(context: Context) -> Iterator[Finding]:
    path = context.options.log_file
    directory = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        yield wrong(f"{path} is a directory", "set log_file to a file")
    elif os.path.exists(path) and not os.access(path, os.W_OK):
        yield wrong(f"{path} can't be written, and there would be no log", f"chown {_name_of(os.geteuid())} {path}")
    elif not os.path.isdir(directory) and not _makeable(directory):
        yield wrong(f"{directory} can't be made, and there would be no log", "set log_file")
    elif os.path.isdir(directory) and not os.path.exists(path) and not os.access(directory, os.W_OK | os.X_OK):
        yield wrong(f"{directory} can't be written, and there would be no log", "set log_file")


def _task_log_dir(context: Context) -> Iterator[Finding]:
    path = context.options.task_log_dir
    if not path:
        yield fine("none: tasks have no logs of their own")
        return
    yield from unless_any(_own_directory("task_log_dir", path), _there(path))


def _mock_config_dir(context: Context) -> Iterator[Finding]:
    """Mock executes what is in there as a program."""
    path = context.options.mock_config_dir
    found = _stat(path)
    if found is None:
        if not _makeable(path):
            yield wrong(f"{path} does not exist and can't be made", f"mkdir -p {path}, or set mock_config_dir")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield wrong(f"{path} is no directory", "set mock_config_dir")
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield wrong(f"{path} can't be written", "is its file system mounted read-only? else set mock_config_dir")
    if found.st_mode & stat.S_IWOTH:
        yield wrong(f"{path} can be written by everybody, and mock executes what is in it", f"chmod o-w {path}")
    credentials = _mock_user(context)
    if credentials is not None and not access.may(credentials, access.SEARCH, path):
        yield wrong(f"{path} can't be entered by {context.options.mockuser}, who runs mock", f"chmod o+x {path}")


def _topdir(context: Context) -> Iterator[Finding]:
    path = context.options.topdir
    found = _stat(path)
    remedy = f"mount the Koji volume at {path} (read-only is enough), or take topdir out of the configuration"
    if found is None:
        if "topdir" in context.survey.given:
            yield warn(f"{path} does not exist: no repository tasks here", remedy)
        else:
            yield fine(f"there is no {path}: this host does no repository tasks")
    elif not stat.S_ISDIR(found.st_mode):
        yield wrong(f"{path} is no directory", "set topdir")
    elif not any(os.scandir(path)):
        yield warn(f"{path} is empty: the Koji volume is not mounted", remedy)
    else:
        yield fine(f"{path} ({_file_system(path)})")


def _warm_buildroots(context: Context) -> Iterator[Finding]:
    """Whether warm roots can be kept and copied, and at what price."""
    options = context.options
    store = Store(directory_of(options))
    if not options.warm_buildroots:
        yield fine("off")
    elif not _is_root():
        yield warn("only root can copy roots: none are kept", "run as root, or turn warm_buildroots off")
    elif store.trouble():
        yield wrong(
            f"{store.directory} {store.trouble()}", f"chown root {store.directory} && chmod 700 {store.directory}"
        )
    elif os.path.isdir(options.mockdir):
        place = store.directory if store.directory.is_dir() else store.directory.parent
        yield from _price_of_copies(str(place), options.mockdir)


def _is_root() -> bool:
    return os.geteuid() == 0


def _price_of_copies(place: str, mockdir: str) -> Iterator[Finding]:
    try:
        cheap = shares_blocks(Path(place), Path(mockdir))
    except OSError as error:
        yield wrong(f"roots can't be copied from {place} to {mockdir}: {error.strerror}", "set warm_buildroots_dir")
        return
    if cheap:
        yield fine(f"{place}: copies share their blocks with the original")
        return
    kinds = " to ".join(dict.fromkeys(_file_system(path) for path in (place, mockdir)))
    yield warn(
        f"{place} ({kinds}) shares no blocks between files: each buildroot is a full copy of its warm root",
        "put mockdir and warm_buildroots_dir on one XFS (reflink=1) or btrfs; else it works, and costs time and room",
    )


def _directory_row(name: str, what: str, look: Callable[[Context], Iterator[Finding]]) -> Check:
    """A row whose function only tells what is wrong with the directory of an option."""

    def look_at(context: Context) -> Iterator[Finding]:
        return unless_any(look(context), _there(getattr(context.options, name)))

    return Check(SECTION, name, what, f"set {name}", look_at)


ROWS = (
    _directory_row("mockdir", "mock's base directory", _mockdir),
    _directory_row("workdir", "working directories of tasks", _workdir),
    _directory_row("state_dir", "what the daemon keeps", _state_dir),
    Check(SECTION, "topdir", "the Koji volume", "mount it at topdir; is its server there?", _topdir),
    _directory_row("mock_config_dir", "mock configurations", _mock_config_dir),
    Check(SECTION, "log_file", "the daemon's log", "set log_file",
          lambda context: unless_any(_log_file(context), context.options.log_file)),
    Check(SECTION, "warm_buildroots", "roots kept to be copied", "turn warm_buildroots off", _warm_buildroots),
    Check(SECTION, "task_log_dir", "logs of tasks", "set task_log_dir", _task_log_dir),
)  # fmt: skip
