"""Whether this host's disks are why something in a buildroot failed, rather than the package.

Neither mock nor a package tells the two apart: a disk that is full shows as a compiler error, a failed transaction or a
traceback of mock's. So the file systems are asked right after the failure. One that takes nothing at all is to blame
whatever the logs say, because their last lines may not have been written. One that has little left, less than a new
task would have to find (`minspace`, `mininodes`), is to blame when a log speaks of a disk: a package whose tests write
to /dev/full stays a package's failure on a host with room.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any, Iterable, Iterator, Optional, Tuple

from kojid.system import storage
from kojid.system.storage import Room

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
_SAID = re.compile("|".join(re.escape(os.strerror(number)) for number in _DISK_ERRORS), re.IGNORECASE)
# rpm and dnf count before they unpack, so there may be a good deal left.
_COUNTED = re.compile(r"\bneeds \d+ ?\S* (?:more space )?on the \S+ filesystem|more space needed on the \S+ filesystem")
# No quota of the host's reaches a package but by way of the host, and statvfs does not know of it.
_QUOTA = re.compile(re.escape(os.strerror(errno.EDQUOT)), re.IGNORECASE)
_NOTHING_LEFT_MB = 1  # less than that is full to whatever writes in blocks
_LITTLE_MB = 64  # what a failed command may have given back by removing its own files


def found(options: Any, said: Iterable[str] = (), counted: Iterable[str] = ()) -> str:
    """What is wrong with the disks that a buildroot needs, in one line; empty when nothing is.

    Args:
        options: the daemon's options.
        said: lines of logs that may speak of a disk.
        counted: lines of the package manager, which tells when it would not have room enough.
    """
    words = next((line.strip() for line in said if _SAID.search(line)), "")
    lack = next((line.strip() for line in counted if _COUNTED.search(line)), "")
    if lack or _QUOTA.search(words):
        return lack or words
    for path, free_mb in _places(options):
        trouble = _of(path, max(free_mb, _LITTLE_MB), options.mininodes, words)
        if trouble:
            return f"{trouble}; {words}" if words else trouble
    return ""


def of_error(error: Optional[BaseException]) -> str:
    """The words of an error that only a disk of this host can cause, be it the cause of another; empty for others."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            return f"{error.strerror}{f' ({error.filename})' if error.filename else ''}"
        error = error.__cause__
    return ""


def _places(options: Any) -> Iterator[Tuple[str, int]]:
    yield options.mockdir, options.minspace
    yield options.workdir, options.minspace_workdir


def _of(path: str, little_mb: int, few_inodes: int, words: str) -> str:
    try:
        room = storage.room(path, try_writing=True)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path} can't be used: {error.strerror}"
    if room.read_only:
        return f"the file system of {path} is read-only"
    if _is_short(room, _NOTHING_LEFT_MB, 1) or (words and _is_short(room, little_mb, few_inodes)):
        return f"{path} has {room.free_mb} MB and {room.free_inodes} inodes left"
    return ""


def _is_short(room: Room, free_mb: int, inodes: int) -> bool:
    return room.free_mb < free_mb or 0 <= room.free_inodes < inodes
