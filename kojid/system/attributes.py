"""The attributes of files that forbid even root to remove them: immutable and append-only (chattr +i, +a)."""

from __future__ import annotations

import fcntl
import os
import stat
import struct

_IMMUTABLE = 0x10
_APPEND_ONLY = 0x20
# What an ioctl's number holds of direction and size; powerpc has it in other bits.
_POWERPC = os.uname().machine.startswith("ppc")
_LONG = struct.calcsize("l")
_GETFLAGS = (0x40000000 if _POWERPC else 0x80000000) | _LONG << 16 | ord("f") << 8 | 1
_SETFLAGS = (0x80000000 if _POWERPC else 0x40000000) | _LONG << 16 | ord("f") << 8 | 2


def make_removable(descriptor: int) -> bool:
    """Clear both attributes of an open file or directory; returns whether one was set and is no more."""
    try:
        (flags,) = struct.unpack("i", fcntl.ioctl(descriptor, _GETFLAGS, struct.pack("i", 0)))
        if not flags & (_IMMUTABLE | _APPEND_ONLY):
            return False
        fcntl.ioctl(descriptor, _SETFLAGS, struct.pack("i", flags & ~(_IMMUTABLE | _APPEND_ONLY)))
    except OSError:  # no such attributes on this file system, or not for us to change
        return False
    return True


def make_entry_removable(directory: int, name: str) -> bool:
    """The same for an entry of an open directory, if it is a file or a directory; links and devices are not opened."""
    try:
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return False
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return False
        # The way through /proc leads to the very file that was looked at, whatever has its name by now.
        descriptor = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    finally:
        os.close(handle)
    try:
        return make_removable(descriptor)
    finally:
        os.close(descriptor)
