"""Sessions: who a caller is."""

from __future__ import annotations

from typing import Optional

from kojid.sandbox.hub.kernel import Kernel, Request, Session


def recognize(kernel: Kernel, request: Request, method: str) -> Optional[Session]:
    """The session that a request belongs to."""
    raise NotImplementedError("sessions are not written yet")
