"""Directories inside a chroot, reached without following a link that a package may have planted there.

A scriptlet can replace any directory of its chroot by a link to one of the host. Each step here is taken from a
directory descriptor with O_NOFOLLOW (design, decision 9; contract 11, item 18).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Iterator

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def open_directory(base: str, relative: str = "") -> Iterator[int]:
    """A descriptor of a directory at or below a trusted one.

    Args:
        base: path of the trusted directory; it must not be a link itself.
        relative: the way from there; empty for the directory itself.

    Raises:
        OSError: ENOENT when there is none, ELOOP or ENOTDIR when a link or a file is in the way.
    """
    current = os.open(base, _STEP)
    try:
        for part in _parts(relative):
            following = os.open(part, _STEP, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def make_directory(base: str, relative: str, mode: int = 0o755) -> None:
    """Make a directory below a trusted one, parents included; what is there already is kept.

    Raises:
        OSError: a link or a file is in the way, or it can't be made.
    """
    current = os.open(base, _STEP)
    try:
        for part in _parts(relative):
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, mode, dir_fd=current)
            following = os.open(part, _STEP, dir_fd=current)
            os.close(current)
            current = following
    finally:
        os.close(current)


def write_file(base: str, relative: str, data: bytes, mode: int = 0o644) -> None:
    """Write a file below a trusted directory, parents included, in place of a regular file that is there.

    Raises:
        OSError: a link, a directory or anything else but a regular file is in the way, or it can't be written.
    """
    directory, _, name = relative.rpartition("/")
    make_directory(base, directory)
    with open_directory(base, directory) as descriptor:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                raise FileExistsError(errno.EEXIST, "something that is no regular file is in the way", relative)
            # Another name of the same file, or a writer that has it open, keeps what it has.
            os.unlink(name, dir_fd=descriptor)
        created = os.open(name, _NEW_FILE, mode, dir_fd=descriptor)
    with open(created, "wb") as out:
        os.fchmod(created, mode)
        out.write(data)


def _parts(relative: str) -> Iterator[str]:
    for part in relative.split("/"):
        if part == "..":
            raise ValueError(f"{relative!r} leaves its directory")
        if part not in ("", "."):
            yield part
