"""Files of the Koji volume over HTTP: every wait has an end, failures are tried again, nothing partial is handed out.

What the koji library's downloadFile lacks (contract 11, items 10, 11 and 42): time limits, tries after a 503, a check
of the status before anything is kept, and reading only the part of a package that is needed.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar
from urllib.parse import quote

import koji
import requests

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each further try
_BLOCK = 1024 * 1024
_TRANSIENT_STATUS = (408, 429)
_SAFE_IN_URL = "/~+:@!$&'()*,;="

logger = logging.getLogger("koji.build.volume")
_T = TypeVar("_T")


class DownloadFailed(koji.GenericError):
    """A file of the volume could not be fetched.

    Args:
        message: the whole sentence, with the URL.
        status: the HTTP status, None when there was no answer.
    """

    def __init__(self, message: str, status: Optional[int] = None) -> None:
        super().__init__(message)
        self.status = status


class _TryAgain(Exception):
    """A failure that may pass; its text says what happened."""

    def __init__(self, why: str, status: Optional[int] = None) -> None:
        super().__init__(why)
        self.status = status


def volume_url(topurl: str, relative: str) -> str:
    """The URL of a file.

    Args:
        topurl: the volume's base URL.
        relative: the path from there, as the hub gave it.

    Raises:
        koji.GenericError: the path is empty, absolute or climbs out with "..".
    """
    check_relative(relative)
    return f"{topurl.rstrip('/')}/{quote(relative, safe=_SAFE_IN_URL)}"


def check_relative(relative: str) -> None:
    """Refuse paths that do not stay below where they start; raises koji.GenericError."""
    if not relative or relative.startswith("/") or ".." in relative.split("/") or "\0" in relative:
        raise koji.GenericError(f"Invalid path on the Koji volume: {relative!r}")


def download(url: str, target: Path, *, seconds: float = 3600.0) -> None:
    """Fetch a file; it appears under its name only when it is there as a whole.

    Args:
        url: where it is.
        target: where it goes; its directory must exist. A file that is there already is replaced.
        seconds: how long all of it may take.

    Raises:
        DownloadFailed: it is not there, or could not be fetched in several tries.
    """
    deadline = time.monotonic() + seconds
    descriptor, name = tempfile.mkstemp(prefix=".download-", dir=target.parent)
    with open(descriptor, "wb") as out:
        try:
            _try_again_and_again(url, deadline, lambda: _fetch(url, out, deadline))
            os.fchmod(out.fileno(), 0o644)
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise


def _fetch(url: str, out: Any, deadline: float) -> None:
    out.seek(0)
    out.truncate()
    with _get(url) as response:
        for block in response.iter_content(_BLOCK):
            out.write(block)
            if time.monotonic() > deadline:
                raise DownloadFailed(f"could not download {url}: it took too long")
        expected = response.headers.get("Content-Length")
    out.flush()
    if expected is not None and int(expected) != out.tell():
        raise _TryAgain(f"{out.tell()} of {expected} bytes came")


def read_whole(url: str, *, seconds: float = 600.0) -> bytes:
    """Fetch a small file into memory.

    Args:
        url: where it is.
        seconds: how long all of it may take.

    Raises:
        DownloadFailed: as `download`.
    """
    deadline = time.monotonic() + seconds
    content = io.BytesIO()
    _try_again_and_again(url, deadline, lambda: _fetch(url, content, deadline))
    return content.getvalue()


def read_start(
    url: str, enough: Callable[[bytes], Optional[int]], *, first: int = 64 * 1024, seconds: float = 600.0
) -> bytes:
    """Fetch only the start of a file, as much of it as is needed.

    Args:
        url: where it is.
        enough: told the bytes so far, answers how many are needed, None while it can't tell.
        first: how many bytes are asked for at first.
        seconds: how long all of it may take.

    Returns:
        at least as many bytes as needed, or the whole file when it is shorter.

    Raises:
        DownloadFailed: as `download`; whatever `enough` raises.
    """
    deadline = time.monotonic() + seconds
    size = first
    while True:
        start = _try_again_and_again(url, deadline, partial(_read, url, size))
        needed = enough(start)
        if len(start) < size or (needed is not None and needed <= len(start)):
            return start
        size = needed if needed is not None else size * 2


def _read(url: str, size: int) -> bytes:
    # A server that knows no ranges answers 200 with everything: what is too much is not read.
    with _get(url, Range=f"bytes=0-{size - 1}") as response:
        start = b""
        for block in response.iter_content(64 * 1024):
            start += block
            if len(start) >= size:
                break
        expected = response.headers.get("Content-Length")
    if len(start) < size and expected is not None and len(start) < int(expected):
        raise _TryAgain(f"{len(start)} of {expected} bytes came")
    return start[:size]


def _get(url: str, **headers: str) -> requests.Response:
    # identity: the length that the server names is to be the length of what comes
    response = requests.get(
        url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    status = response.status_code
    if status < 400:
        return response
    response.close()
    why = f"the server answered {status} {response.reason}"
    if status >= 500 or status in _TRANSIENT_STATUS:
        raise _TryAgain(why, status)
    raise DownloadFailed(f"could not download {url}: {why}", status)


def _try_again_and_again(url: str, deadline: float, attempt: Callable[[], _T]) -> _T:
    pauses = list(PAUSES)
    while True:
        try:
            return attempt()
        except (_TryAgain, requests.exceptions.RequestException) as error:  # noqa: PERF203 - a try is a request
            if not pauses or time.monotonic() + pauses[0] > deadline:
                status = error.status if isinstance(error, _TryAgain) else None
                raise DownloadFailed(f"could not download {url}: {error}", status) from error
            logger.warning("Download of %s: %s; trying again in %s s", url, error, pauses[0])
            time.sleep(pauses.pop(0))
