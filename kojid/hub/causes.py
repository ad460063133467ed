"""Why a call to the hub did not get through, told so that an admin knows where to look."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import xml.parsers.expat
import xmlrpc.client
from pathlib import Path
from typing import List, Optional, Union

import koji
import requests

from kojid.hub.handshake import BROKEN_OFF, chain, explain_tls_error

_UNREACHABLE = {
    errno.ECONNREFUSED: "connection refused (is the hub's web server running?)",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "the network is unreachable",
    errno.ECONNRESET: BROKEN_OFF,
    errno.EPIPE: BROKEN_OFF,
}
_STATUS_TEXTS = {
    401: "the hub's web server does not accept this login",
    403: "the hub's web server denies access; it may not accept the client certificate",
    404: "there is no hub at this address",
    500: "the hub has a fault, see its log",
    502: "a proxy in front of the hub can't reach it",
    503: "the hub's web server is overloaded or down for maintenance",
    504: "a proxy in front of the hub waits for it in vain",
}
_NO_HUB = (xml.parsers.expat.ExpatError, xmlrpc.client.ResponseError)


def explain_call_error(error: BaseException, serverca: Union[Path, str, None] = None) -> str:
    """What went wrong with a call: a sentence to stand behind a colon.

    Args:
        error: what the session raised, or its `last_error`.
        serverca: the file of authorities in use.
    """
    if isinstance(error, koji.GenericError):
        return str(error)
    links = list(chain(error))
    if any(isinstance(link, ssl.SSLError) for link in links) or isinstance(error, requests.exceptions.SSLError):
        return explain_tls_error(error, serverca)
    return _http(error) or _connection(links) or str(error) or type(error).__name__


def is_transport_error(error: Optional[BaseException]) -> bool:
    """Whether a call did not get through, as opposed to being answered with a fault."""
    return isinstance(error, (OSError, *_NO_HUB))  # the exceptions of requests are OSErrors


def is_unreachable(error: BaseException) -> bool:
    """Whether there was nobody to talk to, or no answer: whatever was to be said does not matter."""
    links = list(chain(error))
    numbers = {getattr(link, "errno", None) for link in links}
    nobody = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}
    silent = (requests.exceptions.Timeout, socket.timeout, socket.gaierror)
    return bool(numbers & nobody) or any(isinstance(link, silent) for link in links)


def is_broken_off(error: BaseException, *, answered_badly: bool = False) -> bool:
    """Whether a call may have reached the hub and lost its answer at once, without any waiting.

    Args:
        error: what the call raised.
        answered_badly: whether an answer that is not the hub's counts, such as a proxy's error page.
    """
    if isinstance(error, requests.exceptions.Timeout):
        return False
    if answered_badly and isinstance(error, (requests.exceptions.HTTPError, *_NO_HUB)):
        return True
    return bool(koji.is_conn_error(error))


def _http(error: BaseException) -> Optional[str]:
    if isinstance(error, requests.exceptions.HTTPError) and error.response is not None:
        status = error.response.status_code
        return f"HTTP status {status}: {_STATUS_TEXTS.get(status, error.response.reason)}"
    if isinstance(error, _NO_HUB):
        return "what answers there is no Koji hub"
    return None


def _connection(links: List[BaseException]) -> Optional[str]:
    if any(isinstance(link, requests.exceptions.ConnectTimeout) for link in links):
        return "no connection within the time limit"
    if any(isinstance(link, (requests.exceptions.Timeout, socket.timeout)) for link in links):
        return "no answer within the time limit"
    if any(isinstance(link, socket.gaierror) for link in links):
        return "the hub's host name is unknown"
    for link in links:
        number = getattr(link, "errno", None)
        if number in _UNREACHABLE:
            return _UNREACHABLE[number]
    if any(type(link).__name__ == "RemoteDisconnected" for link in links):
        return _UNREACHABLE[errno.ECONNRESET]
    named = [link.errno for link in links if isinstance(link, OSError) and link.errno]
    return os.strerror(named[0]) if named else None
