"""The program that renders a Cheetah template: a process of its own, which is nobody before it reads anything.

A template is a program of whoever wrote it. `templates` starts this file with a Python interpreter that knows nothing
of the daemon. It imports Cheetah, gives up its privileges, the way back to them and its network, takes limits upon
itself, and only then reads template and values from its standard input. It needs the standard library and Cheetah.

What it writes: the line `ready` when it stands as it should - before that, whatever goes wrong is the host's fault -
and then the text.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import sys
import traceback
from typing import Any, Dict

READY = b"ready\n"

_CLONE_NEWIPC = 0x08000000
_CLONE_NEWNET = 0x40000000
_PR_SET_NO_NEW_PRIVS = 38
_LIMITS = {
    resource.RLIMIT_AS: 1 << 30,
    resource.RLIMIT_FSIZE: 16 << 20,  # of the text too: it goes through a file
    resource.RLIMIT_NOFILE: 64,
    resource.RLIMIT_NPROC: 64,
    resource.RLIMIT_CORE: 0,
}


def confine(uid: int, gid: int, seconds: int) -> None:
    """Give up all privileges for good, the network too where the kernel lets root leave it.

    Args:
        uid, gid: whom to become; only heeded when started as root.
        seconds: of processor time that are left.

    Raises:
        OSError: it can't be done.
        RuntimeError: it is done and root is left nevertheless.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        libc.unshare(ctypes.c_int(_CLONE_NEWNET | _CLONE_NEWIPC))  # not in every container: then without
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups()):
        raise RuntimeError("a template must not be rendered as root")
    nought = ctypes.c_ulong(0)
    if libc.prctl(ctypes.c_int(_PR_SET_NO_NEW_PRIVS), ctypes.c_ulong(1), nought, nought, nought):
        raise OSError(ctypes.get_errno(), "privileges could still be gained")
    for limit, value in {**_LIMITS, resource.RLIMIT_CPU: seconds}.items():
        _soft, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def render(request: Dict[str, Any]) -> bytes:
    """The text that the request's `template` gives with its `values`."""
    from Cheetah.Template import Template

    text: str = Template(source=request["template"], searchList=[request["values"]]).respond()
    return text.encode("utf-8")


def main(uid: str, gid: str, seconds: str) -> int:
    """Render what comes in; the exit status."""
    import Cheetah.Compiler
    import Cheetah.Template  # noqa: F401 - it may lie where nobody can't read it, and that would be the host's fault

    confine(int(uid), int(gid), int(seconds))
    with open(os.dup(1), "wb") as out:
        out.write(READY)
        out.flush()
        os.dup2(2, 1)  # what the template prints is no part of the text
        try:
            out.write(render(json.load(sys.stdin)))
        except (Exception, SystemExit) as error:
            with contextlib.suppress(Exception):
                traceback.print_exc()
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
