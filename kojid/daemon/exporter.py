"""The metrics' way out: a helper process that asks the daemon for its figures and gives them to Prometheus.

The daemon starts it when `metrics_address` or `metrics_file` is set, and again when it ends. It asks on the daemon's
local socket, so serving never holds up the loop, and the daemon has no threads that its forks would have to fear. It
alone imports prometheus-client.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from kojid.config.options import Options
from kojid.daemon.loop import Loop
from kojid.daemon.supervisor import Supervisor
from kojid.errors import ConfigError, HostFault, explain
from kojid.metrics import tally
from kojid.system.child import ExitStatus

_log = logging.getLogger("koji.build.metrics")
LIBRARY = "prometheus_client"
LOOPBACK = "127.0.0.1"
_FIRST_PAUSE = 2.0  # seconds before an exporter that has ended is started again; twice as long each time
_LONGEST_PAUSE = 300.0
_HINT = "metrics_address is [HOST:]PORT, an IPv6 address in brackets"


@dataclass(frozen=True)
class Address:
    """Where the metrics are served.

    Args:
        host: the address to listen at; empty for all.
        port: 0 for any that is free.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `metrics_address`: [HOST:]PORT, on loopback unless a host is given. Raises ConfigError."""
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or "[" in host or (not colon and host):
        raise ConfigError(f"metrics_address {text!r} can't be understood", _HINT)
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ConfigError(f"metrics_address {text!r} has no port", _HINT)
    return Address(host or LOOPBACK, int(port))


def wanted(options: Options) -> bool:
    """Whether metrics are asked for."""
    return bool(options.metrics_address or options.metrics_file)


def check(options: Options) -> List[str]:
    """What to tell the administrator at the start; at most one line.

    Raises:
        ConfigError: metrics_address is none.
    """
    if options.metrics_address:
        parse_address(options.metrics_address)
    if wanted(options) and not _installed():
        package = "python3-prometheus_client or python3-prometheus-client, or the extra kojid[metrics]"
        return [f"no metrics: prometheus-client is not installed (the package {package})"]
    return []


def _installed() -> bool:
    return importlib.util.find_spec(LIBRARY) is not None


def prepare(options: Options) -> None:
    """Begin to count, if anybody will want to know."""
    if wanted(options) and _installed():
        tally.begin()
    else:
        tally.end()


class Exporter:
    """Keeps the helper running.

    Args:
        loop: for the pauses.
        supervisor: runs the process.
        options: the daemon's settings.
        directory: the ledger's, where the daemon's socket is.
    """

    def __init__(self, loop: Loop, supervisor: Supervisor, options: Options, directory: Path) -> None:
        self._loop = loop
        self._supervisor = supervisor
        self._directory = directory
        self._address = parse_address(options.metrics_address) if options.metrics_address else None
        self._file = Path(options.metrics_file) if options.metrics_file else None
        self._interval = float(max(1, options.sleeptime))
        self._pause = _FIRST_PAUSE
        self._begun = 0.0

    def begin(self) -> None:
        """Start the process, unless nothing is counted."""
        if not tally.counting():
            return
        self._begun = time.monotonic()
        try:
            self._supervisor.help_with(self._main, "metrics", self._ended)
        except HostFault as error:
            _log.warning("the metrics are not served: %s", explain(error))
            self._again()

    def _main(self) -> None:
        from kojid.daemon import exposition  # the daemon itself has no use for the library that this imports

        exposition.serve(self._directory, self._address, self._file, self._interval)

    def _ended(self, status: ExitStatus) -> None:
        _log.warning("the process that serves the metrics %s", status.describe())
        if time.monotonic() - self._begun > _LONGEST_PAUSE:
            self._pause = _FIRST_PAUSE
        self._again()

    def _again(self) -> None:
        self._loop.at(time.monotonic() + self._pause, self.begin)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def withdraw(self) -> None:
        """The daemon ends: a file that says how it is would go on saying so."""
        if self._file is not None and tally.counting():
            with contextlib.suppress(OSError):
                self._file.unlink()


def temporary_files(path: Path) -> List[Path]:
    """What a process that was killed has left beside the file."""
    found: Optional[List[Path]] = None
    with contextlib.suppress(OSError):
        found = list(path.parent.glob(f".{path.name}.*"))
    return found or []
