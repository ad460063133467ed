from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any, Optional

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from kojid.sandbox.hub.wire import CERTIFICATE, Application
from tests.support.sandboxhub import Caller, kernel_for_tests


class Client:
    """Sends HTTP requests to the application without a network."""

    def __init__(self, kernel: Kernel) -> None:
        self.application = Application(kernel)
        self.status = ""
        self.headers: dict[str, str] = {}

    def send(self, body: bytes, path: str = "/kojihub", method: str = "POST", **environ: Any) -> bytes:
        full = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "text/xml",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            CERTIFICATE: None,
            **environ,
        }
        return b"".join(self.application(full, self._start))

    def call(self, name: str, *params: Any, **environ: Any) -> Any:
        body = koji.xmlrpcplus.dumps(tuple(params), methodname=name).encode()
        return koji.xmlrpcplus.loads(self.send(body, **environ))[0][0]

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = dict(headers)


@pytest.fixture
def client(kernel: Kernel) -> Client:
    return Client(kernel)


def session_headers(caller: Caller, callnum: Optional[int] = None) -> dict[str, str]:
    headers = {
        "HTTP_KOJI_SESSION_ID": str(caller.info["session-id"]),
        "HTTP_KOJI_SESSION_KEY": caller.info["session-key"],
    }
    if callnum is not None:
        headers["HTTP_KOJI_SESSION_CALLNUM"] = str(callnum)
    return headers


def test_an_answer_says_what_release_the_hub_is(client: Client) -> None:
    assert client.call("hello") == "Hello World"
    assert client.status == "200 OK"
    assert client.headers["Koji-Version"] == "1.35.3"
    assert client.call("getKojiVersion") == "1.35.3"


def old_client(tmp_path: Path, version: str) -> Client:
    return Client(kernel_for_tests(tmp_path / version, version=version))


def test_before_1_35_only_a_call_tells_the_release(tmp_path: Path) -> None:
    client = old_client(tmp_path, "1.34.3")
    assert client.call("getKojiVersion") == "1.34.3"
    assert "Koji-Version" not in client.headers


def test_before_1_31_sessions_are_not_looked_for_in_headers(tmp_path: Path) -> None:
    client = old_client(tmp_path, "1.30.1")
    builder = Caller(client.application._kernel, "builder")
    query = f"session-id={builder.info['session-id']}&session-key={builder.info['session-key']}&callnum=1"
    assert client.call("getSessionInfo", **session_headers(builder)) is None
    assert client.call("getSessionInfo", QUERY_STRING=query)["user_id"]


def test_nothing_is_lost_on_the_way(client: Client) -> None:
    values = [None, True, 1, 2**40, -(2**33), 1.5, "Grüße \u2713", [1, [2]], {"a": {"b": None}}]
    assert client.call("echo", *values) == values


def test_faults_travel_with_their_code(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(koji.xmlrpcplus.Fault) as caught:
        client.call("nothing")
    assert (caught.value.faultCode, caught.value.faultString) == (1000, "Invalid method: nothing")
    assert client.status == "200 OK"
    assert "nothing user=- session=-" in caplog.text
    assert "fault=1000: Invalid method: nothing" in caplog.text


def test_a_certificate_counts_at_the_login_url_only(client: Client) -> None:
    info = client.call("sslLogin", path="/kojihub/ssllogin", **{CERTIFICATE: "admin"})
    assert info["header-auth"] is True
    with pytest.raises(koji.xmlrpcplus.Fault, match="could not verify client"):
        client.call("sslLogin", **{CERTIFICATE: "admin"})


def test_sessions_in_headers_and_as_before_1_31_in_the_query(client: Client, admin: Caller) -> None:
    assert client.call("getLoggedInUser", **session_headers(admin, 5))["name"] == "admin"
    query = f"session-id={admin.info['session-id']}&session-key={admin.info['session-key']}&callnum=6"
    assert client.call("getLoggedInUser", QUERY_STRING=query)["name"] == "admin"


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_KOJI_SESSION_ID": "1"},
        {"HTTP_KOJI_SESSION_ID": "one", "HTTP_KOJI_SESSION_KEY": "x"},
        {"HTTP_KOJI_SESSION_ID": "1", "HTTP_KOJI_SESSION_KEY": "x", "HTTP_KOJI_SESSION_CALLNUM": "x"},
    ],
)
def test_half_a_session_is_none(client: Client, headers: dict[str, str]) -> None:
    with pytest.raises(koji.xmlrpcplus.Fault) as caught:
        client.call("echo", **headers)
    assert caught.value.faultCode == koji.AuthError.faultCode


def test_uploads_are_not_parsed(client: Client, user: Caller) -> None:
    answer = client.send(
        b"<not xml>",
        CONTENT_TYPE="application/octet-stream",
        QUERY_STRING="filepath=cli-build%2F1&filename=x&fileverify=adler32&offset=0",
        **session_headers(user, 0),
    )
    assert koji.xmlrpcplus.loads(answer)[0][0]["size"] == 9


def test_a_request_that_is_no_call(client: Client) -> None:
    for body in (b"", b"nonsense", b"<methodCall><params></params></methodCall>"):
        with pytest.raises(koji.xmlrpcplus.Fault, match="Invalid request"):
            koji.xmlrpcplus.loads(client.send(body))


def test_bombs_are_not_unpacked(client: Client) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><methodCall><methodName>&b;</methodName></methodCall>'
    with pytest.raises(koji.xmlrpcplus.Fault, match="Invalid request"):
        koji.xmlrpcplus.loads(client.send(bomb))


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"method": "GET"}, "405 Method Not Allowed"),
        ({"path": "/"}, "404 Not Found"),
        ({"path": "/kojihub/other"}, "404 Not Found"),
        ({"CONTENT_LENGTH": ""}, "411 Length Required"),
    ],
)
def test_what_is_not_for_the_hub(client: Client, environ: dict[str, Any], status: str) -> None:
    client.send(b"x", **environ)
    assert client.status == status
