"""The root's lock: exclusive while the root is made or removed, shared while it is used."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Optional

from kojid.sandbox.mock.errors import RootLocked


class RootLock:
    """An fcntl lock on a file beside the root; the kernel drops it with the process.

    Args:
        path: the lock file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Optional[int] = None

    def exclusive(self) -> bool:
        """Takes the lock for this run alone; False when another run has it in any form."""
        return self._take(fcntl.LOCK_EX)

    def shared(self) -> None:
        """Takes the lock beside others, or gives up exclusiveness.

        Raises:
            RootLocked: a run has it for itself.
        """
        if not self._take(fcntl.LOCK_SH):
            raise RootLocked("the root is in use by another run")

    def _take(self, kind: int) -> bool:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(self._file, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def release(self, *, remove: bool = False) -> None:
        """Gives the lock up, with its file where the whole root goes."""
        if remove:
            self._path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
        self._file = None
