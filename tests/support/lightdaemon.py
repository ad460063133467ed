"""A `bin/kojid` against a sandbox hub alone: no distribution and no mock, for what needs no build.

with running_hub(tmp_path) as hub, light_daemon(hub, tmp_path, maxjobs=2) as daemon:
    ...
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List, Optional

from tests.support.sandbox import wait_for
from tests.support.sandboxhub import CA_VARIABLES, SandboxHub

ROOT = Path(__file__).resolve().parents[2]
_REPORT = re.compile(r"^(\S+) (\S+) INFO multiCall user=(\S+) .* parts=(\S*host\.updateHost\S*)")


class LightDaemon:
    """The daemon of a hub's host, with all its directories below one of the test.

    Args:
        hub: its hub.
        directory: of the test.
        host: the name of its host on the hub.
        options: of kojid.conf.
    """

    def __init__(self, hub: SandboxHub, directory: Path, host: str = "builder", **options: Any) -> None:
        self.hub = hub
        self.host = host
        self.dir = directory / f"daemon-{host}"
        places = {name: self.dir / name for name in ("workdir", "mockdir", "mock_config_dir", "state_dir")}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        self.options = {
            "server": hub.url,
            "topurl": hub.files_url,
            "topdir": hub.topdir,
            "cert": hub.certificate(host),
            "serverca": hub.ca,
            **places,
            "log_file": self.dir / "kojid.log",
            "task_log_dir": self.dir / "tasks",
            "sleeptime": 1,
            "minspace": 0,
            "max_load": 0,  # the machine is shared with other tests
            "max_waiting": "",
            **options,
        }
        self.console = self.dir / "console.log"
        self.process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> LightDaemon:
        """Start it with --fg --debug and wait for its first cycle."""
        set_options = {name: value for name, value in self.options.items() if value != ""}
        conf = self.dir / "kojid.conf"
        conf.write_text("[kojid]\n" + "".join(f"{name} = {value}\n" for name, value in set_options.items()))
        environment = {name: value for name, value in os.environ.items() if name not in CA_VARIABLES}
        command = [sys.executable, str(ROOT / "bin/kojid"), "--fg", "--debug", "--force-lock", "-c", str(conf)]
        with self.console.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        wait_for(lambda: self._alive() and self.lines("Sleeping for"), 90, "its first cycle")
        return self

    def _alive(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log[-3000:]
        return True

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def lines(self, pattern: str) -> List[str]:
        """The lines of its output that hold a regular expression."""
        return [line for line in self.log.splitlines() if re.search(pattern, line)]

    def heartbeats(self) -> List[str]:
        """The lines of the hub's log with this host's reports, as they came."""
        found = (_REPORT.match(line) for line in self.hub.log().splitlines())
        return [match[0] for match in found if match and match[3] == self.host]

    def stop(self) -> int:
        """End it as systemd does."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)


@contextlib.contextmanager
def light_daemon(hub: SandboxHub, directory: Path, host: str = "builder", **options: Any) -> Iterator[LightDaemon]:
    """A running daemon that ends with the block."""
    daemon = LightDaemon(hub, directory, host, **options)
    try:
        yield daemon.start()
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.stop()
