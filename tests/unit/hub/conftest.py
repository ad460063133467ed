"""Certificates and hubs for the tests of this floor."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import pytest
import trustme

from tests.support.fakehub import FakeHub


class Authority:
    """A certificate authority with the files that a builder and a hub need of it."""

    def __init__(self, directory: Path, name: str) -> None:
        self.ca = trustme.CA(organization_name=name)
        self.directory = directory
        self.name = name
        self.bundle = directory / f"{name}.crt"
        self.ca.cert_pem.write_to_path(str(self.bundle))

    def client(self, name: str = "builder", **dates: Any) -> Path:
        """A client certificate with its key in one file; `not_before` and `not_after` set its time."""
        issued = self.ca.issue_cert(f"{name}.example.com", common_name=name, **dates)
        path = self.directory / f"{self.name}-{name}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def server(
        self,
        *names: str,
        accepts: Optional[trustme.CA] = None,
        require: bool = True,
        not_after: Optional[datetime.datetime] = None,
    ) -> ssl.SSLContext:
        """The hub's side of TLS, for the names given (127.0.0.1 by default)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        dates: Dict[str, Any] = (
            {"not_after": not_after, "not_before": not_after - datetime.timedelta(days=9)} if not_after else {}
        )
        self.ca.issue_cert(*(names or ("127.0.0.1",)), **dates).configure_cert(context)
        (accepts or self.ca).configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "strangers")


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that code made; none of them takes time."""
    made: list[float] = []
    monkeypatch.setattr("time.sleep", made.append)
    return made


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeHub]]:
    """Starts hubs that end with the test."""
    hubs: list[FakeHub] = []

    def start(tls: Optional[ssl.SSLContext] = None) -> FakeHub:
        hub = FakeHub(tls)
        hubs.append(hub.__enter__())
        return hub

    yield start
    for hub in hubs:
        hub.__exit__()
