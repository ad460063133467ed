"""Keys of a terminal, one by one and without waiting for Enter."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import tty
from typing import Iterator, List

UP, DOWN, ENTER, BACK, QUIT = "up", "down", "enter", "back", "q"
_NAMES = {
    "\x1b[A": UP,
    "\x1bOA": UP,
    "k": UP,
    "\x1b[B": DOWN,
    "\x1bOB": DOWN,
    "j": DOWN,
    "\r": ENTER,
    "\n": ENTER,
    "\x1b[C": ENTER,
    "\x1b": BACK,
    "\x1b[D": BACK,
    "\x7f": BACK,
    "\x03": QUIT,
    "Q": QUIT,
    "=": "+",
}


@contextlib.contextmanager
def unbuffered(descriptor: int) -> Iterator[None]:
    """Have a terminal give each key at once and show none; it is put back as it was."""
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def pressed(descriptor: int, seconds: float) -> List[str]:
    """The keys that are pressed within a time, as soon as there are some: by name, else as they are.

    The end of the terminal counts as `QUIT`.
    """
    ready, _, _ = select.select([descriptor], [], [], max(0.0, seconds))
    if not ready:
        return []
    try:
        data = os.read(descriptor, 1024).decode("utf-8", errors="replace")
    except OSError:
        data = ""
    return list(_parted(data)) if data else [QUIT]


def _parted(data: str) -> Iterator[str]:
    while data:
        length = 3 if data[:2] in ("\x1b[", "\x1bO") and len(data) >= 3 else 1
        key, data = data[:length], data[length:]
        yield _NAMES.get(key, key)
