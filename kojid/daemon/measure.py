"""How big the buildroots on this host are: measured by a helper process when somebody asks, and kept on disk.

A chroot holds some hundred thousand files, so the sizes shown may be minutes old; each comes with its time.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict

from kojid.daemon import buildroots
from kojid.daemon.supervisor import Supervisor
from kojid.errors import HostFault, explain
from kojid.system import priority
from kojid.system.child import ExitStatus
from kojid.system.diskusage import disk_usage
from kojid.system.files import write_atomic

_log = logging.getLogger("koji.build.measure")
_NAME = "sizes.json"
_FRESH = 10.0  # seconds for which nothing is measured again
_REST = 20.0  # times as long as the last round took, nothing is measured either


@dataclass(frozen=True)
class Size:
    """How much a directory takes.

    Args:
        bytes: on disk.
        measured: when, seconds since the epoch.
    """

    bytes: int
    measured: float


class Measure:
    """Has the buildroots measured, at the lowest priority, one round at a time.

    Args:
        supervisor: runs the process.
        mockdir: where the buildroots are.
        ledger: where the sizes are kept.
    """

    def __init__(self, supervisor: Supervisor, mockdir: str, ledger: Path) -> None:
        self._supervisor = supervisor
        self._mockdir = Path(mockdir)
        self._ledger = ledger
        self._not_before = float("-inf")
        self.running = False

    def ask(self) -> None:
        """Begin a round, unless one is under way or the last one is not long ago."""
        begun = time.monotonic()
        if self.running or begun < self._not_before:
            return

        def ended(_status: ExitStatus) -> None:
            now = time.monotonic()
            self.running = False
            self._not_before = now + max(_FRESH, _REST * (now - begun))

        try:
            self._supervisor.help_with(lambda: measure(self._mockdir, self._ledger), "measure", ended)
        except HostFault as error:
            _log.debug("%s", explain(error))
        else:
            self.running = True


def measure(mockdir: Path, ledger: Path) -> None:
    """Measure every buildroot below `mockdir` and keep what was found; in a process of its own."""
    priority.step_back()
    found: Dict[str, Any] = {}
    for name in sorted(os.listdir(mockdir)) if mockdir.is_dir() else []:
        directory = mockdir / name
        if buildroots.of_name(name) is not None and directory.is_dir() and not directory.is_symlink():
            found[name] = {"bytes": disk_usage(directory), "measured": round(time.time(), 3)}
    write_atomic(ledger / _NAME, json.dumps(found) + "\n", 0o600, sync=False)


def sizes(ledger: Path) -> Dict[str, Size]:
    """What was found last, by directory name."""
    try:
        found = json.loads((ledger / _NAME).read_text(encoding="utf-8"))
        return {name: Size(int(one["bytes"]), float(one["measured"])) for name, one in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
