"""The socket on which `kojid status` and its like ask the daemon: one line of JSON in, one line of JSON out.

It lies in the ledger's directory, which only the daemon's user may enter; root and that user are answered, others are
told no. Everything happens in the loop and nothing there waits: who is slow is dropped, and so is who asks too much.
While nobody asks, it costs nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from kojid.daemon.loop import Loop
from kojid.daemon.mailbox import short_path
from kojid.errors import explain

_log = logging.getLogger("koji.build.control")
NAME = "control"
LONGEST_REQUEST = 4096
LONGEST_ANSWER = 4 * 1024 * 1024
PATIENCE = 5.0  # seconds from the connection to the last byte of the answer
MOST_CLIENTS = 16  # with one more, the one that has been there longest goes
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid

Request = Mapping[str, Any]
Answer = Callable[[Request], Dict[str, Any]]


class Control:
    """The daemon's end.

    Args:
        loop: where clients arrive.
        directory: the ledger's. A socket that a dead daemon left there is replaced.
        answer: answers a request; ValueError says what is wrong with it.
    """

    def __init__(self, loop: Loop, directory: Path, answer: Answer) -> None:
        self._loop = loop
        self._answer = answer
        self._clients: List[_Client] = []
        self._sweeping = False
        self._socket = _listen(directory)
        if self._socket is not None:
            loop.watch(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        """Take one client; the next one is a matter of the next turn."""
        if self._socket is None:
            return
        try:
            accepted, _address = self._socket.accept()
        except OSError:  # it has left already, or there is no descriptor to spare
            return
        accepted.setblocking(False)
        if len(self._clients) >= MOST_CLIENTS:
            self._clients[0].drop()
        user = _user_of(accepted)
        # A stranger is heard out, too: who is still writing its request would find the line cut, not the reason.
        serve = self._serve if user in (0, os.geteuid()) else _refusal(user)
        _Client(self._loop, accepted, serve, self._clients)
        self._sweep_later()

    def _serve(self, line: bytes) -> Dict[str, Any]:
        """The answer to a request; never an exception."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is an object")
            return self._answer(request)
        except ValueError as error:
            return {"error": f"this request is not understood: {error}"}
        except Exception as error:  # a question must not end the daemon
            _log.warning("a request could not be answered: %s", explain(error), exc_info=True)
            return {"error": explain(error)}

    def _sweep_later(self) -> None:
        if self._clients and not self._sweeping:
            self._sweeping = True
            self._loop.at(min(client.until for client in self._clients), self._sweep)

    def _sweep(self) -> None:
        """Drop those whose time is up."""
        self._sweeping = False
        now = time.monotonic()
        for client in [client for client in self._clients if client.until <= now]:
            client.drop()
        self._sweep_later()

    def close(self) -> None:
        """Serve nobody any more; used in forked children, too, so the socket's file stays."""
        for client in list(self._clients):
            client.drop()
        if self._socket is not None:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def abandon(self) -> None:
        """In a forked child: close what is the daemon's; the loop is closed already."""
        for client in self._clients:
            client.socket.close()
        if self._socket is not None:
            self._socket.close()


def _listen(directory: Path) -> Optional[socket.socket]:
    """The listening socket; None where there can't be one, which is no reason not to build."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    path = directory / NAME
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with short_path(directory, NAME) as address:
                made.bind(address)
        finally:
            os.umask(before)
        made.listen(MOST_CLIENTS)
    except OSError as error:
        made.close()
        _log.warning("there is no socket for `kojid status`, %s: %s", path, error.strerror)
        return None
    return made


def _user_of(client: socket.socket) -> int:
    """Who has connected, as the kernel says."""
    raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])


def _refusal(user: int) -> Callable[[bytes], Dict[str, Any]]:
    return lambda _line: {"error": f"only root is answered here, not the user with the id {user}"}


class _Client:
    """One connection: a request, its answer, and the end."""

    def __init__(
        self, loop: Loop, connected: socket.socket, serve: Callable[[bytes], Dict[str, Any]], others: List[_Client]
    ) -> None:
        self.socket = connected
        self.until = time.monotonic() + PATIENCE
        self._loop = loop
        self._serve = serve
        self._others = others
        self._data = b""
        others.append(self)
        loop.watch(connected.fileno(), self._read)

    def _read(self) -> None:
        try:
            data = self.socket.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._data += data
        line, end, _rest = self._data.partition(b"\n")
        if end:
            self.send(self._serve(line))
        elif not data or len(self._data) >= LONGEST_REQUEST:
            self.drop()

    def send(self, answer: Mapping[str, Any]) -> None:
        """Send the answer as far as it goes now; the loop sends the rest."""
        self._data = json.dumps(answer).encode() + b"\n"
        if len(self._data) > LONGEST_ANSWER:
            self._data = json.dumps({"error": f"the answer has {len(self._data)} bytes, too many"}).encode() + b"\n"
        self._loop.unwatch(self.socket.fileno())
        self._loop.watch(self.socket.fileno(), self._write, writable=True)
        self._write()

    def _write(self) -> None:
        try:
            self._data = self._data[self.socket.send(self._data) :]
        except BlockingIOError:
            return
        except OSError:
            self._data = b""
        if not self._data:
            self.drop()

    def drop(self) -> None:
        """Be rid of it."""
        with contextlib.suppress(ValueError):
            self._others.remove(self)
        self._loop.unwatch(self.socket.fileno())
        self.socket.close()
