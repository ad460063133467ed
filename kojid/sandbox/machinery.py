"""The two processes of a sandbox: the hub and the builder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import koji

from kojid.sandbox import client
from kojid.sandbox.configuration import Urls
from kojid.sandbox.content import machine_arch
from kojid.sandbox.hub.files import FILES_PATH
from kojid.sandbox.hub.server import FILES_PORT_FILE, PORT_FILE
from kojid.sandbox.hub.settings import HostSetting, Settings
from kojid.sandbox.hub.wire import HUB_PATH
from kojid.sandbox.layout import ADMIN, BUILDER, Layout
from kojid.sandbox.requirements import environment
from kojid.sandbox.services import Service
from kojid.system.child import Child

_ADDRESS = "127.0.0.1"
_START_SECONDS = 30.0
_HUB_END_SECONDS = 15.0
_BUILDER_END_SECONDS = 60.0  # it ends its tasks first
_PACKAGE = Path(__file__).resolve().parents[1]


def python_environment() -> Dict[str, str]:
    """The environment of the sandbox's own Python processes: they find the package that this code is of."""
    made = environment()
    given = [made["PYTHONPATH"]] if made.get("PYTHONPATH") else []
    made["PYTHONPATH"] = os.pathsep.join([str(_PACKAGE.parent), *given])
    return made


def builder_program() -> List[str]:
    """How the daemon is called: the checkout's launcher, or the module where the package is installed."""
    launcher = _PACKAGE.parent / "bin" / "kojid"
    return [str(launcher)] if launcher.exists() else [sys.executable, "-m", "kojid.cli.main"]


class Hub:
    """The hub's process.

    Args:
        layout: the sandbox.
        settings: what it is started with; None takes the sandbox's usual ones.
    """

    def __init__(self, layout: Layout, settings: Optional[Settings] = None) -> None:
        self.layout = layout
        self.settings = settings or usual_settings(layout)
        self.service = Service("hub", layout.run_dir / "hub.json", layout.log_dir / "hub-console.log")

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers.

        Raises:
            SandboxError: it does not come up.
        """
        if self.service.pid() is None:
            wanted = self.layout.run_dir / "hub-settings.json"
            wanted.write_text(self.settings.dump())
            command = [sys.executable, "-m", "kojid.sandbox.hub", "--dir", str(self.layout.dir)]
            (self.layout.hub_dir / "pid").unlink(missing_ok=True)
            self.service.start([*command, "--settings", str(wanted)], python_environment())
        self.service.wait_until(self._answers, _START_SECONDS)

    def stop(self) -> bool:
        """End it; returns whether it was running."""
        return self.service.stop(_HUB_END_SECONDS)

    def urls(self) -> Urls:
        """Where it answers; the ports are kept over restarts."""
        return known_urls(self.layout)

    def connect(self, user: Optional[str] = ADMIN) -> Any:
        """A session of a user, or with None an anonymous one."""
        return client.connect(self.layout, self.urls().server, user)

    def _answers(self) -> bool:
        if not (self.layout.hub_dir / "pid").exists() or not (self.layout.hub_dir / PORT_FILE).exists():
            return False
        session = self.connect(None)
        try:
            return bool(session.getAPIVersion() == koji.API_VERSION)
        except (OSError, koji.GenericError):
            return False
        finally:
            session.rsession.close()


def known_urls(layout: Layout) -> Urls:
    """Where the hub answers, or answered when it ran last.

    Raises:
        FileNotFoundError: it never ran.
    """
    port = (layout.hub_dir / PORT_FILE).read_text().strip()
    files_port = (layout.hub_dir / FILES_PORT_FILE).read_text().strip()
    return Urls(f"https://{_ADDRESS}:{port}{HUB_PATH}", f"http://{_ADDRESS}:{files_port}{FILES_PATH}")


def usual_settings(layout: Layout, extra: Optional[Mapping[str, Any]] = None) -> Settings:
    """The hub's settings in a sandbox: short intervals, one admin, one build host.

    Args:
        layout: the sandbox.
        extra: settings that take the place of these, by name.
    """
    arch = machine_arch()
    values: Dict[str, Any] = {
        "users": {ADMIN: ("admin",)},
        "hosts": (
            HostSetting(BUILDER, arches=arch, channels=("default", "createrepo", "maven", "runroot"), capacity=8.0),
        ),
        "run_interval": 0.2,
    }
    values.update(extra or {})
    return Settings(dir=layout.dir, **values)


class Builder:
    """The daemon's process.

    Args:
        layout: the sandbox.
        console: file that takes what it prints.
    """

    def __init__(self, layout: Layout, console: str = "kojid-console.log") -> None:
        self.layout = layout
        self.service = Service("builder", layout.run_dir / "builder.json", layout.log_dir / console)

    def start(self) -> Child:
        """Start the daemon in the foreground of a process of its own.

        With --force-lock, as its systemd unit does: a builder that was killed has left its lock on the hub.

        Raises:
            SandboxError: it runs already, or can't be started.
        """
        command = [*builder_program(), "--fg", "--debug", "--force-lock", "-c", str(self.layout.kojid_conf)]
        return self.service.start(command, environment())

    def wait_until_ready(self, session: Any, since: float, host: str = BUILDER) -> None:
        """Wait until the hub has heard from the builder that it takes tasks.

        Args:
            session: a hub session.
            since: reports before this time (seconds since the epoch) do not count.
            host: the build host.

        Raises:
            SandboxError: it does not get there; with the last lines of what it printed.
        """

        def ready() -> bool:
            row = session.getHost(host, strict=True)
            return bool(row["ready"] and row["update_ts"] and row["update_ts"] >= since)

        self.service.wait_until(ready, _START_SECONDS)

    def stop(self) -> bool:
        """End it, with its tasks; returns whether it was running."""
        return self.service.stop(_BUILDER_END_SECONDS)
