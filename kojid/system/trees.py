"""Removing directory trees that builds have left: of any depth, full of surprises, and never beyond their own edge.

Everything goes by descriptors of directories: a link put in the way is removed, not followed, and a mount is reported,
not emptied, bind mounts of the same file system included (contract 11, item 1; the deletions of contract 4.6).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import List, Optional, Tuple

from kojid.errors import HostFault
from kojid.system import attributes, syscalls
from kojid.system.mounts import mounts_under

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RESOLVE = syscalls.RESOLVE_NO_XDEV | syscalls.RESOLVE_NO_SYMLINKS
_ROUNDS = 20  # how often a directory is gone over again when something still writes into it
_NO_OPENAT2 = (errno.ENOSYS, errno.EPERM, errno.EINVAL)
_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)


def remove_tree(path: Path, *, missing_ok: bool = True) -> None:
    """Remove a file, a link or a whole directory tree.

    It never follows a link and never crosses into another file system. Directories without permissions are
    opened up first; things that vanish or appear meanwhile are coped with.

    Args:
        path: what goes; its parent directory is trusted.
        missing_ok: whether it may be gone already.

    Raises:
        HostFault: something is mounted in there, or something could not be removed; the text names it.
        FileNotFoundError: nothing is there and missing_ok is false.
    """
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        if missing_ok:
            return
        raise
    try:
        if not missing_ok:
            os.stat(path.name, dir_fd=parent, follow_symlinks=False)
        _remove(parent, path.name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        os.close(parent)


def empty_tree(path: Path) -> None:
    """Remove all that is in a directory, but not the directory itself; it may be a mount point, but not a link.

    Raises HostFault as `remove_tree`, FileNotFoundError when there is no such directory.
    """
    try:
        top = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _explained(error, path) from error
    try:
        for name in os.listdir(top):
            _remove(top, name)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        os.close(top)


def _explained(error: OSError, path: Path) -> HostFault:
    mounts = mounts_under(path)
    if mounts and error.errno in (errno.EBUSY, errno.EXDEV):
        return HostFault(f"{path} can't be removed: something is mounted on {mounts[0]}", "unmount it")
    hint = "does lsattr show an immutable attribute?" if error.errno == errno.EPERM else ""
    return HostFault(f"{path} can't be removed: {error.strerror} ({error.filename})", hint)


def _remove(directory: int, name: str) -> None:
    """Remove an entry of a directory with all that is below it; one that is gone already is fine."""
    for _ in range(_ROUNDS):
        if _unlink(directory, name):
            return
        descriptor = _enter(directory, name)
        if descriptor is not None:
            _Descent(descriptor).run()
        if _rmdir(directory, name):
            return
    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)


def _unlink(directory: int, name: str) -> bool:
    """Remove an entry that is no directory; False when it is one."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    except PermissionError:
        # where unlinking is not allowed the kernel may say so before it says that this is a directory
        if _is_directory(directory, name):
            return False
        if not _made_removable(directory, name):
            raise
        os.unlink(name, dir_fd=directory)
    return True


def _made_removable(directory: int, name: str) -> bool:
    """Clear the attributes of an entry, and of its directory, that forbid to remove it; False when there were none."""
    cleared = [attributes.make_removable(directory), attributes.make_entry_removable(directory, name)]
    return any(cleared)


def _is_directory(directory: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _rmdir(directory: int, name: str) -> bool:
    """Remove an empty directory; False when it has been filled or replaced meanwhile."""
    try:
        os.rmdir(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
    except OSError as error:
        if error.errno in _NOT_EMPTY:
            return False
        if error.errno != errno.EPERM or not _made_removable(directory, name):
            raise
        os.rmdir(name, dir_fd=directory)
    return True


def _enter(directory: int, name: str) -> Optional[int]:
    """A descriptor of a subdirectory, opened up; None when it is gone or no directory any more.

    Raises OSError with EXDEV where another file system or a bind mount begins.
    """
    try:
        descriptor = _open(directory, name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    if os.fstat(descriptor).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        # root needs no permissions; for others, where this fails the first removal says so
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, stat.S_IRWXU)
    return descriptor


def _open(directory: int, name: str) -> int:
    try:
        return _open_here(directory, name)
    except PermissionError:
        # An unreadable directory of our own. No call changes a mode by name without following links; by way of
        # an O_PATH descriptor it can be done.
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
        try:
            os.chmod(f"/proc/self/fd/{handle}", stat.S_IRWXU)
        finally:
            os.close(handle)
        return _open_here(directory, name)


def _open_here(directory: int, name: str) -> int:
    """Open a subdirectory that lies on the same mount."""
    try:
        return syscalls.openat2(directory, name, _FLAGS, _RESOLVE)
    except OSError as error:
        # EPERM and EINVAL are what container filters answer to a call they do not know
        if error.errno not in _NO_OPENAT2:
            raise
    descriptor = os.open(name, _FLAGS, dir_fd=directory)
    if _mount_id(descriptor) != _mount_id(directory):
        os.close(descriptor)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    return descriptor


def _mount_id(descriptor: int) -> str:
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as info:
        return next(line.split()[1] for line in info if line.startswith("mnt_id:"))


class _Level:
    """A directory on the way down: which one it is, and the subdirectories that are still in it."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.identity = _identity(descriptor)
        self.subdirectories = _remove_files(descriptor)
        self.rounds = 0


def _identity(descriptor: int) -> Tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _remove_files(descriptor: int) -> List[str]:
    """Remove all that is no directory from a directory; returns the names of the directories in it."""
    with os.scandir(descriptor) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    return [name for name, is_directory in names if is_directory or not _unlink(descriptor, name)]


class _Descent:
    """Empties a directory from the leaves up with one open descriptor, however deep the tree is.

    The way back goes through "..", and each directory on it must be the one that was come from: one that has been
    moved elsewhere meanwhile stops the removal.

    Args:
        descriptor: the directory; closed at the end.
    """

    def __init__(self, descriptor: int) -> None:
        self._here = descriptor
        self._levels: List[_Level] = []

    def run(self) -> None:
        """Empty the directory. Raises OSError."""
        try:
            self._levels.append(_Level("", self._here))
            while True:
                level = self._levels[-1]
                if level.subdirectories:
                    self._down(level.subdirectories[-1])
                elif len(self._levels) > 1:
                    self._up()
                else:
                    return
        finally:
            os.close(self._here)

    def _down(self, name: str) -> None:
        descriptor = _enter(self._here, name)
        if descriptor is None:
            self._levels[-1].subdirectories.pop()
            _unlink(self._here, name)
            return
        os.close(self._here)
        self._here = descriptor
        self._levels.append(_Level(name, descriptor))

    def _up(self) -> None:
        emptied = self._levels.pop()
        parent = self._levels[-1]
        above = os.open("..", _FLAGS, dir_fd=self._here)
        os.close(self._here)
        self._here = above
        if _identity(above) != parent.identity:
            raise OSError(errno.ESTALE, "it was moved while it was being removed", emptied.name)
        if _rmdir(above, emptied.name):
            parent.subdirectories.pop()
            return
        parent.rounds += 1
        if parent.rounds > _ROUNDS:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), emptied.name)
