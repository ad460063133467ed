"""Telling systemd how the daemon is: ready, busy with what, alive, stopping. Without systemd, all this does nothing."""

from __future__ import annotations

import importlib
import logging
import os
import time
from typing import Any, Optional

logger = logging.getLogger("koji.build.notify")


def _load() -> Any:
    try:
        return importlib.import_module("systemd.daemon")
    except ImportError:
        return None


daemon = _load()


def available() -> bool:
    """Whether there is a systemd that listens, and the means to talk to it."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return False
    if daemon is None:
        logger.debug("systemd waits for news, but the Python module `systemd` is not installed")
        return False
    return True


def _tell(*lines: str) -> None:
    if not available():
        return
    try:
        daemon.notify("\n".join(lines))
    except OSError as error:  # its socket is gone; no reason to stop building
        logger.debug("systemd could not be told %s: %s", lines[0], error)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def ready(text: str = "") -> None:
    """The start is over and work can come; `text` is the first status."""
    _tell("READY=1", *([f"STATUS={_one_line(text)}"] if text else []))


def reloading(text: str = "") -> None:
    """The program begins anew in place; `ready` ends it. Systemd wants to know when it was, by the monotonic clock."""
    moment = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    _tell("RELOADING=1", f"MONOTONIC_USEC={moment}", *([f"STATUS={_one_line(text)}"] if text else []))


def status(text: str) -> None:
    """What `systemctl status` shows, in one line."""
    _tell(f"STATUS={_one_line(text)}")


def stopping(text: str = "") -> None:
    """The daemon has begun to shut down."""
    _tell("STOPPING=1", *([f"STATUS={_one_line(text)}"] if text else []))


def extend_timeout(seconds: float) -> None:
    """Ask for more time to start or stop, counted from now."""
    _tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")


def alive() -> None:
    """Feed the watchdog."""
    _tell("WATCHDOG=1")


def watchdog_interval() -> Optional[float]:
    """Seconds after which systemd gives this process up unless `alive` was called; None without a watchdog."""
    pid = os.environ.get("WATCHDOG_PID")
    text = os.environ.get("WATCHDOG_USEC", "")
    if (pid and pid != str(os.getpid())) or not text.isdigit() or text == "0":
        return None
    return int(text) / 1_000_000
