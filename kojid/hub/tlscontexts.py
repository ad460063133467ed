"""TLS settings that are made once: every connection would load the authorities and the certificate again.

A task's process finds those of the daemon in the memory that it shares with it, where making its own costs as much as a
request. They are known by their files, and made anew when one of these is replaced, as by a renewal of the certificate.
"""

from __future__ import annotations

import os
import ssl
from typing import Any, Dict, Optional, Tuple

from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

_MOST = 8
_FILES = ("ca_certs", "ca_cert_dir", "cert_file", "key_file")
_made: Dict[Tuple[Any, ...], ssl.SSLContext] = {}


def settle(connection: Any) -> None:
    """Give a connection of urllib3 that is about to be made a context that there is, or one that is then there.

    What can't be read is left to urllib3, which says so in its own words.

    Args:
        connection: with the names of its files as requests has set them.
    """
    given = getattr(connection, "tls_files", None)
    if given is None:
        if connection.ssl_context is not None or connection.key_password:
            return
        given = tuple(getattr(connection, name, None) for name in _FILES)
        connection.tls_files = given
    context = _context(given, connection.cert_reqs)
    connection.ssl_context = context
    for name, value in zip(_FILES, given):
        setattr(connection, name, value if context is None else None)


def _context(files: Tuple[Optional[str], ...], cert_reqs: Any) -> Optional[ssl.SSLContext]:
    authorities, directory, certificate, key = files
    try:
        known = (cert_reqs, *(name and (name, *_version(name)) for name in files))  # in which role, too
        if known not in _made:
            if len(_made) >= _MOST:
                _made.clear()
            context = create_urllib3_context(cert_reqs=resolve_cert_reqs(cert_reqs))
            if authorities or directory:
                context.load_verify_locations(authorities, directory)
            else:
                context.load_default_certs()
            if certificate:
                context.load_cert_chain(certificate, key)
            _made[known] = context
        return _made[known]
    except (OSError, ValueError):
        return None


def _version(name: str) -> Tuple[int, ...]:
    """What changes when a file is replaced. Raises OSError."""
    status = os.stat(name)
    return status.st_ino, status.st_size, status.st_mtime_ns
