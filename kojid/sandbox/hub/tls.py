"""TLS for the hub's HTTP server: client certificates that the sandbox's CA has signed, wanted but not demanded.

cheroot's own adapter shakes hands in the thread that accepts connections, where a client that says nothing holds up
everybody. Here the handshake is the first thing that a worker does with a connection.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import IO, Any, Dict, Optional, Tuple

import cheroot.makefile
import cheroot.server
import cheroot.ssl
import cheroot.wsgi

from kojid.sandbox.hub.wire import CERTIFICATE

logger = logging.getLogger("kojid.sandbox.hub")


def server_context(certificate: Path, ca: Path) -> ssl.SSLContext:
    """TLS for a server.

    Args:
        certificate: PEM with the server's key and certificate.
        ca: PEM with the certificates that clients' ones have to be signed by.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(certificate))
    context.load_verify_locations(str(ca))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


class Adapter(cheroot.ssl.Adapter):
    """What cheroot calls for each new connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def bind(self, sock: Any) -> Any:
        """The listening socket stays as it is."""
        return sock

    def wrap(self, sock: Any) -> Tuple[Any, Dict[str, str]]:
        """Put TLS around an accepted socket; nothing is read or written yet."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https"}

    def get_environ(self) -> Dict[str, str]:
        """Nothing: what a request needs to know is in `Gateway`."""
        return {}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = -1) -> IO[bytes]:
        """The file that requests are read from or answers written to."""
        made: IO[bytes] = cheroot.makefile.MakeFile(sock, mode, bufsize)
        return made


class Connection(cheroot.server.HTTPConnection):
    """A connection that shakes hands before its first request."""

    certificate: Optional[str] = None
    _ready = False

    def communicate(self) -> bool:
        """Serve the next request; False when the connection is to be closed."""
        if not self._ready:
            try:
                self.socket.do_handshake()
            except OSError as error:
                logger.info("no TLS with %s: %s", self.remote_addr, error)
                return False
            self.certificate = common_name(self.socket.getpeercert())
            self._ready = True
        return bool(super().communicate())  # type: ignore[no-untyped-call]


class Gateway(cheroot.wsgi.Gateway_10):
    """Hands the client certificate's name to the application."""

    def get_environ(self) -> Dict[str, Any]:  # type: ignore[override]
        """The WSGI environ of the current request."""
        environ: Dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ[CERTIFICATE] = self.req.conn.certificate
        return environ


def common_name(certificate: Optional[Any]) -> Optional[str]:
    """The CN of a certificate as the ssl module gives it; None without one."""
    for part in (certificate or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return None
