"""Who called, and the privileges this run has on their behalf.

The wrapper (wrapper.c) makes the process root and says in USERHELPER_UID who it was before; sudo says it in SUDO_UID.
What the caller could have done alone — reading the config file, writing results — is done with the caller's rights.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Tuple

from kojid.sandbox.mock.errors import MockError, NoPrivilege

GROUP = "mock"
#: The build user's number where root itself called.
_BUILD_UID = 1000


@dataclass(frozen=True)
class Caller:
    """The calling user's number, and the group that results belong to."""

    uid: int
    gid: int

    @property
    def build_uid(self) -> int:
        """The number of the user that packages are built as in the chroot."""
        return self.uid or _BUILD_UID


def identify(environment: Mapping[str, str]) -> Caller:
    """The caller, as wrapper or sudo name them.

    Raises:
        NoPrivilege: this process is not root, or the caller is not in group mock.
        MockError: root calls, but nobody says on whose behalf.
    """
    if os.geteuid() != 0:
        raise NoPrivilege("not started through the set-uid wrapper: it needs root")
    named = environment.get("USERHELPER_UID") or environment.get("SUDO_UID")
    if not named:
        raise MockError("root called directly: SUDO_UID or USERHELPER_UID must name the user to build for")
    try:
        group = grp.getgrnam(GROUP)
    except KeyError:
        raise NoPrivilege(f"there is no group {GROUP}") from None
    uid = int(named)
    if uid and not _is_member(uid, group):
        raise NoPrivilege(f"user {uid} is not in group {GROUP}")
    return Caller(uid, group.gr_gid)


def _is_member(uid: int, group: grp.struct_group) -> bool:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return False
    return user.pw_gid == group.gr_gid or user.pw_name in group.gr_mem


@contextmanager
def acting_as(caller: Caller) -> Iterator[None]:
    """Files are opened and made with the caller's rights while this lasts."""
    os.setegid(caller.gid)
    os.seteuid(caller.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def as_caller(caller: Caller, work: Callable[[], Any]) -> Tuple[Any, str]:
    """Runs a function in a child that has given up root for good.

    Args:
        caller: whose rights the child takes.
        work: returns what JSON can carry.

    Returns:
        The function's result, and the text of the error it raised or "".
    """

    def unprivileged() -> Any:
        os.setgroups([caller.gid])
        os.setresgid(caller.gid, caller.gid, caller.gid)
        os.setresuid(caller.uid, caller.uid, caller.uid)
        return work()

    return in_child(unprivileged)


def in_child(work: Callable[[], Any]) -> Tuple[Any, str]:
    """Runs a function in a child process, so that what it changes about the process is gone afterwards."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _answer(writer, work)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    if not answer:
        return None, "the helper process died"
    result, error = json.loads(answer)
    return result, error


def _answer(writer: int, work: Callable[[], Any]) -> None:
    """The child's whole life: it never returns."""
    answer = [None, "interrupted"]
    try:
        answer = [work(), ""]
    except BaseException as error:
        answer = [None, str(error) or type(error).__name__]
    finally:
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(answer, default=str).encode())
        os._exit(0)
