"""Handing a directory tree over from one user to another, when the one who made it is not trusted.

Such a user could have put a hard link to somebody else's file into the tree, or a link in the place of a directory.
So only what the user owns itself changes hands, no file that has another name besides, and each file is looked at and
changed through one descriptor.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Union

_ANY_FILE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def hand_over(directory: Union[Path, str], giver: int, uid: int, gid: int) -> None:
    """Give a directory and all that `giver` owns in it to another user and group. No link is followed.

    Args:
        directory: the top; itself trusted.
        giver: uid of the owner so far; what others own stays as it is, and so do files with several names.
        uid, gid: the new owner. Without the privilege to do that nothing is done.

    Raises:
        OSError: something could not be changed.
    """
    if os.geteuid() != 0:
        return
    for _path, _directories, files, descriptor in os.fwalk(directory, follow_symlinks=False, onerror=_raise):
        if os.fstat(descriptor).st_uid == giver:
            os.fchown(descriptor, uid, gid)
        # fwalk counts links to directories among the directories, and does not go into them
        for name in [*files, *_directories]:
            with contextlib.suppress(FileNotFoundError):
                _hand_over_file(descriptor, name, giver, uid, gid)


def _raise(error: OSError) -> None:
    raise error


def _hand_over_file(directory: int, name: str, giver: int, uid: int, gid: int) -> None:
    descriptor = os.open(name, _ANY_FILE, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        several_names = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
        if status.st_uid == giver and not several_names:
            os.chown(f"/proc/self/fd/{descriptor}", uid, gid)
    finally:
        os.close(descriptor)
