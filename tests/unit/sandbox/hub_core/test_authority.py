from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import crypto

from kojid.sandbox.hub import authority

SOON = datetime.datetime(2030, 1, 1)


def load(pem: bytes) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_PEM, pem)


def verify(ca: Path, pem: bytes, at: datetime.datetime) -> None:
    store = crypto.X509Store()
    store.add_cert(load(ca.read_bytes()))
    store.set_time(at)
    crypto.X509StoreContext(store, load(pem)).verify_certificate()


def test_a_certificate_is_signed_named_and_has_its_key(tmp_path: Path) -> None:
    ca = authority.make_ca(tmp_path)
    path = authority.ensure(tmp_path, "builder")
    pem = path.read_bytes()
    verify(ca, pem, SOON)
    subject = x509.load_pem_x509_certificate(pem).subject
    assert [name.value for name in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)] == ["builder"]
    assert crypto.load_privatekey(crypto.FILETYPE_PEM, pem).bits() == 256
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    before = authority.make_ca(tmp_path).read_bytes(), authority.ensure(tmp_path, "x").read_bytes()
    assert (authority.make_ca(tmp_path).read_bytes(), authority.ensure(tmp_path, "x").read_bytes()) == before


def test_dates_are_as_asked_for(tmp_path: Path) -> None:
    ca = authority.make_ca(tmp_path)
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(tz=datetime.timezone.utc).replace(tzinfo=None)
    expired = authority.issue(tmp_path, "x", not_after=now - day)
    future = authority.issue(tmp_path, "x", not_before=now + day)
    verify(ca, expired, now - day * 1.5)
    verify(ca, future, now + day * 2)
    for pem in (expired, future):
        with pytest.raises(crypto.X509StoreContextError):
            verify(ca, pem, now)


def test_another_authority_is_another(tmp_path: Path) -> None:
    authority.make_ca(tmp_path / "one")
    other = authority.make_ca(tmp_path / "two", "somebody else")
    with pytest.raises(crypto.X509StoreContextError):
        verify(other, authority.issue(tmp_path / "one", "x"), SOON)


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        authority.issue(tmp_path, "x")
