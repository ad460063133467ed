"""Starts that fail, each with a message of its own and exit status 1; and one that only tries the login."""

from __future__ import annotations

import datetime
import socket
from pathlib import Path

import pytest

from kojid.sandbox.hub import authority
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.root, pytest.mark.e2e]

HOST = "starts"


def test_skip_main_ends_well_after_the_login(box: Sandbox) -> None:
    daemon = box.daemon("skips", HOST)
    assert daemon.run("--skip-main") == 0
    assert "Starting up" not in daemon.log
    assert box.admin.getSessionInfo(user_id=HOST) == []


def test_a_hub_of_another_authority_is_not_trusted(box: Sandbox, tmp_path: Path) -> None:
    other = authority.make_ca(tmp_path / "other", "another CA")
    daemon = box.daemon("wrong-ca", HOST, serverca=other)
    assert daemon.run() == 1
    assert str(other) in daemon.log
    assert "signed" in daemon.log
    assert "Traceback" not in daemon.log


def test_a_certificate_of_another_authority_is_refused(box: Sandbox, tmp_path: Path) -> None:
    authority.make_ca(tmp_path / "other", "another CA")
    daemon = box.daemon("foreign", HOST, cert=authority.ensure(tmp_path / "other", HOST))
    assert daemon.run() == 1
    assert "Unable to log in" in daemon.log or "certificate" in daemon.log
    assert "Traceback" not in daemon.log


def test_an_expired_certificate_is_told_with_file_and_date(box: Sandbox, tmp_path: Path) -> None:
    ends = datetime.datetime(2024, 2, 29, 12, 0)
    cert = tmp_path / "expired.pem"
    cert.write_bytes(authority.issue(box.layout.ca_dir, HOST, not_after=ends))
    daemon = box.daemon("expired", HOST, cert=cert)
    assert daemon.run() == 1
    assert str(cert) in daemon.log and "expired" in daemon.log and "2024-02-29" in daemon.log
    assert "Traceback" not in daemon.log


def test_a_hub_that_is_down_is_told(box: Sandbox) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{probe.getsockname()[1]}/kojihub"
        daemon = box.daemon("hub-down", HOST, server=url)
        assert daemon.run(timeout=90) == 1
    assert url in daemon.log
    assert "Unable to connect to server" in daemon.log or "Unable to log in" in daemon.log
    assert "Traceback" not in daemon.log
