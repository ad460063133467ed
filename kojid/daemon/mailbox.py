"""How task processes call the daemon: datagrams to a socket beside the ledger, which outlives each daemon.

A message is a hint and nothing more: it makes the daemon look at the hub now rather than at the next beat, or tells it
what was counted (`postbox`). It may be lost.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import Iterator, NamedTuple

from kojid.errors import ConfigError

_NAME = "events"
_LONGEST = 65536
_PAUSE = 0.02  # seconds between two tries for room


class Message(NamedTuple):
    """What somebody says.

    Args:
        word: what it is about.
        task_id: the task; 0 for a helper of the daemon.
        text: more of it; mostly empty.
    """

    word: str
    task_id: int
    text: str = ""


@contextlib.contextmanager
def short_path(directory: Path, name: str = _NAME) -> Iterator[str]:
    """A path of a socket that fits into an address, which holds 107 bytes, however deep the directory lies.

    Raises OSError when there is no such directory.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


class Mailbox:
    """The daemon's end.

    Args:
        directory: the ledger's. A socket that a dead daemon left there is replaced.

    Raises:
        ConfigError: the socket can't be made there.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._path.unlink(missing_ok=True)
            with short_path(directory) as address:
                self._socket.bind(address)
            self._path.chmod(0o600)
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"state_dir cannot be used, {directory}: {error.strerror}", "is its file system full or read-only?"
            ) from error

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._socket.fileno()

    def receive(self) -> Iterator[Message]:
        """What has come in."""
        with contextlib.suppress(BlockingIOError):
            while True:
                parts = self._socket.recv(_LONGEST).decode("utf-8", errors="replace").split(" ", 2)
                if len(parts) > 1 and parts[1].isdigit():
                    yield Message(parts[0], int(parts[1]), parts[2] if len(parts) > 2 else "")

    def close(self) -> None:
        """Stop listening; used in forked children, too, so the socket's file stays."""
        self._socket.close()


def send(directory: Path, word: str, task_id: int) -> bool:
    """Call the daemon, without ever waiting for it; returns whether one is there."""
    try:
        _send(directory, f"{word} {task_id}")
    except BlockingIOError:
        return True  # a daemon with so many messages is about to look anyhow
    except OSError:
        return False
    return True


def post(directory: Path, word: str, task_id: int, text: str = "", *, seconds: float = 0.0) -> bool:
    """Say something that is to arrive; returns whether it did.

    Args:
        directory: the ledger's.
        word, task_id, text: see `Message`.
        seconds: how long to wait for room in the daemon's mailbox.
    """
    until = time.monotonic() + seconds
    try:
        while not _fits(directory, f"{word} {task_id} {text}".rstrip()):
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
    except OSError:  # nobody is there to read it
        return False
    return True


def _fits(directory: Path, message: str) -> bool:
    """Send it, if there is room for it. Raises OSError."""
    try:
        _send(directory, message)
    except BlockingIOError:
        return False
    return True


def _send(directory: Path, message: str) -> None:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with made as sender, short_path(directory) as address:
        sender.sendto(message.encode(), address)
