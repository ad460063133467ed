"""Asking a hub once more why it broke off a login: the answer is in the TLS alert that a failed write never reads."""

from __future__ import annotations

import socket
import ssl
from typing import Optional
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
