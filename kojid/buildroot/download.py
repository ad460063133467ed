"""Files of a repo, by HTTP from `topurl` or from the mounted `topdir`: with time limits, and whole or not at all.

Reading them is what recording a buildroot needs (contract 7.8). They are small enough to be held in memory.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, List, Optional

import koji
import requests

logger = logging.getLogger("koji.build.buildroot")

_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two parts of the answer
_WHOLE = 600.0  # seconds for all of it
_TRIES = 3
_PAUSE = 1.0  # seconds after the first failure, twice as long after the next
_CHUNK = 1024 * 1024


class FileMissing(koji.GenericError):
    """The server, or the volume, has no such file."""


class _Unreachable(Exception):
    """It did not work this time."""


def fetch(options: Any, relative: str) -> bytes:
    """Read a file of the Koji volume.

    Args:
        options: the daemon's options; the URLs of `topurl` are tried in their order, `topdir` when there is none.
        relative: path below the volume's top, as `repos/TAG/ID/...`.

    Raises:
        FileMissing: there is none.
        koji.GenericError: it can't be had.
    """
    relative = relative.lstrip("/")
    urls = _urls(options)
    if not urls:
        return _read(Path(options.topdir) / relative)
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE * 2 ** (attempt - 1))
        for url in urls:
            content = _try(f"{url}/{relative}")
            if content is not None:
                return content
    raise koji.GenericError(f"{relative} can't be fetched from {' or '.join(urls)}")


def _try(url: str) -> Optional[bytes]:
    try:
        return _get(url)
    except _Unreachable as error:
        logger.warning("%s", error)
        return None


def _urls(options: Any) -> List[str]:
    several = getattr(options, "topurls", None) or [getattr(options, "topurl", None)]
    return [url.rstrip("/") for url in several if url]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileMissing(f"there is no {path}") from None
    except OSError as error:
        raise koji.GenericError(f"{path} can't be read: {error.strerror}") from error


def _get(url: str) -> bytes:
    deadline = time.monotonic() + _WHOLE
    try:
        with requests.get(url, timeout=_TIMEOUT, stream=True) as response:
            if response.status_code in (404, 410):
                raise FileMissing(f"there is no {url}")
            response.raise_for_status()
            content = bytearray()
            for chunk in response.iter_content(_CHUNK):
                content += chunk
                if time.monotonic() > deadline:
                    raise _Unreachable(f"{url} did not arrive within {_WHOLE:g} seconds")
            return _whole(url, response, bytes(content))
    except requests.RequestException as error:
        raise _Unreachable(f"{url} can't be fetched: {error}") from error


def _whole(url: str, response: requests.Response, content: bytes) -> bytes:
    """Make sure that a connection which broke off is not taken for the end of the file."""
    announced = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    if announced.isdigit() and not encoded and int(announced) != len(content):
        raise _Unreachable(f"{url} broke off after {len(content)} of {announced} bytes")
    return content
