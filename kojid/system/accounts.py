"""Whom a command runs as: users and groups of this machine, and the plain environment that a command gets."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from kojid.errors import HostFault

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MISSING_USER = "create it (packaging/sysusers.d/kojid.conf and systemd-sysusers do), or set mockuser"


@dataclass(frozen=True)
class Credentials:
    """The ids that a command runs with; `groups` are its supplementary groups, all of them."""

    uid: int
    gid: int
    groups: Tuple[int, ...]


def credentials_of(user: str, group: Optional[str] = None) -> Credentials:
    """The ids of a user; its supplementary groups are exactly the one given, or none (contract 1.9).

    Raises:
        HostFault: this machine has no such user or group.
    """
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise HostFault(f"there is no user {user!r} on this host", _MISSING_USER) from None
    if group is None:
        return Credentials(account.pw_uid, account.pw_gid, ())
    try:
        supplementary = grp.getgrnam(group).gr_gid
    except KeyError:
        raise HostFault(f"there is no group {group!r} on this host", "is mock installed?") from None
    return Credentials(account.pw_uid, account.pw_gid, (supplementary,))


def clean_environment(user: Optional[Credentials] = None) -> Dict[str, str]:
    """An environment built from scratch for a command, with nothing of the daemon's own in it (contract 11, item 25).

    Args:
        user: whom the command runs as; None means the daemon's own user.
    """
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", "TERM": "dumb", "SHELL": "/bin/sh"}
    try:
        account = pwd.getpwuid(user.uid if user else os.getuid())
    except KeyError:  # an id without an account, as containers have them
        environment["HOME"] = "/"
        return environment
    environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
    return environment
