"""The log of a checkout: it is on the hub while it grows (contract 8.4)."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import time
import xmlrpc.client
from pathlib import Path
from typing import Any, Optional

import koji

from kojid.hub.client import HubSession
from kojid.hub.upload import Uploader

logger = logging.getLogger("koji.build.SCM")

_INTERVAL = 1.0  # seconds
_LONGEST_PAUSE = 30.0
_BLOCK = 1024 * 1024
_TRANSPORT = (OSError, http.client.HTTPException, xmlrpc.client.Error)
_TRANSIENT = (koji.RetryError, koji.LockError, koji.ServerOffline)
# The hub will not take anything more from us: the task is not ours any longer, or the session is not.
_FINAL = (koji.ActionNotAllowed, koji.AuthError)


class LogFeed:
    """Sends a log while commands write it; a hub that can't be reached fails no checkout.

    Args:
        path: the log, in a trusted directory.
        session: the hub; None for a log that is not sent.
        uploadpath: the directory on the hub, below its work directory.
    """

    def __init__(self, path: Path, session: Optional[Any], uploadpath: Optional[str]) -> None:
        self.path = path
        self._session = session
        self._uploader = Uploader(session, uploadpath) if session is not None and uploadpath else None
        self._sent = 0
        self._next = 0.0
        self._pause = _INTERVAL

    def tick(self) -> None:
        """Send what has grown, if it is due. Raises koji.ActionNotAllowed or koji.AuthError as `finish`."""
        if time.monotonic() >= self._next:
            self._send(patient=False)

    def finish(self) -> None:
        """Send the rest, as patiently as any other call.

        Raises:
            koji.ActionNotAllowed, koji.AuthError: the task or the session is not ours any more.
        """
        self._send(patient=True)

    def _send(self, *, patient: bool) -> None:
        if self._uploader is None or not self.path.exists():
            return
        hasty = isinstance(self._session, HubSession) and not patient
        try:
            with self._session.overriding(patient=False) if hasty else contextlib.nullcontext():  # type: ignore[union-attr]
                self._send_grown(self._uploader)
            self._pause = _INTERVAL
        except _FINAL as error:
            if not isinstance(error, _TRANSIENT):
                raise
            self._later(error)
        except (koji.GenericError, *_TRANSPORT) as error:
            self._later(error)
        self._next = time.monotonic() + self._pause

    def _later(self, error: BaseException) -> None:
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        logger.warning("%s can't be sent now: %s", self.path.name, error)

    def _send_grown(self, uploader: Uploader) -> None:
        with open(self.path, "rb") as log:
            if os.fstat(log.fileno()).st_size < self._sent:
                self._sent = 0  # somebody has begun it anew
            log.seek(self._sent)
            for data in iter(lambda: log.read(_BLOCK), b""):
                uploader.block(self.path.name, data, self._sent)
                self._sent += len(data)
