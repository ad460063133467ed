"""The sandbox's certificate authority: one CA, and a PEM file with key and certificate for each user and host."""

from __future__ import annotations

import datetime
import ipaddress
import os
import tempfile
from pathlib import Path
from typing import Optional, Tuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: The CA's certificate, which clients are given as `serverca`.
CA_NAME = "ca.crt"
_CA_KEY = "ca.key"
_DAY = datetime.timedelta(days=1)
_LOOPBACK = "127.0.0.1"
_LIFETIME = 3650 * _DAY

Key = ec.EllipticCurvePrivateKey


def make_ca(directory: Path, name: str = "kojid sandbox CA") -> Path:
    """Make a certificate authority in a directory, unless it is there already; return its certificate's path."""
    certificate_path = directory / CA_NAME
    if certificate_path.exists() and (directory / _CA_KEY).exists():
        return certificate_path
    directory.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    now = _now()
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    # It begins long ago, so that what has expired can have been good once.
    builder = _builder(name, name, key, now - _LIFETIME, now + _LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    _write(directory / _CA_KEY, _key_pem(key), mode=0o600)
    _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return certificate_path


def issue(
    directory: Path,
    name: str,
    not_before: Optional[datetime.datetime] = None,
    not_after: Optional[datetime.datetime] = None,
    address: str = _LOOPBACK,
) -> bytes:
    """A new certificate of the CA in `directory`, with its key before it, as PEM.

    Args:
        name: the CN: a user, a host, or for servers any name; localhost, 127.0.0.1 and `address` are added for those.
        not_before: when it begins to hold (UTC without a zone); a day ago by default.
        not_after: when it ends; in ten years by default.
        address: where a server is reached.

    Raises:
        FileNotFoundError: there is no CA in the directory.
    """
    ca, ca_key = _load_ca(directory)
    key = ec.generate_private_key(ec.SECP256R1())
    now = _now()
    issuer = ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    begin = not_before or min(now - _DAY, (not_after or now) - _DAY)
    builder = _builder(name, str(issuer), key, begin, not_after or now + _LIFETIME)
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in sorted({_LOOPBACK, address})]
    names = [x509.DNSName("localhost"), *addresses]
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = builder.add_extension(authority, critical=False)
    certificate = builder.sign(ca_key, hashes.SHA256())
    return _key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def ensure(directory: Path, name: str, address: str = _LOOPBACK) -> Path:
    """The PEM file of a user, host or server (NAME.pem, mode 0600), issued when it is missing; see `issue`."""
    path = directory / f"{name}.pem"
    if not path.exists():
        _write(path, issue(directory, name, address=address), mode=0o600)
    return path


def _builder(
    subject: str, issuer: str, key: Key, begin: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(issuer))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    return builder.not_valid_before(begin).not_valid_after(end)


def _load_ca(directory: Path) -> Tuple[x509.Certificate, Key]:
    certificate = x509.load_pem_x509_certificate((directory / CA_NAME).read_bytes())
    key = serialization.load_pem_private_key((directory / _CA_KEY).read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{directory / _CA_KEY} is not a key of this sandbox's kind")
    return certificate, key


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, *, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def _now() -> datetime.datetime:
    return datetime.datetime.now(tz=datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
