"""The HTTP connection below a hub session: bounded in time, and ruled by kojid.conf instead of the environment."""

from __future__ import annotations

import functools
import http.client
import io
import os
import socket
import time
import weakref
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type, Union

import requests
import requests.adapters
import requests.utils
import urllib3.connection
import urllib3.connectionpool

from kojid.hub import tlscontexts

CONNECT_TIMEOUT = 10.0  # seconds for a connection to come up

Timeout = Union[float, Tuple[float, float], None]


class Transport(requests.Session):
    """A requests session for one hub.

    requests takes REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE for more important than the `verify` of a call, and puts
    passwords from ~/.netrc into calls. Here `serverca` decides; those variables only stand in where neither serverca
    nor no_ssl_verify is set. A proxy from the environment is used as ever.

    Args:
        url: the hub's address.
        proxies: by scheme; those of the environment if they are not given.

    Attributes:
        answer_seconds: how long an answer may take until it is whole. The time limit of requests is one for each piece
            of it, and an answer that drips in byte by byte would keep it off for ever.
    """

    def __init__(self, url: str, proxies: Optional[Mapping[str, str]] = None) -> None:
        super().__init__()
        self.trust_env = False
        self.proxies: Dict[str, str] = environment_proxies(url) if proxies is None else dict(proxies)
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self.answer_seconds = float("inf")
        self._deadline = _Deadline()
        self._lines = _Lines()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(self._deadline, self._lines))

    def abandon(self) -> None:
        """In a forked process: let go of the connections, which are the parent's, without a word on them.

        Nothing is freed: that would copy memory that the parent shares. What was made for connections stays of use.
        """
        self._lines.abandon()

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As in requests; a plain number of seconds limits each read, and connecting to ten seconds at most."""
        kwargs["timeout"] = connect_and_read(kwargs.get("timeout"))
        self._deadline.at = time.monotonic() + self.answer_seconds
        response = super().request(*args, **kwargs)
        if not response.ok:
            # the library raises on the status alone and would leave the connection open behind it
            response.close()
        return response


def environment_proxies(url: str) -> Dict[str, str]:
    """The proxies that the environment has for a URL, by scheme."""
    return dict(requests.utils.get_environ_proxies(url))


def connect_and_read(timeout: Timeout) -> Timeout:
    """The limits for connecting and for reading that follow from one number of seconds."""
    if timeout is None or isinstance(timeout, tuple):
        return timeout
    return (min(CONNECT_TIMEOUT, timeout), timeout)


class _Deadline:
    """When the present answer has to be whole, by the monotonic clock."""

    at = float("inf")


class _Lines:
    """The connections that were made, and what is left of those that were abandoned."""

    def __init__(self) -> None:
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()
        self._left: List[Any] = []

    def add(self, connection: Any) -> None:
        """A connection has come up."""
        self._made.add(connection)

    def abandon(self) -> None:
        """Close the descriptors of all connections, and nothing else."""
        for connection in self._made:
            sock, connection.sock = connection.sock, None
            if sock is None:
                continue
            self._left.append(sock)
            if isinstance(sock, socket.socket):
                os.close(sock.detach())
            else:
                sock.close()


class _BoundedReader(io.RawIOBase):
    """A socket's bytes, as long as there is time left."""

    def __init__(self, raw: Any, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._until = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("the answer took too long")
        limit = self._sock.gettimeout()
        if limit is None or limit > left:
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, deadline: _Deadline, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if deadline.at != float("inf"):
            self.fp = io.BufferedReader(_BoundedReader(self.fp.detach(), sock, deadline.at))


class _Adapter(requests.adapters.HTTPAdapter):
    """Makes connections whose answers have a deadline."""

    def __init__(self, deadline: _Deadline, lines: _Lines) -> None:
        self._pools = _pools(deadline, lines)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As in requests, with pools of our connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As in requests, with pools of our connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(deadline: _Deadline, lines: _Lines) -> Dict[str, Type[Any]]:
    # The pools have the names of their parents because error messages show them.
    make: Any = functools.partial(_Response, deadline=deadline)

    class Plain(urllib3.connection.HTTPConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.response_class = make

        def connect(self) -> None:
            super().connect()
            lines.add(self)

    class Secure(urllib3.connection.HTTPSConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.response_class = make

        def connect(self) -> None:
            tlscontexts.settle(self)
            super().connect()
            lines.add(self)

    class HTTPConnectionPool(urllib3.connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class HTTPSConnectionPool(urllib3.connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
