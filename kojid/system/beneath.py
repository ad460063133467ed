"""Opening files in directories that nobody here trusts: below a chroot a link may point anywhere on the host.

A path is resolved from a descriptor of its directory, no link is followed on the way, and only regular files are handed
out (design, decision 9; contract 11, items 18 and 19).
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO, Iterator, List, Union

import koji

from kojid.system import syscalls

Directory = Union[Path, str, int]

# Without O_NONBLOCK, opening a pipe that somebody left there would wait for a writer.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RESOLVE = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
_RESOLVE_LINKS = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS
_NO_OPENAT2 = (errno.ENOSYS, errno.EPERM, errno.EINVAL)
_LINK_ERRORS = (errno.ELOOP, errno.EXDEV, errno.ENOTDIR)


class UnsafeFile(koji.GenericError):
    """A file that was to be read is a link, a device or the like, or lies outside its directory."""


@contextlib.contextmanager
def directory_fd(directory: Directory) -> Iterator[int]:
    """A descriptor of a directory; one that is passed in stays open. Links on the way to it are followed."""
    if isinstance(directory, int):
        yield directory
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_beneath(directory: Directory, relative: str, *, alone: bool = False, links: bool = False) -> BinaryIO:
    """Open a regular file for reading that lies in or below a directory, following no link below it.

    Args:
        directory: a path (itself trusted) or a descriptor of the directory.
        relative: the path from there; neither absolute nor with "..".
        alone: refuse a file that has a second name (hard link), which may lie anywhere on the file system.
        links: follow links that stay beneath the directory, where the kernel can tell; else none is.

    Raises:
        UnsafeFile: the path leaves the directory, crosses a link, or names no regular file.
        FileNotFoundError: there is no such file.
    """
    parts = relative.split("/")
    if not relative or relative.startswith("/") or ".." in parts:
        raise UnsafeFile(f"{relative!r} does not name a file beneath its directory")
    with directory_fd(directory) as top:
        try:
            descriptor = _open(top, relative, links)
        except OSError as error:
            if error.errno in _LINK_ERRORS:
                raise UnsafeFile(f"{relative} is, or lies behind, a symbolic link or a file") from error
            if error.errno == errno.ENXIO:
                raise UnsafeFile(f"{relative} is not a regular file") from error
            raise
    return _regular(descriptor, relative, alone)


def _open(top: int, relative: str, links: bool) -> int:
    flags, resolve = (_FILE_FLAGS & ~os.O_NOFOLLOW, _RESOLVE_LINKS) if links else (_FILE_FLAGS, _RESOLVE)
    try:
        return syscalls.openat2(top, relative, flags, resolve)
    except OSError as error:
        # EPERM and EINVAL are what container filters answer to a call they do not know.
        if error.errno not in _NO_OPENAT2:
            raise
    return _walk(top, relative)


def _walk(top: int, relative: str) -> int:
    """What openat2 does, step by step, for kernels without it."""
    *parents, name = [part for part in relative.split("/") if part not in ("", ".")]
    current = os.dup(top)
    try:
        for parent in parents:
            following = os.open(parent, _DIRECTORY_FLAGS, dir_fd=current)
            os.close(current)
            current = following
        return os.open(name, _FILE_FLAGS, dir_fd=current)
    finally:
        os.close(current)


def _regular(descriptor: int, relative: str, alone: bool) -> BinaryIO:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnsafeFile(f"{relative} is not a regular file")
    if alone and status.st_nlink > 1:
        os.close(descriptor)
        raise UnsafeFile(f"{relative} has {status.st_nlink} names")
    os.set_blocking(descriptor, True)
    return open(descriptor, "rb")


def list_beneath(directory: Directory, pattern: str) -> List[str]:
    """Names of the regular files directly in a directory that match a pattern, sorted; links are left out.

    Args:
        directory: a path (itself trusted) or a descriptor.
        pattern: as in the shell, for one name ("*.log"); case matters.

    Raises:
        FileNotFoundError: there is no such directory.
    """
    with directory_fd(directory) as top, os.scandir(top) as entries:
        return sorted(
            entry.name
            for entry in entries
            if fnmatch.fnmatchcase(entry.name, pattern) and entry.is_file(follow_symlinks=False)
        )


def copy_beneath(directory: Directory, relative: str, target: Path) -> None:
    """Copy a regular file out of an untrusted directory to a new file; arguments and errors as for `open_beneath`.

    Raises also FileExistsError: there is something at `target`, be it a link.
    """
    with open_beneath(directory, relative) as source, open(target, "xb") as out:
        shutil.copyfileobj(source, out, 1024 * 1024)


def open_for_upload(filename: str, mockdir: str, workdir: str) -> BinaryIO:
    """Open a file that is to be sent to the hub (contract 11, item 18).

    Below `mockdir` no link is followed, and what lies in a result directory must have no second name; below `workdir`,
    where checkouts are, links count as long as they stay there. Other places are the caller's business.

    Args:
        filename: a local path.
        mockdir, workdir: the options of these names.

    Raises:
        UnsafeFile: it is no regular file, or a link leads to it. OSError: it can't be read.
    """
    path = os.path.normpath(os.path.abspath(filename))
    for top, links in ((mockdir, False), (workdir, True)):
        base = os.path.normpath(os.path.abspath(top))
        if top and path.startswith(f"{base}/"):
            relative = path[len(base) + 1 :]
            alone = not links and relative.split("/")[1:2] == ["result"]
            return open_beneath(base, relative, alone=alone, links=links)
    return open(path, "rb")
