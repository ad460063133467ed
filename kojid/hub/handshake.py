"""What a failed TLS handshake means, and how to find it below the exceptions that wrap it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Iterator, List, Optional, Union

StrPath = Union[Path, str]

BROKEN_OFF = "the hub closed the connection (it may have refused the client certificate)"

# Verification results of OpenSSL, as in its manual page of `verify`.
_VERIFY_TEXTS = {
    2: "its issuer is not in {serverca}",
    9: "it is not valid yet; is this host's clock right?",
    10: "it has expired",
    18: "it is self-signed and not in {serverca}",
    19: "it is signed by an authority that is not in {serverca}",
    20: "it is not signed by an authority in {serverca}",
    21: "it is not signed by an authority in {serverca}",
    62: "it is for another host name",
    64: "it is for another address",
}
_ALERTS = {
    "UNKNOWN_CA": "the hub does not know the authority that signed it",
    "CERTIFICATE_EXPIRED": "the hub says that it has expired",
    "CERTIFICATE_REVOKED": "the hub says that it has been revoked",
    "BAD_CERTIFICATE": "the hub says that it is bad",
    "CERTIFICATE_UNKNOWN": "the hub does not accept it",
    "UNSUPPORTED_CERTIFICATE": "the hub does not support its kind",
    "CERTIFICATE_REQUIRED": "the hub wants one and got none",
    "ACCESS_DENIED": "the hub denies it access",
    "HANDSHAKE_FAILURE": "the hub broke off the handshake",
    "DECRYPT_ERROR": "the hub could not verify its signature",
}


def explain_tls_error(error: BaseException, serverca: Optional[StrPath] = None) -> str:
    """What a failed TLS handshake means, in a sentence.

    Args:
        error: the exception, or any that wraps it.
        serverca: the file of authorities in use; None means the system's.
    """
    found = [one for one in chain(error) if isinstance(one, ssl.SSLError)]
    for one in found:
        if isinstance(one, ssl.SSLCertVerificationError):
            authorities = serverca if serverca else "the system's list of authorities"
            text = _VERIFY_TEXTS.get(one.verify_code, one.verify_message)
            if one.verify_code in (62, 64):
                text = f"{text}: {one.verify_message}"
            return f"the hub's certificate is refused: {text.format(serverca=authorities)}"
    if any(isinstance(one, ssl.SSLEOFError) for one in found):
        return BROKEN_OFF
    reasons = [str(one.reason or one) for one in found] or [str(error)]
    for reason in reasons:
        for alert, text in _ALERTS.items():
            if alert in reason.upper().replace(" ", "_"):
                return f"the client certificate is refused: {text}"
        if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason:
            return "the hub's port does not speak TLS"
    return f"the TLS handshake failed: {reasons[0]}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it wraps, by whatever way requests, urllib3 and ssl hand them on."""
    waiting: List[object] = [error]
    seen: List[BaseException] = []
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in seen:
            continue
        seen.append(one)
        yield one
        waiting += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]
