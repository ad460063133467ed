"""A hub at the end of a wire, and sessions with it: ours, and the koji library's.

with wire(bench, 30) as line:
    with line.ours() as session:
        ...
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence

import koji

from bench.harness import Bench, Result
from bench.proxy import delayed
from bench.scene import Tape
from kojid.hub.client import HubSession
from tests.support.sandboxhub import LoggedCall, SandboxHub, running_hub

_HOST = "builder"
LATENCIES = (0, 5, 30)  # milliseconds, there and back


def latencies(bench: Bench) -> Sequence[int]:
    """Those that are measured in this run: a small one looks at counts, which are the same with all of them."""
    return (5,) if bench.small else LATENCIES


def with_the_others(found: Mapping[str, Result]) -> Dict[str, Result]:
    """Results that are told as left out for the latencies that this run has not measured."""
    made = dict(found)
    for name in found:
        for latency in LATENCIES:
            head, dash, tail = name.rpartition("-")
            if dash and tail.endswith("ms"):
                made.setdefault(f"{head}-{latency}ms", Result(skipped="not in a small run"))
    return made


class Wire:
    """What a measurement wants of the hub.

    Args:
        hub: the hub.
        url: where it is reached with the wire's latency.
    """

    def __init__(self, hub: SandboxHub, url: str) -> None:
        self.hub = hub
        self.tape = Tape(hub.settings.hub_dir)
        self._url = url
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def ours(self) -> Iterator[HubSession]:
        """A session as our tasks have it, and that has made a call already."""
        yield from self._logged_in(HubSession(self._url, {**self._options(), "patient": True}))

    @contextlib.contextmanager
    def library(self) -> Iterator[koji.ClientSession]:
        """A session of the library, likewise."""
        yield from self._logged_in(koji.ClientSession(self._url, self._options()))

    def _options(self) -> Dict[str, Any]:
        return {"serverca": str(self.hub.ca), "use_fast_upload": True, "max_retries": 3, "retry_interval": 1}

    def _logged_in(self, session: Any) -> Iterator[Any]:
        session.ssl_login(str(self.hub.certificate(_HOST)), None, str(self.hub.ca))
        session.echo("here")
        try:
            yield session
        finally:
            session.logout()

    @contextlib.contextmanager
    def directory(self) -> Iterator[str]:
        """A new directory for uploads, below the hub's work directory; deleted afterwards."""
        name = f"bench/{next(self._numbers)}"
        try:
            yield name
        finally:
            shutil.rmtree(self.work / name, ignore_errors=True)

    @property
    def work(self) -> Path:
        """The hub's work directory."""
        return self.hub.topdir / "work"

    def calls(self, mark: int) -> List[LoggedCall]:
        """The requests since a mark on the tape, those that begin and end a session left out."""
        left_out = ("echo", "logout", "sslLogin")
        return [call for call in self.tape.calls(mark, _HOST) if call.method not in left_out]


@contextlib.contextmanager
def wire(bench: Bench, milliseconds: float) -> Iterator[Wire]:
    """A hub that is so many milliseconds, there and back, away; it ends with the block."""
    directory = Path(tempfile.mkdtemp(dir=bench.dir))
    with running_hub(directory) as hub, delayed(hub.url, milliseconds) as url:
        yield Wire(hub, url)
    shutil.rmtree(directory, ignore_errors=True)
