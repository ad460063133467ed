"""The gate at which a new task process waits until its record is on disk (design, decision 7).

The daemon opens it by a byte. If the daemon dies first, the process reads the end of the pipe and leaves, having done
nothing: so no process of a task ever works that the ledger does not know.
"""

from __future__ import annotations

import os


class Gate:
    """A gate between one parent and the child that it is about to fork."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC)

    def passed(self) -> bool:
        """In the child: wait; whether it was let through."""
        os.close(self._writer)
        try:
            return bool(os.read(self._reader, 1))
        finally:
            os.close(self._reader)

    def open(self) -> None:
        """In the parent: let the child through."""
        os.close(self._reader)
        try:
            os.write(self._writer, b"!")
        except BrokenPipeError:  # killed at the gate; its end is noticed like any other
            pass
        finally:
            os.close(self._writer)

    def shut(self) -> None:
        """In the parent: send the child away."""
        os.close(self._reader)
        os.close(self._writer)
