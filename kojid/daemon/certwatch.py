"""The client certificate while the daemon runs: once it has expired the hub refuses every new session of a task."""

from __future__ import annotations

import logging
import os
import time
from typing import Any, Dict, Optional, Tuple

from kojid.config.options import Options
from kojid.errors import LoginError
from kojid.hub import certificates

_log = logging.getLogger("koji.TaskManager")
_INTERVAL = 3600.0
_INTERVAL_IN_TROUBLE = 60.0


class CertificateWatch:
    """Looks at the certificate now and then.

    Args:
        options: the daemon's settings; a host that had no certificate at the start has logged in otherwise.
    """

    def __init__(self, options: Options) -> None:
        self._path = str(options.cert) if options.cert and os.path.exists(options.cert) else ""
        self._next = float("-inf")
        self._trouble = ""
        self._ends: Optional[float] = None
        self._warned: Tuple[str, ...] = ()

    def trouble(self) -> str:
        """What is wrong with it, in one line; empty when it is valid or there is none."""
        now = time.monotonic()
        if self._path and now >= self._next:
            self._look()
            self._next = now + (_INTERVAL_IN_TROUBLE if self._trouble else _INTERVAL)
        return self._trouble

    def known(self) -> Dict[str, Any]:
        """What is known of it: `path`, empty without one; `ends`, seconds since the epoch, if known; `trouble`."""
        return {"path": self._path, "ends": self._ends, "trouble": self._trouble}

    def _look(self) -> None:
        try:
            report = certificates.inspect_apart(self._path)
        except LoginError as error:
            self._trouble = str(error)
            return
        self._trouble, self._ends = "", report.not_after.timestamp()
        if report.warnings != self._warned:
            self._warned = report.warnings
            for warning in report.warnings:
                _log.warning("%s", warning)
