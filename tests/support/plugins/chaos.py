"""Task methods that misbehave on purpose; a plugin, as a site would have it."""

from __future__ import annotations

import os
from typing import Any, List

from koji.tasks import BaseTaskHandler


class Scribble(BaseTaskHandler):  # type: ignore[misc]
    """Has a child write to a file and waits for it; on a frozen file system no signal wakes that child."""

    Methods = ["scribble"]

    def handler(self, path: str) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                with open(path, "ab", buffering=0) as out:
                    out.write(b"x")
            finally:
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if hasattr(os, "waitstatus_to_exitcode") else 0


class Hoard(BaseTaskHandler):  # type: ignore[misc]
    """Opens files until it may open no more, and fails over it with all of them open."""

    Methods = ["hoard"]
    _open: List[Any] = []

    def handler(self) -> None:
        while True:
            self._open.append(open(os.devnull))  # noqa: SIM115
