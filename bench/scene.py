"""A hub with builders of both kinds on it, alike in everything but their code.

with scene(bench, hosts=("ours", "peer")) as place:
    ours, peer = place.ours("ours", sleeptime=1).start(), place.peer("peer", sleeptime=1).start()
    mark = place.tape.mark()
    ...
    calls = place.tape.calls(mark, "ours")
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

from bench.harness import Bench
from bench.places import CHECKOUT
from kojid.sandbox.hub.settings import HostSetting
from tests.support.fleet import Builder, Fleet, HostProcess, running_fleet
from tests.support.sandbox import wait_for
from tests.support.sandboxhub import LoggedCall, calls_in

#: Seconds that anything may take before a measurement gives up.
PATIENCE = 180.0
REPORT = "host.updateHost"


class Tape:
    """The calls of a hub, from its log.

    Args:
        hub_dir: where the hub keeps it.
    """

    def __init__(self, hub_dir: Path) -> None:
        self._path = hub_dir / "hub.log"

    def mark(self) -> int:
        """Now, as a place on the tape."""
        return self._path.stat().st_size

    def calls(self, mark: int = 0, user: Optional[str] = None, end: int = -1) -> List[LoggedCall]:
        """The calls since a mark, up to another or up to now, of one user or of all."""
        with self._path.open("rb") as file:
            file.seek(mark)
            text = file.read(end - mark if end >= 0 else -1).decode(errors="replace")
        whole = text[: text.rfind("\n") + 1]
        return [call for call in calls_in(whole) if user in (None, call.user)]

    def count(self, method: str, mark: int) -> int:
        """How often a method has been called since a mark: cheap enough to be asked while the clock runs."""
        with self._path.open("rb") as file:
            file.seek(mark)
            return file.read().count(method.encode())


def methods(calls: Sequence[LoggedCall]) -> List[str]:
    """Every call by its method, those that came in one request each by itself."""
    return [name for call in calls for name in (call.parts or (call.method,))]


def size(calls: Sequence[LoggedCall]) -> int:
    """The bytes of requests and answers, without the headers of HTTP."""
    return sum(call.size_in + call.size_out for call in calls)


def reports(calls: Sequence[LoggedCall]) -> List[LoggedCall]:
    """The requests by which a builder reported that it is there: one for each heartbeat."""
    return [call for call in calls if call.method == REPORT or REPORT in call.parts]


class Peer(HostProcess):
    """A `bench.peer` process."""

    def __init__(self, fleet: Fleet, host: str, options: Dict[str, Any]) -> None:
        super().__init__(fleet, host)
        usual = fleet.builder_options(host, self.dir)
        taken = ("sleeptime", "minspace", "mockdir", "mock_config_dir")
        self.server = options.pop("server", usual["server"])
        self.options = {**{name: usual[name] for name in taken}, **options}
        for name in ("mockdir", "mock_config_dir", "workdir"):
            Path(usual[name]).mkdir(parents=True, exist_ok=True)
        self.workdir = usual["workdir"]

    @property
    def log(self) -> str:
        """What it has logged so far."""
        path = self.workdir / "builder.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def launch(self) -> Peer:
        """Start it without waiting for anything."""
        hub = self.fleet.hub
        command = [sys.executable, "-m", "bench.peer", self.server, hub.certificate(self.host), hub.ca, self.workdir]
        words = [f"{name}={value}" for name, value in self.options.items()]
        self.run([*map(str, command), *words], cwd=CHECKOUT)
        return self


Either = Union[Builder, Peer]


class Scene:
    """A hub and its builders.

    Args:
        bench: the run.
        fleet: the hub and our daemons on it.
    """

    def __init__(self, bench: Bench, fleet: Fleet) -> None:
        self.bench = bench
        self.fleet = fleet
        self.hub = fleet.hub
        self.admin = fleet.admin
        self.tape = Tape(fleet.hub.settings.hub_dir)
        self.peers: List[Peer] = []

    def ours(self, host: str, **options: Any) -> Builder:
        """A daemon of this project for a host; it is not started."""
        return self.fleet.builder(host, **options)

    def peer(self, host: str, **options: Any) -> Peer:
        """A daemon of the koji library for a host; it is not started. See bench/peer.py for its options."""
        made = Peer(self.fleet, host, options)
        self.peers.append(made)
        return made

    def heartbeats(self, builder: Either, count: int, mark: int = -1) -> List[LoggedCall]:
        """Wait for so many heartbeats of a builder; returns its calls in them, from one report up to another.

        Args:
            builder: whose.
            count: how many.
            mark: from where on the tape; from now on without it.
        """
        mark = self.tape.mark() if mark < 0 else mark

        def seen() -> bool:
            return len(reports(self.tape.calls(mark, builder.host))) > count

        wait_for(seen, PATIENCE, f"{count} heartbeats of {builder.host}:\n{builder.log[-2000:]}")
        calls = self.tape.calls(mark, builder.host)
        places = [place for place, call in enumerate(calls) if call in reports([call])]
        return calls[places[0] + 1 : places[count] + 1]

    def closed(self, tasks: Sequence[int], timeout: float = PATIENCE) -> List[Dict[str, Any]]:
        """Wait for the good end of tasks and return their rows."""
        return self.fleet.all_closed(tasks, timeout)

    def task(self, host: str, method: str, *arguments: Any) -> int:
        """Make a task that is assigned to a host; returns its id."""
        return int(self.admin.makeTask(method, list(arguments), assign=host))


@contextlib.contextmanager
def scene(bench: Bench, hosts: Sequence[str], **settings: Any) -> Iterator[Scene]:
    """A hub with these hosts, each with a channel of its own; all ends with the block.

    Args:
        bench: the run.
        hosts: their names.
        settings: of the hub, in place of the usual ones.
    """
    made = tuple(HostSetting(name, channels=(name,)) for name in hosts)
    directory = Path(tempfile.mkdtemp(dir=bench.dir))
    directory.chmod(0o755)
    with running_fleet(directory, hosts=made, **settings) as fleet:
        place = Scene(bench, fleet)
        try:
            yield place
        finally:
            with contextlib.ExitStack() as stack:
                for one in place.peers:
                    stack.callback(one.stop)


def names(kind: str, count: int) -> List[str]:
    """Names of hosts: "ours1", "ours2" …"""
    return [f"{kind}{number}" for number in itertools.islice(itertools.count(1), count)]
