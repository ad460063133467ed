"""How task processes call the daemon: datagrams to a socket beside the ledger, which outlives each daemon.

A message is a hint and nothing more: it makes the daemon look at the hub now rather than at the next beat.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Iterator, Tuple

from kojid.errors import ConfigError

_NAME = "events"
_LONGEST = 256


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

    def receive(self) -> Iterator[Tuple[str, int]]:
        """What has come in: a word and a task's id each."""
        with contextlib.suppress(BlockingIOError):
            while True:
                word, _, number = self._socket.recv(_LONGEST).decode("ascii", errors="replace").partition(" ")
                if number.isdigit():
                    yield word, int(number)

    def close(self) -> None:
        """Stop listening; used in forked children, too, so the socket's file stays."""
        self._socket.close()


def send(directory: Path, word: str, task_id: int) -> bool:
    """Call the daemon, without ever waiting for it; returns whether one is there."""
    try:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with made as sender, short_path(directory) as address:
            sender.sendto(f"{word} {task_id}".encode("ascii"), address)
    except BlockingIOError:
        return True  # a daemon with so many messages is about to look anyhow
    except OSError:
        return False
    return True
