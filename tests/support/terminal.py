"""A terminal for programs that draw on one: what they show is read from an emulated screen.

with Terminal(["kojid", "top"]) as terminal:
    terminal.shows("ready")
    terminal.press("q")
    assert terminal.wait() == 0
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import Any, List, Sequence

import pyte


class Terminal:
    """A program on a terminal of its own.

    Args:
        command: the program.
        columns, lines: the terminal's size.
        variables: of its environment, beside the test's.
    """

    def __init__(self, command: Sequence[str], columns: int = 80, lines: int = 24, **variables: str) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")},
            "TERM": "xterm-256color",
            **variables,
        }
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd="/",
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_error: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    @property
    def settings(self) -> List[Any]:
        """How the terminal is set now."""
        return termios.tcgetattr(self._slave)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(self.screen.display)

    def shows(self, text: str, timeout: float = 60) -> str:
        """Wait until a text is on the screen; returns all of it."""
        deadline = time.monotonic() + timeout
        while text not in self.text:
            assert time.monotonic() < deadline, f"never shown: {text!r}\n{self.text}"
            self._read(0.05)
        return self.text

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self._stream.feed(os.read(self._master, 65536))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def wait(self, timeout: float = 60) -> int:
        """The program's exit status, once it has ended."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self._read(0.05)
        return self.process.returncode
