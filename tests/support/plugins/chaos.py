"""Task methods that misbehave on purpose; a plugin, as a site would have it."""

from __future__ import annotations

import os
import time
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


class Tally(BaseTaskHandler):  # type: ignore[misc]
    """Adds a line to a file and stays for a while; returns how many lines there are then."""

    Methods = ["tally"]

    def handler(self, path: str, seconds: float) -> int:
        with open(path, "a") as out:
            out.write(f"{os.getpid()}\n")
        time.sleep(seconds)
        with open(path) as lines:
            return len(lines.readlines())


class Linger(BaseTaskHandler):  # type: ignore[misc]
    """Goes on until there is a file."""

    Methods = ["linger"]

    def handler(self, path: str) -> None:
        while not os.path.exists(path):
            time.sleep(0.1)
