"""The HTTP connection below a hub session: bounded in time, and ruled by kojid.conf instead of the environment."""

from __future__ import annotations

import os
from typing import Any, Dict, Tuple, Union

import requests
import requests.utils

CONNECT_TIMEOUT = 10.0  # seconds for a connection to come up

Timeout = Union[float, Tuple[float, float], None]


class Transport(requests.Session):
    """A requests session for one hub.

    requests takes REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE for more important than the `verify` of a call, and puts
    passwords from ~/.netrc into calls. Here `serverca` decides; those variables only stand in where neither serverca
    nor no_ssl_verify is set. A proxy from the environment is used as ever.

    Args:
        url: the hub's address.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.proxies: Dict[str, str] = dict(requests.utils.get_environ_proxies(url))
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As in requests; a plain number of seconds limits each read, and connecting to ten seconds at most."""
        kwargs["timeout"] = connect_and_read(kwargs.get("timeout"))
        response = super().request(*args, **kwargs)
        if not response.ok:
            # the library raises on the status alone and would leave the connection open behind it
            response.close()
        return response


def connect_and_read(timeout: Timeout) -> Timeout:
    """The limits for connecting and for reading that follow from one number of seconds."""
    if timeout is None or isinstance(timeout, tuple):
        return timeout
    return (min(CONNECT_TIMEOUT, timeout), timeout)
