"""Growing logs: what is sent of them, and how long a line takes to be on the hub."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import koji.daemon

from bench.harness import Bench, Figure, Result, Results, Target, measures, ratio
from bench.wire import Wire, latencies, wire, with_the_others
from kojid.buildroot.logs import TICK, LogStreamer, Watch
from kojid.hub.upload import Uploader

_PEER = (
    "`koji.daemon.incremental_upload` (64 KiB a call) for each log after each second of a mock call, every call "
    "beginning at the start of the logs, as in the stock daemon"
)
_MEGABYTE = 1024 * 1024
_NAMES = ("root.log", "mock_output.log")
_CALLS = 4
_SPEED = 10 * _MEGABYTE  # bytes a second that all logs grow by
_LOOK = 0.005  # seconds between two looks at the hub's copies
_LINE = b"x" * 99 + b"\n"
_HOW = (
    "two logs of 20 MB each that four mock calls append to at 10 MB/s altogether, 200 MB in five samples, fewer where "
    "there is no target; the moment of each writing is compared with the moment at which the hub's copy first reaches "
    "behind it; median of the writings"
)


def _figures(latency: int, target: Optional[Target] = None) -> Tuple[Figure, ...]:
    where = f"hub {latency} ms away"
    return (
        Figure(
            f"logs-bytes-{latency}ms",
            "bytes",
            f"bodies of the requests for 40 MB of growing logs, {where}",
            target,
            _PEER,
            how=_HOW,
            grows="with the logs' size; not with the number of mock calls, which the peer's do",
        ),
        Figure(
            f"logs-delay-{latency}ms",
            "s",
            f"written to a log that grows fast until it is on the hub, {where}",
            target,
            _PEER,
            how=_HOW,
            grows="with the time that the hub takes for a request",
        ),
        Figure(
            f"logs-requests-{latency}ms",
            "requests",
            f"requests for 40 MB of growing logs, {where}",
            None,
            _PEER,
            how=_HOW,
            grows="with the duration: at most five in two seconds for the small pieces of all logs of a task together",
        ),
    )


@measures(*_figures(0), *_figures(5), *_figures(30, ratio(0.5)))
def growing(bench: Bench) -> Results:
    """As in a build that talks a lot."""
    results: Dict[str, Result] = {}
    for latency in latencies(bench):
        with wire(bench, latency) as line:
            scene = Scene(bench, line, bench.size(10, 1) * _MEGABYTE, _SPEED)
            for name, found in bench.pairs(scene.ours, scene.peer, 5 if latency == 30 else 3).items():
                results[f"logs-{name}-{latency}ms"] = found
    return with_the_others(results)


@measures(
    Figure(
        "log-line-delay",
        "s",
        "a line every 0.7 s, written until it is on the hub, hub 30 ms away",
        ratio(0.5),
        _PEER,
        how="two logs with a line of 100 bytes each in every 0.7 s, for 17 s; median",
        grows="with the latency; a log that never stops waits for 0.4 s between two requests",
    )
)
def quiet(bench: Bench) -> Results:
    """As somebody who watches a build sees it."""
    with wire(bench, 30) as line:
        scene = Scene(bench, line, 200 * bench.size(6, 2), 2 * 100 / 0.7, pause=0.7)
        found = bench.pairs(scene.ours, scene.peer)
    return {"log-line-delay": found["delay"]}


class Scene:
    """Logs that grow, and a hub that gets them.

    Args:
        bench: the run.
        line: the hub.
        share: bytes that a mock call writes, to all logs together.
        speed: bytes a second, likewise.
        pause: seconds between two writings.
    """

    def __init__(self, bench: Bench, line: Wire, share: int, speed: float, pause: float = 0.02) -> None:
        self._bench = bench
        self._line = line
        self._share = share
        self._speed = speed
        self._pause = pause

    def ours(self) -> Dict[str, float]:
        """A sample of ours."""
        with self._line.ours() as session, self._taking() as taken:
            uploader = Uploader(session, taken.place)
            streamer = LogStreamer(uploader.block, set(), together=uploader.blocks)
            streamer.watch([Watch(str(taken.directory), "", "*.log")])
            for _call in range(_CALLS):
                with taken.mock_call() as ended:
                    streamer.begin()
                    while not ended.wait(TICK):
                        streamer.tick()
                    streamer.finish()
        return taken.results()

    def peer(self) -> Dict[str, float]:
        """A sample of the library's."""
        with self._line.library() as session, self._taking() as taken:
            for _call in range(_CALLS):
                with taken.mock_call() as ended, contextlib.ExitStack() as stack:
                    opened: Dict[str, BinaryIO] = {}
                    while True:
                        last = ended.wait(1)
                        _upload_all(session, taken, opened, stack)
                        if last:
                            break
        return taken.results()

    @contextlib.contextmanager
    def _taking(self) -> Iterator[Taken]:
        with self._line.directory() as place:
            directory = Path(tempfile.mkdtemp(dir=self._bench.dir))
            taken = Taken(self._line, place, directory, (self._share, self._speed, self._pause))
            with taken.watching():
                yield taken
            taken.check()


def _upload_all(session: Any, taken: Taken, opened: Dict[str, BinaryIO], stack: contextlib.ExitStack) -> None:
    for name in _NAMES:
        if name not in opened:
            with contextlib.suppress(FileNotFoundError):
                opened[name] = stack.enter_context((taken.directory / name).open("rb"))
        koji.daemon.incremental_upload(session, name, opened.get(name), taken.place)


class Taken:
    """One sample: the logs, who writes them, and who looks at the hub's copies."""

    def __init__(self, line: Wire, place: str, directory: Path, amounts: Tuple[int, float, float]) -> None:
        self.place = place
        self.directory = directory
        self._line = line
        self._share, self._speed, self._pause = amounts
        self._mark = line.tape.mark()
        self._written: Dict[str, List[Tuple[int, float]]] = {name: [] for name in _NAMES}
        self._seen: Dict[str, int] = dict.fromkeys(_NAMES, 0)
        self._delays: List[float] = []
        self._over = threading.Event()
        self._failures: List[BaseException] = []

    @contextlib.contextmanager
    def mock_call(self) -> Iterator[threading.Event]:
        """The logs grow; the event is set when the call has ended."""
        ended = threading.Event()
        writer = self._thread(lambda: self._write(ended))
        try:
            yield ended
        finally:
            writer.join()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """The hub's copies are looked at."""
        watcher = self._thread(self._watch)
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                self._failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def _write(self, ended: threading.Event) -> None:
        portion = max(1, round(self._speed * self._pause / len(_NAMES) / len(_LINE))) * _LINE
        begun, done = time.monotonic(), 0
        try:
            with contextlib.ExitStack() as stack:
                logs = [stack.enter_context((self.directory / name).open("ab", buffering=0)) for name in _NAMES]
                while done < self._share:
                    for name, log in zip(_NAMES, logs):
                        log.write(portion)
                        self._written[name].append((log.tell(), time.monotonic()))
                        done += len(portion)
                    ended.wait(max(0.0, begun + done / self._speed - time.monotonic()))
        finally:
            ended.set()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            self._look()
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        for name in _NAMES:
            with contextlib.suppress(FileNotFoundError):
                there = (self._line.work / self.place / name).stat().st_size
                lines = self._written[name]
                while self._seen[name] < len(lines) and lines[self._seen[name]][0] <= there:
                    self._delays.append(now - lines[self._seen[name]][1])
                    self._seen[name] += 1

    def check(self) -> None:
        """All is there, and nothing broke."""
        if self._failures:
            raise self._failures[0]
        for name in _NAMES:
            assert (self._line.work / self.place / name).read_bytes() == (self.directory / name).read_bytes(), name
            os.unlink(self.directory / name)

    def results(self) -> Dict[str, float]:
        """The sample's figures."""
        calls = self._line.calls(self._mark)
        sizes: Sequence[int] = [call.size_in for call in calls]
        return {
            "bytes": float(sum(sizes)),
            "delay": statistics.median(self._delays),
            "requests": float(len(calls)),
        }
