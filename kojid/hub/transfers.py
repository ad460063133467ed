"""Uploads of many files: small ones several to a request, others side by side (contract 7.6; 11.4, item 45).

A session makes one call at a time, in order (contract 3.4), so what goes side by side goes on subsessions: a few, for
as long as the upload takes, and only where they save more requests than they cost. Small files travel as `uploadFile`
calls of one `multiCall`, each whole in one call that the hub checks by size and sha256: the latency, and what a request
costs the hub, are paid once for all of them. What a hub does not take that way is sent as any other file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Deque, Iterator, List, Sequence, Tuple

import koji

from kojid.hub.blocks import BLOCKSIZE

if TYPE_CHECKING:
    from kojid.hub.upload import Uploader

logger = logging.getLogger("koji.daemon")

SMALL = 64 * 1024  # bytes up to which a third more of them, for base64, costs less than a request
BATCH_BYTES = 1536 * 1024  # as base64, with its XML, well below the 4 MiB that a hub takes by default
BATCH_FILES = 64  # it is one transaction for the hub
HELPERS = 3  # the most subsessions that an upload opens
_REQUESTS_PER_HELPER = 4  # a subsession costs two requests, and the others wait for the first of them
_PATIENCE = 2.0  # seconds that helpers get to stop when the upload is given up: a task that is ended has three


@dataclass(frozen=True)
class Item:
    """A file to upload.

    Args:
        name: what it is called on the hub.
        open: opens it; called once or twice, from any thread.
        subdir: directories below the upload directory.
    """

    name: str
    open: Callable[[], BinaryIO]
    subdir: str = ""

    @classmethod
    def of(cls, path: Path, name: str = "", subdir: str = "") -> Item:
        """A file that lies where nobody else writes; its own name unless one is given."""
        return cls(name or path.name, lambda: open(path, "rb", buffering=0), subdir)


def upload(uploader: Uploader, items: Sequence[Item]) -> List[str]:
    """Upload files, several at a time; see `Uploader.files`."""
    paths = [uploader.path(item.name, item.subdir) for item in items]
    _Crew(uploader, list(_jobs(_last_of_each(items, paths)))).run()
    return paths


def _last_of_each(items: Sequence[Item], paths: Sequence[str]) -> List[Item]:
    """Of items with the same path the last one, as if one had been sent after the other."""
    return list(dict(zip(paths, items)).values())


@dataclass(frozen=True)
class _Job:
    """Files for one request, or one file for several.

    Args:
        items: the files; several are small.
        requests: about how many requests they take.
    """

    items: Tuple[Item, ...]
    requests: int = 1

    def run(self, uploader: Uploader) -> None:
        items: Sequence[Item] = self.items
        if len(items) > 1:
            files = [(item.subdir, item.name, _content(item)) for item in items]
            items = [items[index] for index in uploader.together(files)]
        for item in items:
            with item.open() as source:
                uploader.file(source, item.name, subdir=item.subdir)


def _jobs(items: Sequence[Item]) -> Iterator[_Job]:
    """The largest files first, so that none is left to a single session at the end; then small ones in batches."""
    sized = sorted(((_size(item), item) for item in items), key=lambda pair: -pair[0])
    for size, item in sized:
        if size > SMALL:
            yield _Job((item,), 1 + size // BLOCKSIZE)
    batch: List[Item] = []
    room = BATCH_BYTES
    for size, item in sized:
        if size > SMALL:
            continue
        if batch and (room < size or len(batch) == BATCH_FILES):
            yield _Job(tuple(batch))
            batch, room = [], BATCH_BYTES
        batch.append(item)
        room -= size
    if batch:
        yield _Job(tuple(batch))


def _content(item: Item) -> bytes:
    with item.open() as source:
        return source.read()


def _size(item: Item) -> int:
    with item.open() as source:
        return os.fstat(source.fileno()).st_size


class _Crew:
    """Does jobs: on the session itself and, where it pays, on subsessions of it in threads of their own."""

    def __init__(self, uploader: Uploader, jobs: Sequence[_Job]) -> None:
        self._uploader = uploader
        self._session = uploader.session
        self._queue: Deque[_Job] = deque(jobs)
        self._stop = threading.Event()
        self._failures: List[BaseException] = []
        self._threads: List[Tuple[threading.Thread, Any]] = []
        requests = sum(job.requests for job in jobs)
        self._helpers = min(HELPERS, (requests - 1) // _REQUESTS_PER_HELPER, len(jobs) - 1)

    def run(self) -> None:
        """Do all jobs. Raises the first error, after all others have stopped."""
        try:
            for _ in range(self._helpers):
                if not self._queue or self._stop.is_set() or not self._begin_helper():
                    break
            self._work(self._uploader)
            for thread, _ in self._threads:
                thread.join()
            if not self._failures:
                self._work(self._uploader)  # what a helper has given back
        except BaseException:
            self._give_up()
            raise
        if self._failures:
            raise self._failures[0]

    def _begin_helper(self) -> bool:
        try:
            session = self._session.subsession()
        except (koji.GenericError, OSError) as error:
            logger.info("No subsession for uploads side by side: %s", error)
            return False
        thread = threading.Thread(target=self._help, args=(session,), name="upload", daemon=True)
        self._threads.append((thread, session))
        thread.start()
        return True

    def _help(self, session: Any) -> None:
        try:
            self._work(self._uploader.beside(session), give_back=(koji.AuthError,))
        except koji.AuthError as error:
            logger.info("A subsession for uploads has ended, the others go on: %s", error)
        except BaseException as error:
            self._failures.append(error)
            self._stop.set()
        finally:
            with contextlib.suppress(Exception):
                session.logout()
            with contextlib.suppress(Exception):
                session.close()

    def _work(self, uploader: Uploader, give_back: Tuple[Any, ...] = ()) -> None:
        while not self._stop.is_set():
            try:
                job = self._queue.popleft()
            except IndexError:
                return
            try:
                job.run(uploader)
            except give_back:
                self._queue.appendleft(job)
                raise

    def _give_up(self) -> None:
        """Whatever ends this upload ends the helpers, and their sessions on the hub."""
        self._stop.set()
        deadline = time.monotonic() + _PATIENCE
        for thread, session in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                # It hangs in a call. Without its session it can do nothing more on the hub.
                with contextlib.suppress(Exception):
                    self._session.logout(session.sinfo["session-id"])
