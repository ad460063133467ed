"""Telling what the sandbox does: each step as it begins, and how long it took."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Iterator, List, Tuple


@dataclass
class Steps:
    """Prints steps and remembers their times.

    Args:
        out: where to print.
    """

    out: IO[str] = field(default_factory=lambda: sys.stdout)
    times: List[Tuple[str, float]] = field(default_factory=list)
    _notes: List[str] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Steps]:
        """Do one step: its title is printed when it begins, its time and the notes made meanwhile at its end."""
        begun = time.monotonic()
        self._notes = []
        self._print(f"* {title} ...")
        yield self
        seconds = time.monotonic() - begun
        self.times.append((title, seconds))
        for note in self._notes:
            self._print(f"    {note}")
        self._print(f"    done in {seconds:.1f} s")

    def note(self, text: str) -> None:
        """Something to tell at the end of the running step."""
        self._notes.append(text)

    def say(self, text: str = "") -> None:
        """Print a line at once."""
        self._print(text)

    def _print(self, text: str) -> None:
        print(text, file=self.out, flush=True)
