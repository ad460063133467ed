"""A proxy between a builder and a hub that loses, delays, cuts and replaces what goes through it, as a test says.

with FaultProxy(hub_url, ca_dir, "builder1") as proxy:
    proxy.on("host.openTask", lose())               # the hub does it, its reply never arrives; the 1st time only
    proxy.on("host.*", page(502), nth=2, times=3)    # the 2nd to 4th call of any such method
    proxy.down(); proxy.up()                         # connections are refused meanwhile
    proxy.freeze(); proxy.thaw()                     # connections come up, nothing is ever answered

It ends the builder's TLS, so that it can tell the calls apart, and speaks to the hub with the builder's certificate.
"""

from __future__ import annotations

import contextlib
import fnmatch
import http.client
import socket
import ssl
import struct
import threading
import xmlrpc.client
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from koji.xmlrpcplus import dumps, loads

from kojid.sandbox.hub import authority

#: Calls by which a task of any kind changes something on the hub before it ends, from its session on.
OF_ANY_TASK = (
    "subsession",
    "host.openTask",
    "host.setTaskWeight",
    "host.subtask",
    "host.taskSetWait",
    "host.taskWait",
    "host.taskWaitResults",
)
_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Fault:
    """What happens to a call.

    Args:
        kind: the handler's method of that name does it.
        done: whether the hub gets the call, and does it, before that.
        value: a number of the kind's own.
    """

    kind: str
    done: bool = False
    value: float = 0


def lose() -> Fault:
    """The hub does the call; the connection is reset in the middle of its reply."""
    return Fault("cut", done=True)


def reset() -> Fault:
    """The connection is reset; the hub has not got the call."""
    return Fault("reset")


def page(status: int = 502, *, done: bool = False) -> Fault:
    """An error page in HTML, instead of the call or (`done`) of its reply."""
    return Fault("page", done, status)


def offline() -> Fault:
    """The hub says that it is offline."""
    return Fault("offline")


def silence(*, done: bool = False) -> Fault:
    """Nothing comes back, and the connection stays open."""
    return Fault("silence", done)


def drip(pause: float = 0.2) -> Fault:
    """The hub's reply comes byte by byte."""
    return Fault("drip", True, pause)


def delay(seconds: float) -> Fault:
    """The hub gets the call late."""
    return Fault("delay", False, seconds)


def late(seconds: float) -> Fault:
    """The hub does the call at once; its reply is held back for so long."""
    return Fault("late", True, seconds)


@dataclass
class Rule:
    """When a fault happens: from the nth call that matches, so many times."""

    pattern: str
    fault: Fault
    nth: int
    times: float
    seen: int = 0

    def applies(self, names: Sequence[str]) -> bool:
        """Whether it is this call's turn; to be asked once for each call."""
        if not any(fnmatch.fnmatchcase(name, self.pattern) for name in names):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class Seen(NamedTuple):
    """A call that came to the proxy: its method, the methods in a multiCall, its number and what happened to it.

    `params` are its arguments as they travelled; none of uploads.
    """

    name: str
    parts: Tuple[str, ...]
    session: str
    number: str
    fault: Optional[Fault]
    params: Tuple[Any, ...] = ()


@dataclass
class _State:
    """What the proxy's threads share."""

    hub: str
    upstream: ssl.SSLContext
    tls: ssl.SSLContext
    rules: List[Rule] = field(default_factory=list)
    seen: List[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)
    connections: List[socket.socket] = field(default_factory=list)

    def fault_for(
        self, name: str, parts: Tuple[str, ...], headers: Any, params: Tuple[Any, ...] = ()
    ) -> Optional[Fault]:
        with self.lock:
            due = [rule for rule in self.rules if rule.applies([name, *parts])]
            found = due[0].fault if due else None
            number, session = headers.get("Koji-Session-Callnum", ""), headers.get("Koji-Session-Id", "")
            self.seen.append(Seen(name, parts, session, number, found, params))
            return found


class FaultProxy:
    """A proxy of one builder.

    Args:
        hub: the hub's URL.
        ca_dir: the sandbox's certificate authority.
        host: whose certificate the hub gets to see.
    """

    def __init__(self, hub: str, ca_dir: Path, host: str) -> None:
        upstream = ssl.create_default_context(cafile=str(ca_dir / authority.CA_NAME))
        upstream.load_cert_chain(str(authority.ensure(ca_dir, host)))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(str(authority.ensure(ca_dir, "proxy")))
        self._state = _State(hub, upstream, tls)
        self._state.open.set()
        self._server: Optional[_Server] = None
        self._thread: Optional[threading.Thread] = None
        self._port = 0
        self.up()

    @property
    def url(self) -> str:
        """Where the builder calls: its option `server`."""
        return f"https://127.0.0.1:{self._port}{urlsplit(self._state.hub).path}"

    @property
    def seen(self) -> List[Seen]:
        """The calls so far, in their order."""
        with self._state.lock:
            return list(self._state.seen)

    def names(self) -> List[str]:
        """The methods called so far, those within multiCalls too."""
        return [name for one in self.seen for name in (one.name, *one.parts)]

    def hits(self) -> Dict[str, int]:
        """How many calls of each method something has happened to."""
        hit = [one.name for one in self.seen if one.fault is not None]
        return {name: hit.count(name) for name in sorted(set(hit))}

    def on(self, method: str, fault: Fault, *, nth: int = 1, times: float = 1) -> None:
        """Have something happen to calls of a method.

        Args:
            method: its name, may hold `*`; `rawUpload` stands for uploads. A multiCall has the names of its parts too.
            fault: what happens.
            nth: to which of the calls from now on first.
            times: to how many of them.
        """
        with self._state.lock:
            self._state.rules.append(Rule(method, fault, nth, times))

    def clear(self) -> None:
        """From now on nothing happens any more."""
        with self._state.lock:
            self._state.rules.clear()

    def up(self) -> None:
        """Accept connections."""
        assert self._server is None
        self._server = _Server(("127.0.0.1", self._port), self._state)
        self._port = self._server.server_address[1]
        self._serve()

    def down(self) -> None:
        """Refuse connections, and reset those that are open."""
        self._halt()
        if self._server is not None:
            self._server.server_close()
        self._server = None
        self._reset_all()

    def freeze(self) -> None:
        """Answer nothing more: new connections come up and stay silent, and so do those that are open."""
        self._state.open.clear()
        self._halt()  # the kernel goes on accepting for the listening socket

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._state.open.set()
        self._serve()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: Any) -> None:
        self._state.ending.set()
        self._state.open.set()
        self.down()

    def _serve(self) -> None:
        assert self._server is not None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _halt(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(10)
            self._thread = None

    def _reset_all(self) -> None:
        with self._state.lock:
            connections, self._state.connections = self._state.connections, []
        for connection in connections:
            _abort(connection)


def _abort(connection: socket.socket) -> None:
    """Reset a connection, whoever waits for it."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # closing alone would wait for the thread that reads from it
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: Tuple[str, int], state: _State) -> None:
        self.state = state
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is what this proxy is for."""


class _Gone(Exception):
    """The connection is of no more use."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        self.state = self.server.state
        self.request.settimeout(120)
        self.request = self.state.tls.wrap_socket(self.request, server_side=True)
        with self.state.lock:
            self.state.connections.append(self.request)
        super().setup()

    def finish(self) -> None:
        with self.state.lock, contextlib.suppress(ValueError):
            self.state.connections.remove(self.request)
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        with contextlib.suppress(OSError):
            self.request.close()

    def log_message(self, *_: Any) -> None:
        """Tests look at `seen`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, parts, params = _read(self.headers.get("Content-Type", ""), body)
        fault = self.state.fault_for(name, parts, self.headers, params)
        try:
            self._handle(fault, body)
        except (_Gone, OSError, http.client.HTTPException):
            self._break_off()

    def _handle(self, fault: Optional[Fault], body: bytes) -> None:
        self._wait_while_frozen()
        answer = self._pass_on(body) if fault is None or fault.done else None
        self._wait_while_frozen()
        if fault is not None:
            getattr(self, f"_{fault.kind}")(fault, body, answer)
        else:
            assert answer is not None
            self._answer(*answer)

    def _wait_while_frozen(self) -> None:
        self.state.open.wait()
        if self.state.ending.is_set():
            raise _Gone

    def _pass_on(self, body: bytes) -> Tuple[int, List[Tuple[str, str]], bytes]:
        """Have the hub do the call; its status, headers and body."""
        address = urlsplit(self.state.hub)
        connection = http.client.HTTPSConnection(
            str(address.hostname), address.port, timeout=120, context=self.state.upstream
        )
        try:
            headers = {name: text for name, text in self.headers.items() if name.lower() not in ("host", "connection")}
            connection.request("POST", self.path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: Sequence[Tuple[str, str]], body: bytes) -> None:
        self._head(status, headers)
        self.wfile.write(body)

    def _head(self, status: int, headers: Sequence[Tuple[str, str]]) -> None:
        self.send_response(status)
        for name, text in headers:
            if name.lower() in ("content-type", "content-length", "koji-version"):
                self.send_header(name, text)
        self.end_headers()

    # What can happen to a call

    def _cut(self, _fault: Fault, _body: bytes, answer: Any) -> None:
        self._head(*answer[:2])
        self.wfile.write(answer[2][: len(answer[2]) // 2])
        raise _Gone

    def _reset(self, *_: Any) -> None:
        raise _Gone

    def _page(self, fault: Fault, *_: Any) -> None:
        headers = [("Content-Type", "text/html"), ("Content-Length", str(len(_PAGE)))]
        self._answer(int(fault.value), headers, _PAGE)

    def _offline(self, *_: Any) -> None:
        body = dumps(xmlrpc.client.Fault(1014, "database outage"), methodresponse=1).encode()
        self._answer(200, [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))], body)

    def _silence(self, *_: Any) -> None:
        self.state.ending.wait(600)
        raise _Gone

    def _drip(self, fault: Fault, _body: bytes, answer: Any) -> None:
        self._head(*answer[:2])
        for place in range(len(answer[2])):
            if self.state.ending.wait(fault.value):
                break
            self.wfile.write(answer[2][place : place + 1])

    def _delay(self, fault: Fault, body: bytes, _answer: Any) -> None:
        self.state.ending.wait(fault.value)
        self._answer(*self._pass_on(body))

    def _late(self, fault: Fault, _body: bytes, answer: Any) -> None:
        self.state.ending.wait(fault.value)
        self._answer(*answer)

    def _break_off(self) -> None:
        self.close_connection = True
        for file in (self.rfile, self.wfile):
            with contextlib.suppress(OSError):
                file.close()
        _abort(self.request)


def _read(kind: str, body: bytes) -> Tuple[str, Tuple[str, ...], Tuple[Any, ...]]:
    """The method of a request, the methods in a multiCall, the arguments."""
    if kind.startswith("application/octet-stream"):
        return "rawUpload", (), ()
    params, name = loads(body)
    if name == "multiCall":
        return name, tuple(str(part["methodName"]) for part in params[0]), tuple(params)
    return str(name), (), tuple(params)
