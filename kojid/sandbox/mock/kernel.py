"""The kernel's calls that Python 3.9 has no names for: namespaces, mounts, the reaper's role."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x08000000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PER_LINUX32 = 8
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Gives this process namespaces of its own (`CLONE_…`)."""
    _check(_LIBC.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mounts a file system, or changes a mount (`MS_…`)."""
    words = [word.encode() if word else None for word in (source, target, kind)]
    number = ctypes.c_ulong(flags)
    _check(_LIBC.mount(*words, number, data.encode() if data else None), f"mount {target}")


def become_subreaper() -> None:
    """Orphans among this process's descendants become its children, whatever session they are in."""
    _check(_LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends."""
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def personality_32() -> None:
    """From here on the kernel calls itself by its 32-bit name, as `i686` on `x86_64`."""
    if _LIBC.personality(_PER_LINUX32) < 0:
        _check(-1, "personality")


def loopback_up() -> None:
    """Switches on `lo`, the only interface of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request + bytes(14)), 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP) + bytes(14))
