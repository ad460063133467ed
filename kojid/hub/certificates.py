"""Certificates looked at before they are used: what is wrong with one is said with its file and its date.

The library that reads them is as big as a fifth of the daemon, which therefore asks by `inspect_apart`.
"""

from __future__ import annotations

import datetime
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

from kojid.errors import LoginError
from kojid.hub.handshake import StrPath, explain_tls_error
from kojid.system import apart

__all__ = ["CertificateReport", "explain_tls_error", "inspect", "inspect_apart", "inspect_authorities"]

WARNING_DAYS = (1, 7, 30)
_TIME_FORM = "%Y%m%d%H%M%SZ"


@dataclass(frozen=True)
class CertificateReport:
    """What a client certificate says.

    Attributes:
        subject_cn: its common name, which the hub takes for the user.
        not_before: start of its time, UTC.
        not_after: end of its time, UTC.
        days_left: whole days until then.
        warnings: sentences for the log, when it ends within 30, 7 or 1 days.
    """

    subject_cn: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    days_left: int
    warnings: Tuple[str, ...]


def inspect(
    cert: StrPath, serverca: Optional[StrPath] = None, now: Optional[datetime.datetime] = None
) -> CertificateReport:
    """Check the client certificate with its key, and that the file of authorities holds some.

    Args:
        cert: PEM file with the certificate and its key (option `cert`).
        serverca: PEM file with those who may sign the hub's certificate.
        now: the time to judge by, with a time zone; the present by default.

    Raises:
        LoginError: a file is missing or unreadable, has no certificate or no key in it, the key belongs to another
            certificate, or the certificate's time has passed or not begun.
    """
    from OpenSSL import crypto

    now = now or datetime.datetime.now(datetime.timezone.utc)
    text = _read(cert, "client certificate")
    certificate = _load(crypto.load_certificate, text, f"there is no certificate in {cert}", "option cert")
    _check_key(certificate, _load_key(text, cert), cert)
    not_before = _time(certificate.get_notBefore())
    not_after = _time(certificate.get_notAfter())
    _check_time(cert, not_before, not_after, now)
    if serverca is not None:
        inspect_authorities(serverca)
    return CertificateReport(
        subject_cn=str(certificate.get_subject().CN or ""),
        not_before=not_before,
        not_after=not_after,
        days_left=(not_after - now).days,
        warnings=_warnings(cert, not_after, not_after - now),
    )


def inspect_apart(cert: StrPath, serverca: Optional[StrPath] = None) -> CertificateReport:
    """As `inspect`, in a process of its own. Raises also HostFault when there is none to be had."""
    return apart.ask(inspect, cert, serverca)


def inspect_authorities(serverca: StrPath) -> List[str]:
    """The names of the authorities in a PEM file.

    Raises LoginError when it is missing, unreadable or holds no certificate.
    """
    return [str(one.get_subject().CN or one.get_subject().O or "") for one in _authorities(serverca)]


def authorities_end(serverca: StrPath) -> datetime.datetime:
    """When the last one of the authorities in a PEM file ends, UTC. Raises LoginError as `inspect_authorities`."""
    return max(_time(one.get_notAfter()) for one in _authorities(serverca))


def end_of(certificate: bytes) -> datetime.datetime:
    """When a certificate ends, UTC, as it came over the wire (DER). Raises LoginError when it is none."""
    from OpenSSL import crypto

    try:
        loaded = crypto.load_certificate(crypto.FILETYPE_ASN1, certificate)
    except (crypto.Error, ValueError, TypeError) as error:
        raise LoginError("the hub's certificate is damaged") from error
    return _time(loaded.get_notAfter())


def _authorities(serverca: StrPath) -> List[Any]:
    from OpenSSL import crypto

    text = _read(serverca, "serverca")
    blocks = [b"-----BEGIN CERTIFICATE-----" + rest for rest in text.split(b"-----BEGIN CERTIFICATE-----")[1:]]
    if not blocks:
        raise LoginError(f"there is no certificate in {serverca}", "option serverca")
    return [_load(crypto.load_certificate, block, f"{serverca} is damaged", "option serverca") for block in blocks]


def _read(path: StrPath, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise LoginError(f"the {what} {path} does not exist") from None
    except OSError as error:
        raise LoginError(f"the {what} {path} can't be read: {error.strerror}") from error


def _load(load: Callable[..., Any], text: bytes, message: str, hint: str) -> Any:
    from OpenSSL import crypto

    try:
        return load(crypto.FILETYPE_PEM, text)
    except (crypto.Error, ValueError, TypeError) as error:
        raise LoginError(message, hint) from error


def _load_key(text: bytes, cert: StrPath) -> Any:
    from OpenSSL import crypto

    if b"ENCRYPTED" in text:
        raise LoginError(f"the private key in {cert} is encrypted", "store it without a passphrase, mode 0600")
    return _load(crypto.load_privatekey, text, f"there is no private key in {cert}", "append it there in PEM form")


def _check_key(certificate: Any, key: Any, cert: StrPath) -> None:
    from OpenSSL import SSL

    context = SSL.Context(SSL.SSLv23_METHOD)
    with warnings.catch_warnings():
        # Newer releases would rather have objects of `cryptography`, which older ones do not take.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            context.use_certificate(certificate)
        except SSL.Error as error:
            raise LoginError(f"this host's OpenSSL refuses the certificate in {cert}: {_reason(error)}") from error
        try:
            context.use_privatekey(key)
            context.check_privatekey()
        except SSL.Error as error:
            raise LoginError(
                f"the private key in {cert} does not belong to the certificate in it", "put the two of one pair there"
            ) from error


def _reason(error: Exception) -> str:
    """The last words of an error of OpenSSL, which come as a list of (library, function, reason)."""
    try:
        return str(error.args[0][-1][-1])
    except (IndexError, TypeError):
        return str(error)


def _time(stamp: Optional[bytes]) -> datetime.datetime:
    if stamp is None:
        raise LoginError("the client certificate has no dates")
    parsed = datetime.datetime.strptime(stamp.decode("ascii"), _TIME_FORM)
    return parsed.replace(tzinfo=datetime.timezone.utc)


def shown(moment: datetime.datetime) -> str:
    """A moment in words, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _check_time(
    cert: StrPath, not_before: datetime.datetime, not_after: datetime.datetime, now: datetime.datetime
) -> None:
    if now >= not_after:
        raise LoginError(f"the client certificate {cert} has expired on {shown(not_after)}", "get a new one")
    if now < not_before:
        raise LoginError(
            f"the client certificate {cert} is not valid before {shown(not_before)}",
            f"is this host's clock right? it shows {shown(now)}",
        )


def _warnings(cert: StrPath, not_after: datetime.datetime, left: datetime.timedelta) -> Tuple[str, ...]:
    for days in WARNING_DAYS:
        if left <= datetime.timedelta(days=days):
            limit = "a day" if days == 1 else f"{days} days"
            return (f"The client certificate {cert} expires within {limit}, on {shown(not_after)}",)
    return ()
