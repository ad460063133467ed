"""The hub as a WSGI application: XML-RPC requests in, answers or faults out, one line of log for each."""

from __future__ import annotations

import logging
import time
import urllib.parse
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import koji
import koji.xmlrpcplus

from kojid.sandbox.hub import releases
from kojid.sandbox.hub.kernel import Kernel, Request, fault

access_log = logging.getLogger("kojid.sandbox.hub.access")
logger = logging.getLogger("kojid.sandbox.hub")

Environ = Mapping[str, Any]
StartResponse = Callable[[str, List[Tuple[str, str]]], Any]

#: Where the hub is found, and where certificates are looked at (contract 3.3).
HUB_PATH = "/kojihub"
LOGIN_PATH = "/kojihub/ssllogin"
#: Environ key under which the server puts the common name of a verified client certificate.
CERTIFICATE = "kojid.certificate"


class HttpProblem(Exception):
    """A request that is no call; the text is its HTTP status."""


class Application:
    """The WSGI application of one hub.

    Args:
        kernel: what answers the calls.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._version = kernel.settings.version

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        try:
            path = self._path(environ)
        except HttpProblem as problem:
            return _plain(start_response, str(problem))
        started = time.monotonic()
        call = _Call()
        body = self._answer(environ, path, call)
        elapsed = (time.monotonic() - started) * 1000
        access_log.info(
            "%s user=%s session=%s %.1fms in=%s out=%d%s%s",
            call.method,
            call.user,
            call.session,
            elapsed,
            environ.get("CONTENT_LENGTH") or 0,
            len(body),
            f" parts={call.parts}" if call.parts else "",
            f" fault={call.fault}" if call.fault else "",
        )
        headers = [
            ("Content-Type", "text/xml"),
            ("Content-Length", str(len(body))),
        ]
        if releases.has(self._version, releases.VERSION_HEADER):
            headers.append(("Koji-Version", self._version))
        start_response("200 OK", headers)
        return [body]

    def _path(self, environ: Environ) -> str:
        path = str(environ.get("PATH_INFO", "")).rstrip("/")
        if path not in (HUB_PATH, LOGIN_PATH):
            raise HttpProblem("404 Not Found")
        if environ.get("REQUEST_METHOD") != "POST":
            raise HttpProblem("405 Method Not Allowed")
        if not str(environ.get("CONTENT_LENGTH") or "").isdigit():
            raise HttpProblem("411 Length Required")
        return path

    def _answer(self, environ: Environ, path: str, call: _Call) -> bytes:
        try:
            request = _request(environ, path, headers=releases.has(self._version, releases.HEADERS))
            call.user = request.certificate if request.login and request.certificate else "-"
            if request.session:
                call.session = str(request.session[0])
            method, params = self._parse(environ, request)
            call.note_method(method, params)
            result = self._kernel.call(request, method, params, on_session=call.note_user)
            return _encode((result,))
        except Exception as error:
            told = fault(error)
            last_line = told.faultString.strip().rpartition("\n")[2]
            call.fault = f"{told.faultCode}: {last_line[:200]}"
            if told.faultCode == 1:
                logger.error("%s failed\n%s", call.method, told.faultString)
            return _encode(told)

    def _parse(self, environ: Environ, request: Request) -> Tuple[str, Sequence[Any]]:
        if environ.get("CONTENT_TYPE", "").startswith("application/octet-stream"):
            return "rawUpload", ()
        if request.length > self._kernel.settings.max_request_length:
            raise koji.GenericError("Request too long")
        data = environ["wsgi.input"].read(request.length)
        try:
            params, method = koji.xmlrpcplus.loads(data)
        except Exception as error:
            raise koji.GenericError(f"Invalid request: {error}") from error
        if not method:
            raise koji.GenericError("Invalid request: no method name")
        return str(method), params


class _Call:
    """What the log says about a call."""

    def __init__(self) -> None:
        self.method = "?"
        self.user = "-"
        self.session = "-"
        self.fault = ""
        self.parts = ""

    def note_method(self, name: str, params: Sequence[Any]) -> None:
        self.method = "".join(letter for letter in name[:100] if letter.isprintable() and letter != " ")
        if name == "multiCall" and params and isinstance(params[0], list):
            self.parts = ",".join(str(part.get("methodName")) for part in params[0] if isinstance(part, dict))

    def note_user(self, name: str) -> None:
        self.user = name


def _request(environ: Environ, path: str, *, headers: bool) -> Request:
    query = {name: values[0] for name, values in urllib.parse.parse_qs(environ.get("QUERY_STRING") or "").items()}
    return Request(
        address=str(environ.get("REMOTE_ADDR") or ""),
        certificate=environ.get(CERTIFICATE),
        login=path == LOGIN_PATH,
        session=_session(environ, query, headers),
        query=query,
        body=environ["wsgi.input"],
        length=int(environ["CONTENT_LENGTH"]),
    )


def _session(environ: Environ, query: Mapping[str, str], headers: bool) -> Optional[Tuple[int, str, Optional[int]]]:
    """Id, key and call number from the headers, or as clients of hubs before 1.31 send them in the query."""
    sent_names = ("id", "key", "callnum")
    given: Dict[str, Optional[str]] = dict.fromkeys(sent_names)
    if headers:
        given = {name: environ.get(f"HTTP_KOJI_SESSION_{name.upper()}") for name in sent_names}
    if given["id"] is None and "session-id" in query:
        names = {"id": "session-id", "key": "session-key", "callnum": "callnum"}
        given = {name: query.get(sent) for name, sent in names.items()}
    if given["id"] is None:
        return None
    if given["key"] is None:
        raise koji.AuthError("session-key not specified in session args")
    try:
        callnum = int(given["callnum"]) if given["callnum"] not in (None, "", "None") else None
        return int(given["id"]), given["key"], callnum
    except ValueError:
        raise koji.AuthError(f"Invalid session: {given['id']!r}, call {given['callnum']!r}") from None


def _encode(answer: Any) -> bytes:
    text: str = koji.xmlrpcplus.dumps(answer, methodresponse=1)
    return text.encode("utf-8", "surrogateescape")


def _plain(start_response: StartResponse, status: str) -> Iterable[bytes]:
    body = f"{status}\n".encode("ascii")
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    if status.startswith("405"):
        headers.append(("Allow", "POST"))
    start_response(status, headers)
    return [body]
