"""Copying whole directory trees, such as chroots: owners, modes, times, links, devices and attributes as they are.

Where the file system shares blocks between files (XFS, btrfs) that takes no room and hardly any time. Nothing that is
written to the copy can reach the original: the two share no inode.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from kojid.errors import HostFault
from kojid.system.files import printable
from kojid.system.process import STDOUT, capture

_FICLONE = 0x40049409  # of linux/fs.h, the same on every architecture but a few that no builder runs on
_BLOCK = 4096


def copy_tree(source: Path, target: Path, *, timeout: float, lock: int) -> None:
    """Copy a directory with all that is in it, other file systems left out. No link is followed.

    Args:
        source: the directory.
        target: what it becomes; nothing may be there. Its parent is trusted and has no set-group-id bit, which cp would
            let all directories of the copy inherit.
        timeout: seconds.
        lock: descriptor of a lock that also the copying process holds, so that whoever gets the lock later can be sure
            that nothing is copied any more, even if this process has been killed.

    Raises:
        HostFault: something could not be copied; what was stays in `target`.
        CommandTimeout: the time was up.
    """
    command = ["cp", "--archive", "--one-file-system", "--reflink=auto", "--no-target-directory", "--"]
    status, output = capture([*command, str(source), str(target)], timeout=timeout, stdin=lock, stderr=STDOUT)
    if not status.ok:
        said = printable(output.decode("utf-8", "replace").strip().rpartition("\n")[2])
        raise HostFault(f"{source} can't be copied to {target}: cp {status.describe()}", said)
    if source.lstat().st_mode != target.lstat().st_mode:
        raise HostFault(f"{source} can't be copied to {target}: the copy has other permissions")


def shares_blocks(source: Path, target: Path) -> bool:
    """Whether files of one directory can be copied to another one without copying their content.

    Raises:
        OSError: nothing can be written there.
    """
    with tempfile.TemporaryFile(dir=source) as one, tempfile.TemporaryFile(dir=target) as other:
        one.write(b"\0" * _BLOCK)
        one.flush()
        with contextlib.suppress(OSError):
            fcntl.ioctl(other.fileno(), _FICLONE, one.fileno())
            return os.fstat(other.fileno()).st_size == _BLOCK
    return False
