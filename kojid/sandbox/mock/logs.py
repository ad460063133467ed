"""The logs of a run: root.log, build.log, state.log in the result directory, and what goes to the terminal."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, TextIO

from kojid.sandbox.mock.caller import Caller, acting_as


class Logs:
    """Appends to the logs of a result directory, which come into being with the first line.

    Args:
        directory: the result directory.
        caller: who owns it and what is written there.
        verbosity: 0 keeps the terminal quiet but for errors.
    """

    def __init__(self, directory: Path, caller: Caller, verbosity: int = 1) -> None:
        self.directory = directory
        self._caller = caller
        self._verbosity = verbosity
        self._open: Dict[str, TextIO] = {}

    def root(self, text: str, level: str = "DEBUG") -> None:
        """One line for root.log, where everything but rpmbuild's output goes."""
        self._write("root.log", f"{level} mock:  {text}")

    def build(self, text: str) -> None:
        """One line for build.log, where rpmbuild's output goes."""
        self._write("build.log", text)

    def info(self, text: str) -> None:
        """One line for root.log and the terminal."""
        self.root(text, "INFO")
        self.terminal(f"INFO: {text}")

    def terminal(self, text: str) -> None:
        """One line on stderr, unless it should be quiet."""
        if self._verbosity:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def state(self, name: str) -> Iterator[None]:
        """A step, with its begin and end on stderr and, with the time, in state.log."""
        self._state(f"Start: {name}")
        try:
            yield
        finally:
            self._state(f"Finish: {name}")

    @contextmanager
    def state_unlogged(self, name: str) -> Iterator[None]:
        """A step that shows on stderr only: it may remove the logs."""
        self.terminal(f"Start: {name}")
        try:
            yield
        finally:
            self.terminal(f"Finish: {name}")

    def _state(self, text: str) -> None:
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        self._write("state.log", f"{stamp},{int(now * 1000) % 1000:03d} - {text}")
        self.terminal(text)

    def begin(self, version: str) -> None:
        """The line that every call opens its logs with."""
        self._write("build.log", f"Mock Version: {version}")
        self.root(f"Mock Version: {version}", "INFO")
        self._state(f"Mock Version: {version}")

    def _write(self, name: str, text: str) -> None:
        stream = self._open.get(name)
        if stream is None:
            stream = self._open[name] = self.create(name)
        stream.write(text + "\n")
        stream.flush()

    def create(self, name: str, *, append: bool = True) -> TextIO:
        """A file in the result directory, made and owned by the caller; links are not followed."""
        with acting_as(self._caller):
            self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            mode = os.O_APPEND if append else os.O_TRUNC
            number = os.open(self.directory / name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | mode, 0o644)
        return os.fdopen(number, "w", encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Closes the logs; a later line opens them again."""
        for stream in self._open.values():
            stream.close()
        self._open.clear()
