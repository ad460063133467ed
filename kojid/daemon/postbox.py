"""Giving what a process has counted to the daemon, by its mailbox.

What can't be delivered, as while no daemon runs, is kept for the next time; what a process has not delivered when it is
killed is lost.
"""

from __future__ import annotations

import time
from pathlib import Path

from kojid.daemon import mailbox
from kojid.metrics import tally

TALLY = "tally"  # the word before what was counted
ENDED = "ended"  # the task's outcome is known to the hub, and among what was counted
_INTERVAL = 10.0  # seconds between two deliveries on the way
_PATIENCE = 1.0  # seconds for a full mailbox at the end


class Postbox:
    """A process's way to be rid of what it has counted.

    Args:
        directory: the ledger's.
        task_id: the task; 0 for a helper of the daemon.
    """

    def __init__(self, directory: Path, task_id: int) -> None:
        self._directory = directory
        self._task_id = task_id
        self._next = time.monotonic() + _INTERVAL

    def pass_by(self) -> None:
        """Deliver what there is if that was not done lately; costs next to nothing else."""
        if tally.counting() and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._deliver(0.0)

    def empty(self, last_word: str = "") -> None:
        """Deliver all, waiting a moment for room; `last_word` follows."""
        if tally.counting() and self._deliver(_PATIENCE) and last_word:
            mailbox.post(self._directory, last_word, self._task_id, seconds=_PATIENCE)

    def _deliver(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        for piece in tally.take():
            left = max(0.0, until - time.monotonic())
            if not mailbox.post(self._directory, TALLY, self._task_id, piece, seconds=left):
                return False
        return True
