"""Looking at a hub from outside any session: its certificate, its clock, and why it broke off a login.

The last is in the TLS alert that a failed write never reads.
"""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
import time
from typing import Optional, Union
from urllib.parse import urlsplit

from kojid.hub.handshake import StrPath

_CONNECT_SECONDS = 10.0
_ALERT_SECONDS = 2.0  # a hub that accepts the certificate waits for a request and says nothing


def refusal(url: str, cert: StrPath, serverca: Optional[StrPath]) -> Optional[BaseException]:
    """The alert by which a hub refuses a client certificate; None when it says nothing against it.

    With TLS 1.3 the client takes the handshake for done before the hub has looked at its certificate. Its request
    then meets a closed connection, while the alert lies unread in the buffer.

    Args:
        url: the hub's address.
        cert: PEM file with the client certificate and its key.
        serverca: the authorities; None takes any certificate of the hub, as only its alert matters here.
    """
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        if serverca is not None:
            context.load_verify_locations(str(serverca))
            context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(str(cert))
        address = (parts.hostname or "", parts.port or 443)
        plain = socket.create_connection(address, _CONNECT_SECONDS)
        with plain, context.wrap_socket(plain, server_hostname=parts.hostname) as secure:
            secure.settimeout(_ALERT_SECONDS)
            secure.recv(1)
    except ssl.SSLEOFError:
        return None
    except ssl.SSLError as error:
        return error
    except OSError:  # no answer in time, or no connection: nothing was said about the certificate
        return None
    return None


def certificate(url: str, serverca: Optional[StrPath], *, verify: bool = True) -> bytes:
    """The certificate that a hub shows, in DER form, once it has been found good.

    Args:
        url: the hub's address.
        serverca: the authorities; None means the system's.
        verify: whether it has to be good.

    Raises:
        OSError: no connection; ssl.SSLError among them when the certificate is not good.
    """
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=str(serverca) if serverca else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection((parts.hostname or "", parts.port or 443), _CONNECT_SECONDS)
    with plain, context.wrap_socket(plain, server_hostname=parts.hostname) as secure:
        return secure.getpeercert(binary_form=True) or b""


def clock_ahead(url: str) -> Optional[float]:
    """Seconds that this host's clock is ahead of the hub's, to about a second; None when the hub does not tell.

    Whether its certificate is good does not matter: a wrong clock may be why it is not.

    Raises:
        OSError, http.client.HTTPException: no answer.
    """
    parts = urlsplit(url)
    connection: Union[http.client.HTTPConnection, http.client.HTTPSConnection]
    if parts.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=_CONNECT_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_CONNECT_SECONDS)
    try:
        connection.request("HEAD", parts.path or "/")
        told = connection.getresponse().getheader("Date")
        now = time.time()
    finally:
        connection.close()
    if not told:
        return None
    try:
        return now - email.utils.parsedate_to_datetime(told).timestamp()
    except (TypeError, ValueError):
        return None
