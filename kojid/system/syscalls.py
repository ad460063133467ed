"""The few system calls that Python has no function for, called through the C library."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Optional, Union

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
_SYS_OPENAT2 = 437  # the same number on every architecture that Linux knows

# Others than this one differ from one architecture to the next.
_SYS_IOPRIO_SET = {
    "x86_64": 251, "i686": 289, "aarch64": 30, "riscv64": 30, "loongarch64": 30,
    "ppc64le": 273, "ppc64": 273, "s390x": 282, "armv7l": 314,
}  # fmt: skip
_IOPRIO_WHO_PROCESS = 1
_IOPRIO_IDLE = 3 << 13

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def _failed(subject: Optional[str] = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), subject)


def prctl(option: int, argument: Union[int, bytes]) -> None:
    """Set an attribute of the calling process. Raises OSError."""
    value: Union[ctypes.c_ulong, ctypes.c_char_p]
    value = ctypes.c_char_p(argument) if isinstance(argument, bytes) else ctypes.c_ulong(argument)
    nought = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), value, nought, nought, nought) != 0:
        raise _failed()


def umount2(target: str, flags: int) -> None:
    """Take a mount away. Raises OSError naming the target."""
    if _libc.umount2(ctypes.c_char_p(os.fsencode(target)), ctypes.c_int(flags)) != 0:
        raise _failed(target)


def mount(source: str, target: str, flags: int) -> None:
    """Make or change a mount that needs neither a type nor data of its own. Raises OSError naming the target."""
    arguments = (ctypes.c_char_p(os.fsencode(source)), ctypes.c_char_p(os.fsencode(target)), None)
    if _libc.mount(*arguments, ctypes.c_ulong(flags), None) != 0:
        raise _failed(target)


def openat2(directory: int, path: str, flags: int, resolve: int) -> int:
    """Open a path relative to a directory's descriptor under the rules of `resolve`; returns a descriptor.

    Raises OSError; its errno is ENOSYS on kernels before 5.6, EPERM under some container filters.
    """
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=0, resolve=resolve)
    descriptor = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if descriptor < 0:
        raise _failed(path)
    return int(descriptor)


def ioprio_set_idle() -> None:
    """Put the calling process into the disk scheduler's idle class. Raises OSError, ENOSYS where it isn't known how."""
    number = _SYS_IOPRIO_SET.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    arguments = (ctypes.c_int(_IOPRIO_WHO_PROCESS), ctypes.c_int(0), ctypes.c_int(_IOPRIO_IDLE))
    if _libc.syscall(ctypes.c_long(number), *arguments) != 0:
        raise _failed()
