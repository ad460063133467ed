"""A hub for unit tests: a session whose answers are scripted, and a web server that misbehaves on demand.

`FakeSession` stands where code expects a hub session: it records every call and answers as the test says.
`FakeHub` is a real HTTP(S) server for tests of the session itself.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import socket
import ssl
import struct
import threading
import xmlrpc.client
import zlib
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

import koji
from koji.xmlrpcplus import dumps, loads


class Call(NamedTuple):
    """A call as the code under test made it."""

    name: str
    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]


class _Method:
    def __init__(self, call: Callable[..., Any], name: str) -> None:
        self._call = call
        self._name = name

    def __getattr__(self, name: str) -> _Method:
        return _Method(self._call, f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._name, args, kwargs)


class FakeSession:
    """A hub session with scripted answers.

    Args:
        answers: for each method an answer, as for `answer`.
        opts: settings of the session (use_fast_upload is on unless set).

    Attributes:
        calls: all calls in their order, those within a multicall too.
        requests: how many requests would have gone out (a multicall is one).
        uploads: what rawUpload and uploadFile have stored, by path; they and checkUpload need no script.
        children: the subsessions made; they share calls, answers and uploads.
    """

    def __init__(self, answers: Optional[Dict[str, Any]] = None, *, opts: Optional[Dict[str, Any]] = None) -> None:
        self.calls: List[Call] = []
        self.uploads: Dict[str, bytearray] = {}
        self.children: List[FakeSession] = []
        self.opts: Dict[str, Any] = {"use_fast_upload": True, **(opts or {})}
        self.logger = logging.getLogger("koji")
        self.logged_in = True
        self.exclusive = False
        self.retries = 1
        self.requests = 0
        self.sinfo: Dict[str, Any] = {"session-id": 1, "session-key": "1-key", "header-auth": True}
        self.hub_version = (1, 35, 3)
        self._scripts: Dict[str, Deque[Any]] = {}
        for name, value in (answers or {}).items():
            self.answer(name, value)

    def answer(self, name: str, *values: Any) -> None:
        """Script what a method answers: one value per call, the last one for all later calls.

        An exception is raised; a function is called with the arguments of the call, and its result is the answer.
        """
        self._scripts[name] = deque(values)

    def called(self, name: str) -> List[Call]:
        """The calls of one method."""
        return [call for call in self.calls if call.name == name]

    @property
    def names(self) -> List[str]:
        """The methods called, in their order."""
        return [call.name for call in self.calls]

    def callMethod(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._callMethod(name, args, kwargs)

    def _callMethod(
        self, name: str, args: Tuple[Any, ...], kwargs: Optional[Dict[str, Any]] = None, retry: bool = True
    ) -> Any:
        self.requests += 1
        return self._one(name, tuple(args), dict(kwargs or {}))

    def _one(self, name: str, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
        self.calls.append(Call(name, args, kwargs))
        script = self._scripts.get(name)
        if script is None:
            builtins: Dict[str, Callable[..., Any]] = {
                "rawUpload": self._raw,
                "uploadFile": self._base64,
                "checkUpload": self._check,
            }
            builtin = builtins.get(name)
            if builtin is None:
                raise AssertionError(f"the test has no answer for {name}{args!r} {kwargs!r}")
            return builtin(*args, **kwargs)
        value = script.popleft() if len(script) > 1 else script[0]
        if isinstance(value, BaseException):
            raise value
        return value(*args, **kwargs) if callable(value) else value

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Method(self._callMethod, name)

    def multicall(self, strict: bool = False, batch: Optional[int] = None) -> FakeMultiCall:
        return FakeMultiCall(self, strict)

    def subsession(self) -> FakeSession:
        self.requests += 1
        self.calls.append(Call("subsession", (), {}))
        child = FakeSession(opts=self.opts)
        child.calls, child.uploads, child._scripts = self.calls, self.uploads, self._scripts
        self.children.append(child)
        child.sinfo = {**self.sinfo, "session-id": self.sinfo["session-id"] + len(self.children)}
        return child

    def logout(self, session_id: Optional[int] = None) -> None:
        self.calls.append(Call("logout", (), {"session_id": session_id}))
        self.logged_in = False

    def close(self) -> None:
        """Nothing: there is no connection."""

    def exclusiveSession(self, force: bool = False) -> None:
        self.calls.append(Call("exclusiveSession", (), {"force": force}))
        if "exclusiveSession" in self._scripts:
            self.calls.pop()
            self._callMethod("exclusiveSession", (), {"force": force})
        self.exclusive = True

    def uploadWrapper(self, localfile: str, path: str, name: Optional[str] = None, **_: Any) -> None:
        with open(localfile, "rb") as source:
            self.uploads[f"{path}/{name or localfile.rpartition('/')[2]}"] = bytearray(source.read())

    def _forget(self) -> None:
        self.logged_in = False

    def _raw(
        self, data: bytes, offset: int, path: str, name: str, overwrite: bool = False, volume: Optional[str] = None
    ) -> Dict[str, Any]:
        stored = self.uploads.setdefault(f"{path}/{name}", bytearray())
        if offset > len(stored):
            raise koji.GenericError(f"a block at {offset} leaves a hole behind {len(stored)} in {path}/{name}")
        if len(stored) > offset and not overwrite:
            raise koji.GenericError(f"{path}/{name} has {len(stored)} bytes already")
        data = data if isinstance(data, bytes) else b"".join(data)
        stored[offset:] = data
        return {"size": len(data), "fileverify": "adler32", "offset": offset, "hexdigest": _adler32(data)}

    def _base64(
        self,
        path: str,
        name: str,
        size: int,
        digest: Tuple[str, str],
        offset: int,
        data: str,
        volume: Optional[str] = None,
    ) -> bool:
        stored = self.uploads.setdefault(f"{path}/{name}", bytearray())
        content = base64.b64decode(data)
        if offset != -1:
            stored[offset:] = content
        elif len(content) == size:
            stored[:] = content  # a whole file in one call
        else:
            content = bytes(stored)
        return len(content) == size and hashlib.sha256(content).hexdigest() == digest[1]

    def _check(
        self, path: str, name: str, verify: Optional[str] = None, volume: Optional[str] = None
    ) -> Optional[Dict[str, Any]]:
        stored = self.uploads.get(f"{path}/{name}")
        if stored is None:
            return None
        found: Dict[str, Any] = {"size": len(stored), "mtime": 0.0}
        return {**found, "hexdigest": _adler32(bytes(stored))} if verify else found


def _adler32(data: bytes) -> str:
    return f"{zlib.adler32(data):08x}"


class _Pending:
    """The answer to a call in a multicall; before the request went out there is none."""

    def __init__(self) -> None:
        self.outcome: Any = koji.MultiCallNotReady()

    @property
    def result(self) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


class FakeMultiCall:
    """Collects calls of a session that has `_one` to make one of them, and counts `requests`."""

    def __init__(self, session: Any, strict: bool) -> None:
        self._session = session
        self._strict = strict
        self._pending: List[Tuple[Call, _Pending]] = []

    def __getattr__(self, name: str) -> _Method:
        return _Method(self._add, name)

    def callMethod(self, name: str, *args: Any, **kwargs: Any) -> _Pending:
        return self._add(name, args, kwargs)

    def _add(self, name: str, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> _Pending:
        pending = _Pending()
        self._pending.append((Call(name, tuple(args), dict(kwargs)), pending))
        return pending

    def call_all(self, strict: Optional[bool] = None, batch: Optional[int] = None) -> List[Any]:
        """Make the calls: every one is made, faults are kept with their call, and strict raises the first of them."""
        self._session.requests += 1
        pending, self._pending = self._pending, []
        for call, answer in pending:
            answer.outcome = self._outcome(call)
        outcomes = [answer.outcome for _, answer in pending]
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and (self._strict if strict is None else strict):
                raise outcome
        return [
            {"faultCode": getattr(one, "faultCode", 1), "faultString": str(one)}
            if isinstance(one, BaseException)
            else [one]
            for one in outcomes
        ]

    def _outcome(self, call: Call) -> Any:
        try:
            return self._session._one(*call)
        except (koji.GenericError, koji.Fault) as error:
            return error

    def __enter__(self) -> FakeMultiCall:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.call_all()


class Received(NamedTuple):
    """A request as the fake hub got it."""

    path: str
    query: Dict[str, List[str]]
    headers: Dict[str, str]
    name: Optional[str]
    args: Tuple[Any, ...]
    body: bytes
    client: Tuple[str, int] = ("", 0)


class Answer(NamedTuple):
    """How the fake hub answers: see the functions below."""

    kind: str
    value: Any = None


def value(answer: Any) -> Answer:
    """An ordinary answer."""
    return Answer("value", answer)


def fault(code: int, text: str) -> Answer:
    """A fault of the hub."""
    return Answer("fault", (code, text))


def status(number: int, body: str = "<html>no hub</html>") -> Answer:
    """An HTTP error page."""
    return Answer("status", (number, body))


def garbage(body: str = "<html><body>Welcome to nginx!</body></html>") -> Answer:
    """An answer with status 200 that is no hub's."""
    return Answer("garbage", body)


def reset() -> Answer:
    """The connection is reset before the answer."""
    return Answer("reset")


def hang() -> Answer:
    """No answer until the server stops."""
    return Answer("hang")


def drip(answer: Any, seconds: float = 0.05) -> Answer:
    """The answer comes byte by byte with pauses."""
    return Answer("drip", (answer, seconds))


def cut(answer: Any) -> Answer:
    """The connection is reset in the middle of the answer."""
    return Answer("cut", answer)


class FakeHub:
    """A web server that answers hub calls as scripted, on a port of its own on the loopback interface.

    Args:
        tls: the server's side of TLS; None serves plain HTTP.

    Attributes:
        received: the requests in their order.
    """

    def __init__(self, tls: Optional[ssl.SSLContext] = None) -> None:
        self.received: List[Received] = []
        self.stopping = threading.Event()
        self._script: Deque[Answer] = deque()
        self._methods: Dict[str, Callable[..., Any]] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._server.tls = tls
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/kojihub"

    def script(self, *answers: Answer) -> None:
        """Answer the next requests so, one each, whatever they ask."""
        self._script.extend(answers)

    def method(self, name: str, function: Callable[..., Any]) -> None:
        """Answer a method by a function of its arguments (keyword arguments included)."""
        self._methods[name] = function

    def names(self) -> List[Optional[str]]:
        """The methods asked for; None stands for a raw upload."""
        return [one.name for one in self.received]

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer_to(self, request: Received) -> Answer:
        """What this request is answered."""
        if self._script:
            return self._script.popleft()
        name = request.name or "rawUpload"
        if name not in self._methods:
            return fault(1000, f"Invalid method: {name}")
        args, kwargs = koji.decode_args(*request.args)
        try:
            return value(self._methods[name](*args, **kwargs))
        except koji.GenericError as error:
            return fault(error.faultCode, str(error))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: FakeHub
    tls: Optional[ssl.SSLContext]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is what most tests here want: not a word about it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        self.request.settimeout(20)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        with contextlib.suppress(OSError):
            self.request.close()

    def log_message(self, *_: Any) -> None:
        """Tests look at `received`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        raw = self.headers.get("Content-Type") == "application/octet-stream"
        args, name = ((), None) if raw else loads(body)
        request = Received(
            parts.path, parse_qs(parts.query), dict(self.headers), name, tuple(args), body, self.client_address
        )
        if raw:
            request = request._replace(args=(body, {**_flat(request.query), "__starstar": True}))
        self.server.hub.received.append(request)
        answer = self.server.hub.answer_to(request)
        getattr(self, f"_{answer.kind}")(answer.value)

    def _value(self, result: Any) -> None:
        self._send(200, dumps((result,), methodresponse=1, allow_none=1).encode(), "text/xml")

    def _fault(self, found: Tuple[int, str]) -> None:
        self._send(200, dumps(xmlrpc.client.Fault(*found), methodresponse=1).encode(), "text/xml")

    def _status(self, found: Tuple[int, str]) -> None:
        self._send(found[0], found[1].encode(), "text/html")

    def _garbage(self, body: str) -> None:
        self._send(200, body.encode(), "text/html")

    def _reset(self, _: None) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.request.close()

    def _hang(self, _: None) -> None:
        self.server.hub.stopping.wait(60)
        self.close_connection = True

    def _drip(self, found: Tuple[Any, float]) -> None:
        body = dumps((found[0],), methodresponse=1, allow_none=1).encode()
        self._head(200, len(body), "text/xml")
        for place in range(len(body)):
            if self.server.hub.stopping.wait(found[1]):
                break
            self.wfile.write(body[place : place + 1])

    def _cut(self, result: Any) -> None:
        body = dumps((result,), methodresponse=1, allow_none=1).encode()
        self._head(200, len(body), "text/xml")
        self.wfile.write(body[: len(body) // 2])
        self._reset(None)

    def _send(self, code: int, body: bytes, kind: str) -> None:
        self._head(code, len(body), kind)
        self.wfile.write(body)

    def _head(self, code: int, size: int, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.send_header("Koji-Version", "1.35.3")
        self.end_headers()


def _flat(query: Dict[str, List[str]]) -> Dict[str, str]:
    return {name: values[0] for name, values in query.items()}


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of the loopback interface on which nothing listens, and nothing will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
