"""One growing log: how far it has been sent, and noticing when it is replaced, cut short or gone (contract 7.6)."""

from __future__ import annotations

import logging
import os
import time
from typing import BinaryIO, Callable, Optional, Sequence, Tuple

from kojid.system.files import open_beneath

logger = logging.getLogger("koji.build.buildroot")

BLOCK = 8 * 1024 * 1024  # the most that one call carries; bytes

#: Takes (name, data, offset); raises when the hub did not get it.
Send = Callable[[str, bytes, int], None]
#: Takes several such at once; tells the indices of those that the hub did not take.
SendTogether = Callable[[Sequence[Tuple[str, bytes, int]]], Sequence[int]]


class WatchedLog:
    """A log and how much of it the hub has.

    Args:
        name: its name on the hub.
        filename: its name in its directory.
        where: the directory in words, for messages.
    """

    def __init__(self, name: str, filename: str, where: str) -> None:
        self.name = name
        self.filename = filename
        self.label = f"{where}/{filename}"
        self.position = 0
        self.refusals = 0
        self._identity: Optional[Tuple[int, int]] = None
        self._held: Optional[int] = None
        self._missing = False
        self._goal = 0
        self._seen: Optional[Tuple[int, ...]] = None

    def advance(self, directory: int, send: Send, *, again: bool = False) -> bool:
        """Send a block of what has been added since the last time, of at most `BLOCK` bytes.

        Args:
            directory: descriptor of its directory; the log is opened from there without following links.
            send: what takes the block. One that it did not take is sent anew the next time.
            again: not for the first time in this round: what was written since is for the next one, as a log that
                never stops must not hold up the others.

        Returns:
            Whether there is more of what was there when the round began.

        Raises:
            UnsafeFile: there is no regular file of that name any more.
            OSError: it can't be read. Also whatever `send` raises.
        """
        data = self.pending(directory, BLOCK, again=again)
        if data:
            send(self.name, data, self.position)
            self.position += len(data)
        return bool(data) and self.position < self._goal

    def pending(self, directory: int, most: int, *, again: bool = False) -> bytes:
        """What the next block would hold, of at most so many bytes; arguments and errors as for `advance`."""
        with open_beneath(directory, self.filename, alone=True) as log:
            status = os.fstat(log.fileno())
            self._recognise((status.st_dev, status.st_ino), status.st_size)
            self._hold(log)
            self._seen = _signature(status)
            self._goal = min(self._goal, status.st_size) if again else status.st_size
            log.seek(self.position)
            return log.read(max(0, min(most, self._goal - self.position)))

    def unchanged(self, status: os.stat_result) -> bool:
        """Whether the hub has all of a file with this status, as far as that tells."""
        return self._seen == _signature(status) and self.position == status.st_size and not self._missing

    def _hold(self, log: BinaryIO) -> None:
        """Keep the file open, so that the file system can't give its number to another one in its place."""
        self.release()
        self._held = os.dup(log.fileno())

    def release(self) -> None:
        """Let go of the file, when its writer has ended."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def __del__(self) -> None:
        self.release()

    def gone(self) -> None:
        """Note that the log was there and is not any more; one that comes later is another."""
        if not self._missing:
            self._missing = True
            logger.warning("The log %s has disappeared; %d bytes of it were sent", self.label, self.position)

    def _recognise(self, identity: Tuple[int, int], size: int) -> None:
        if self._missing or self._identity not in (None, identity):
            logger.info("The log %s was replaced; it is sent from its beginning", self.label)
            self.position = 0
        elif size < self.position:
            logger.info("The log %s shrank to %d bytes; it is sent from its beginning", self.label, size)
            self.position = 0
        self._missing = False
        self._identity = identity


def _signature(status: os.stat_result) -> Tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Stamps:
    """The companion of a log that says when which part of it had been sent: lines of epoch and offset.

    Args:
        log: the log.
        directory: where the companion is written; trusted.
    """

    def __init__(self, log: WatchedLog, directory: str) -> None:
        self._log = log
        self._offset = -1
        self.filename = f"{log.name}-ts.log"
        self._path = os.path.join(directory, self.filename)
        self.record(0)

    def update(self) -> None:
        """Write a line if the log has been sent further, or anew from its beginning."""
        if self._log.position != self._offset:
            self.record(self._log.position)

    def record(self, offset: int) -> None:
        """Write one line for an offset in bytes."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self._path, flags, 0o644), "a", encoding="ascii") as out:
            out.write(f"{time.time():.0f} {offset}\n")
        self._offset = offset
