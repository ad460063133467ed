"""Certificates are looked at before they are used."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Optional

import pytest
from cryptography.hazmat.primitives import serialization

from kojid.errors import LoginError
from kojid.hub import certificates

from .conftest import Authority

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def days(number: float) -> datetime.datetime:
    return NOW + datetime.timedelta(days=number)


def parts(pem: Path) -> tuple[str, str]:
    """The key and the certificate of a file."""
    text = pem.read_text()
    start = text.index("-----BEGIN CERTIFICATE-----")
    return text[:start], text[start:]


def test_a_good_certificate_is_reported(authority: Authority) -> None:
    pem = authority.client("kojibuilder1", not_before=days(-1), not_after=days(100))
    report = certificates.inspect(pem, authority.bundle, now=NOW)
    assert report.subject_cn == "kojibuilder1"
    assert report.not_before == days(-1)
    assert report.not_after == days(100)
    assert report.days_left == 100
    assert report.warnings == ()


@pytest.mark.parametrize(
    ("left", "said"), [(31, None), (30, "30 days"), (8, "30 days"), (6.5, "7 days"), (1, "a day"), (0.1, "a day")]
)
def test_a_certificate_that_ends_soon_is_warned_of(authority: Authority, left: float, said: Optional[str]) -> None:
    pem = authority.client(not_before=days(-1), not_after=days(left))
    warnings = certificates.inspect(pem, now=NOW).warnings
    if said is None:
        assert warnings == ()
    else:
        (warning,) = warnings
        assert f"{pem} expires within {said}, on {days(left):%Y-%m-%d %H:%M:%S} UTC" in warning


def test_a_missing_certificate_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match=r"client certificate .*/none.pem does not exist"):
        certificates.inspect(tmp_path / "none.pem")


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="can't be read: Is a directory"):
        certificates.inspect(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_certificate_is_told(authority: Authority) -> None:
    pem = authority.client()
    pem.chmod(0)
    with pytest.raises(LoginError, match="can't be read: Permission denied"):
        certificates.inspect(pem)


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pem").write_text(text)
    with pytest.raises(LoginError, match=r"there is no certificate in .*/x.pem"):
        certificates.inspect(tmp_path / "x.pem")


def test_a_file_without_a_key_is_told(authority: Authority) -> None:
    pem = authority.client()
    pem.write_text(parts(pem)[1])
    with pytest.raises(LoginError, match="there is no private key in"):
        certificates.inspect(pem)


def test_an_encrypted_key_is_told_and_no_passphrase_asked_for(authority: Authority) -> None:
    pem = authority.client()
    key, certificate = parts(pem)
    loaded = serialization.load_pem_private_key(key.encode(), None)
    locked = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    pem.write_text(locked.decode() + certificate)
    with pytest.raises(LoginError, match=r"private key in .* is encrypted"):
        certificates.inspect(pem)


def test_the_key_of_another_certificate_is_told(authority: Authority) -> None:
    ours, other = authority.client("a"), authority.client("b")
    ours.write_text(parts(other)[0] + parts(ours)[1])
    with pytest.raises(LoginError, match=r"private key in .*a.pem does not belong to the certificate"):
        certificates.inspect(ours)


def test_an_expired_certificate_is_told_with_its_date(authority: Authority) -> None:
    pem = authority.client(not_before=days(-9), not_after=days(-2))
    with pytest.raises(LoginError, match=rf"{pem} has expired on {days(-2):%Y-%m-%d}"):
        certificates.inspect(pem, now=NOW)


def test_a_certificate_of_the_future_is_told_with_its_date_and_the_clock(authority: Authority) -> None:
    pem = authority.client(not_before=days(2), not_after=days(9))
    with pytest.raises(LoginError, match=rf"{pem} is not valid before {days(2):%Y-%m-%d}.* clock .*{NOW:%Y-%m-%d}"):
        certificates.inspect(pem, now=NOW)


def test_missing_and_empty_authorities_are_told(authority: Authority, tmp_path: Path) -> None:
    pem = authority.client()
    with pytest.raises(LoginError, match=r"serverca .*/none does not exist"):
        certificates.inspect(pem, tmp_path / "none")
    (tmp_path / "empty").write_text("nothing here")
    with pytest.raises(LoginError, match=r"there is no certificate in .*/empty"):
        certificates.inspect(pem, tmp_path / "empty")


def test_several_authorities_are_named(authority: Authority, stranger: Authority, tmp_path: Path) -> None:
    both = tmp_path / "both.crt"
    both.write_text("a comment\n" + authority.bundle.read_text() + stranger.bundle.read_text())
    assert certificates.inspect_authorities(both) == ["ours", "strangers"]


def test_a_damaged_authority_is_told(authority: Authority, tmp_path: Path) -> None:
    broken = tmp_path / "broken.crt"
    broken.write_text(authority.bundle.read_text().replace("MII", "!!!", 1))
    with pytest.raises(LoginError, match=r"broken.crt is damaged"):
        certificates.inspect_authorities(broken)
