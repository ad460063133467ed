"""Talking to the sandbox's hub as its users do: with the koji library, and with the koji client."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any, List, Optional

import koji

from kojid.errors import explain
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import ADMIN, Layout

PROFILE = "sandbox"
_CALL_SECONDS = 300


def connect(layout: Layout, server: str, user: Optional[str] = ADMIN) -> Any:
    """A session of the koji library with the hub.

    Args:
        layout: the sandbox.
        server: the hub's URL.
        user: who logs in, with the certificate of that name; None stays anonymous.

    Raises:
        SandboxError: the hub does not let the user in, or does not answer.
    """
    options = {"serverca": str(layout.ca), "timeout": _CALL_SECONDS, "max_retries": 1, "retry_interval": 1}
    session = koji.ClientSession(server, opts={**options, "anon_retry": False, "use_fast_upload": True})
    if user is None:
        return session
    try:
        session.ssl_login(str(layout.certificate(user)), None, str(layout.ca))
    except Exception as error:  # whatever the library and its HTTP client raise
        raise SandboxError(f"{user} can't log in at {server}: {explain(error)}") from error
    return session


def upload(session: Any, path: Path, directory: str) -> str:
    """Upload a file; returns its path on the hub, as tasks take it.

    Args:
        session: a hub session.
        path: the file.
        directory: on the hub, below its work directory.
    """
    with warnings.catch_warnings():
        # The library leaves the file to the garbage collector, which warns of that in development mode.
        warnings.simplefilter("ignore", ResourceWarning)
        session.uploadWrapper(str(path), directory, overwrite=True)
    return f"{directory}/{path.name}"


def client_command(layout: Layout, arguments: List[str]) -> List[str]:
    """The command line of the real koji client with the sandbox's profile.

    Raises:
        SandboxError: the client is not installed.
    """
    beside = Path(sys.executable).parent / "koji"
    if not beside.exists():
        raise SandboxError(f"the koji client is not installed: there is no {beside}", "pip install koji")
    return [sys.executable, str(beside), "-c", str(layout.client_conf), "-p", PROFILE, *arguments]
