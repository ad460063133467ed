"""Authorities and certificates are loaded once, and again when their files are replaced."""

from __future__ import annotations

from typing import Any, Callable, List

import pytest
import requests
from koji.xmlrpcplus import dumps

from kojid.hub import tlscontexts
from kojid.hub.transport import Transport
from tests.support.fakehub import FakeHub
from tests.unit.hub.conftest import Authority

CALL = dumps((), "echo").encode()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    """What was made from now on."""
    found: List[Any] = []
    make = tlscontexts.create_urllib3_context

    def counted(**settings: Any) -> Any:
        found.append(make(**settings))
        return found[-1]

    monkeypatch.setattr(tlscontexts, "create_urllib3_context", counted)
    monkeypatch.setattr(tlscontexts, "_made", {})
    return found


def ask(hub: FakeHub, authority: Authority, certificate: Any = None) -> int:
    """The status of an answer on a connection of its own."""
    hub.method("echo", list)
    transport = Transport(hub.url)
    cert = str(certificate or authority.client())
    try:
        return transport.post(hub.url, data=CALL, verify=str(authority.bundle), cert=cert, timeout=30).status_code
    finally:
        transport.close()


def test_connections_share_what_was_loaded(
    authority: Authority, serve: Callable[..., FakeHub], made: List[Any]
) -> None:
    hub, certificate = serve(authority.server()), authority.client()
    assert len({ask(hub, authority, certificate) for _ in range(3)}) == 1
    assert len(made) == 1


def test_a_certificate_that_was_replaced_is_used(
    authority: Authority, stranger: Authority, serve: Callable[..., FakeHub], made: List[Any]
) -> None:
    hub, certificate = serve(authority.server()), authority.client()
    ask(hub, authority, certificate)
    certificate.write_bytes(stranger.client().read_bytes())
    with pytest.raises(requests.ConnectionError):
        ask(hub, authority, certificate)
    assert len(made) == 2


def test_authorities_that_were_replaced_are_used(
    authority: Authority, stranger: Authority, serve: Callable[..., FakeHub], made: List[Any]
) -> None:
    hub, certificate = serve(authority.server()), authority.client()
    ask(hub, authority, certificate)
    authority.bundle.write_bytes(stranger.bundle.read_bytes())
    with pytest.raises(requests.exceptions.SSLError, match="certificate verify failed"):
        ask(hub, authority, certificate)
    assert len(made) == 2


def test_a_connection_that_need_not_be_verified_is_not(
    authority: Authority, stranger: Authority, serve: Callable[..., FakeHub], made: List[Any]
) -> None:
    hub = serve(stranger.server(accepts=authority.ca))
    hub.method("echo", list)
    transport = Transport(hub.url)
    with pytest.warns(Warning, match="Unverified"):
        transport.post(hub.url, data=CALL, verify=False, cert=str(authority.client()), timeout=30)
    transport.close()
    with pytest.raises(requests.exceptions.SSLError, match="certificate verify failed"):
        ask(hub, authority)
    assert len(made) == 2


def test_a_key_that_can_not_be_read_is_told_in_the_librarys_words(
    authority: Authority, serve: Callable[..., FakeHub], made: List[Any]
) -> None:
    hub, certificate = serve(authority.server()), authority.client()
    certificate.write_text("no certificate\n")
    with pytest.raises(requests.exceptions.SSLError):
        ask(hub, authority, certificate)
    assert tlscontexts._made == {}


def test_a_file_in_another_role_is_another_setting(authority: Authority, made: List[Any]) -> None:
    file = str(authority.client())
    trusted = tlscontexts._context((file, None, None, None), "CERT_NONE")
    shown = tlscontexts._context((None, None, file, None), "CERT_NONE")
    assert trusted is not None and shown is not None
    assert trusted is not shown
