"""Whether a user of this machine can use a path: the kernel is asked, as that user."""

from __future__ import annotations

import os
from typing import Optional, Union

from kojid.system import process
from kojid.system.accounts import Credentials

_SECONDS = 60.0
READ, WRITE, SEARCH = "-r", "-w", "-x"


def may(user: Optional[Credentials], test: str, path: Union[str, os.PathLike[str]], seconds: float = _SECONDS) -> bool:
    """Whether a user can read, write or search a path; modes, lists and the directories above it all count.

    Args:
        user: who; None is this process's own user.
        test: READ, WRITE or SEARCH.
        path: what.
        seconds: how long the answer may take.

    Raises:
        HostFault: it can't be asked. CommandTimeout: there was no answer.
    """
    return process.run(["test", test, os.fspath(path)], timeout=seconds, cwd="/", user=user).ok
