"""Uploads: many small files and one big one, with the hub next door and far away."""

from __future__ import annotations

import filecmp
import os
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional

from bench.harness import Bench, Figure, Result, Results, Target, measures, ratio
from bench.wire import Wire, latencies, wire, with_the_others
from kojid.hub.transfers import Item
from kojid.hub.upload import Uploader

_PEER = "`koji.ClientSession.fastUpload`, one file after the other (blocks of 1 MiB, and a checkUpload for each file)"
_FILES, _BYTES = 500, 20_000
_MEGABYTES = 500
_MEGABYTE = 1024 * 1024
_COUNTED = "the hub's log"
_SMALL_GROWS = "with the number of files by 64, and with the latency by as many requests"
_BIG_GROWS = "with the size; with the latency by one request for each 64 MiB"


def _small(latency: int, target: Optional[Target] = None) -> Figure:
    return Figure(
        f"upload-small-{latency}ms",
        "s",
        f"upload of {_FILES} files of {_BYTES // 1000} KB, hub {latency} ms away",
        target,
        _PEER,
        how="the time of the upload of all files in one session that is logged in already; contents are compared",
        grows=_SMALL_GROWS,
    )


def _big(latency: int, target: Optional[Target] = None) -> Figure:
    return Figure(
        f"upload-big-{latency}ms",
        "s",
        f"upload of one file of {_MEGABYTES} MB, hub {latency} ms away",
        target,
        _PEER,
        how="as above; the limit is the same file by a single request, and the hub allows no two at a time",
        grows=_BIG_GROWS,
    )


_REQUESTS = (
    Figure(
        "upload-small-requests", "requests", f"requests for {_FILES} small files", None, _PEER, _COUNTED, _SMALL_GROWS
    ),
    Figure(
        "upload-big-requests", "requests", f"requests for a file of {_MEGABYTES} MB", None, _PEER, _COUNTED, _BIG_GROWS
    ),
)


@measures(_small(0), _small(5, ratio(0.3)), _small(30), _REQUESTS[0])
def small_files(bench: Bench) -> Results:
    """As the metadata of a repository, or the packages of a build with many of them."""
    count = bench.size(_FILES, 40)
    files = [_random(bench.dir / f"small{number}", _BYTES) for number in range(count)]
    results: Dict[str, Result] = {}
    for latency in latencies(bench):
        with wire(bench, latency) as line:
            found = bench.pairs(
                lambda: _ours_together(line, files), lambda: _peer(line, files), 5 if latency == 5 else 3
            )
        results[f"upload-small-{latency}ms"] = found["seconds"]
        results["upload-small-requests"] = found["requests"]
    return with_the_others(results)


@measures(_big(0), _big(5), _big(30, ratio(0.3)), _REQUESTS[1])
def big_file(bench: Bench) -> Results:
    """As an image, or a package of debug information."""
    file = _random(bench.dir / "big", bench.size(_MEGABYTES, 24) * _MEGABYTE)
    results: Dict[str, Result] = {}
    for latency in latencies(bench):
        with wire(bench, latency) as line:
            found = bench.pairs(lambda: _ours_alone(line, file), lambda: _peer(line, [file]), 5 if latency == 30 else 3)
            found["seconds"].limit = _ours_alone(line, file, file.stat().st_size)["seconds"]
        results[f"upload-big-{latency}ms"] = found["seconds"]
        results["upload-big-requests"] = found["requests"]
    return with_the_others(results)


def _random(path: Path, size: int) -> Path:
    with path.open("wb") as out:
        for begin in range(0, size, _MEGABYTE):
            out.write(os.urandom(min(_MEGABYTE, size - begin)))
    return path


def _ours_together(line: Wire, files: List[Path]) -> Dict[str, float]:
    with line.ours() as session:
        return _timed(line, files, lambda place: Uploader(session, place).files([Item.of(file) for file in files]))


def _ours_alone(line: Wire, file: Path, blocksize: Optional[int] = None) -> Dict[str, float]:
    with line.ours() as session:
        return _timed(line, [file], lambda place: Uploader(session, place, blocksize=blocksize).file(file, file.name))


def _peer(line: Wire, files: List[Path]) -> Dict[str, float]:
    with line.library() as session:
        return _timed(
            line, files, lambda place: [session.fastUpload(str(file), place, overwrite=True) for file in files]
        )


def _timed(line: Wire, files: List[Path], upload: Callable[[str], object]) -> Dict[str, float]:
    """Seconds and requests of an upload to a directory, whose outcome is compared."""
    with line.directory() as place:
        mark = line.tape.mark()
        begun = time.monotonic()
        upload(place)
        seconds = time.monotonic() - begun
        for file in files:
            assert filecmp.cmp(file, line.work / place / file.name, shallow=False), f"{file.name} differs"
        return {"seconds": seconds, "requests": float(len(line.calls(mark)))}
