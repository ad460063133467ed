"""The client certificate while the daemon runs."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from kojid.daemon import certwatch
from kojid.daemon.certwatch import CertificateWatch
from kojid.errors import LoginError
from tests.support import options


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "client.pem"
    path.touch()
    return path


def test_what_is_wrong_is_told_until_it_is_mended(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(certwatch.time, "monotonic", lambda: clock[0])
    inspect = Mock(side_effect=LoginError("it has expired"), return_value=Mock(warnings=()))
    monkeypatch.setattr(certwatch.certificates, "inspect_apart", inspect)
    watch = CertificateWatch(options(cert=str(certificate)))
    assert [watch.trouble() for _ in range(3)] == ["it has expired"] * 3
    assert inspect.call_count == 1
    inspect.side_effect = None
    clock[0] = 61.0
    assert watch.trouble() == ""
    clock[0] = 1000.0
    assert watch.trouble() == "" and inspect.call_count == 2


def test_its_coming_end_is_told_once(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(certwatch, "_INTERVAL", 0.0)
    monkeypatch.setattr(
        certwatch.certificates, "inspect_apart", Mock(return_value=Mock(warnings=("it expires in 7 days",)))
    )
    watch = CertificateWatch(options(cert=str(certificate)))
    for _ in range(3):
        watch.trouble()
    assert [record.message for record in caplog.records] == ["it expires in 7 days"]


@pytest.mark.parametrize("cert", [None, "/nowhere/client.pem"])
def test_a_host_that_logged_in_otherwise_has_no_trouble(cert: str) -> None:
    assert CertificateWatch(options(cert=cert)).trouble() == ""
