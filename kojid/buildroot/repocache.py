"""Files of repos that this host has read, for the next task: a repo never changes under its number (contract 11.4).

A file appears under its name when it is there as a whole, begins with the checksum of its content, and counts only
while that fits: neither a crash nor another task leaves a half that is taken for the whole. Bounded in bytes and files,
those that were not asked for the longest go first. Nothing here fails a build: what can't be kept is fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

from kojid.system import locks

logger = logging.getLogger("koji.build.buildroot")

NAME = "repocache"  # below workdir
MOST_BYTES = 256 * 1024 * 1024
MOST_FILES = 200
_LOCK_SECONDS = 60.0  # another task that fetches the same is waited for, but not for ever
_ABANDONED = 3600.0  # seconds after which a half of a file, or a lock, is nobody's
_DIGEST = hashlib.sha256
_DIGEST_SIZE = _DIGEST().digest_size
_NEW, _LOCK = ".new-", ".lock"


class RepoCache:
    """One directory of them.

    Args:
        workdir: the option; the cache is a directory in it.
    """

    def __init__(self, workdir: str) -> None:
        self._directory = Path(workdir, NAME)

    def get(self, key: str, fetch: Callable[[], bytes]) -> bytes:
        """The content of a key, fetched if nobody has yet; whatever `fetch` raises.

        Args:
            key: tells this content from any other that there ever was.
            fetch: brings it.
        """
        if not self._usable():
            return fetch()
        path = self._directory / hashlib.sha256(key.encode()).hexdigest()
        content = _read(path)
        if content is None:
            with _locked(path.with_suffix(_LOCK)):
                content = _read(path)
                if content is None:
                    content = fetch()
                    self._keep(path, content)
        return content

    def _usable(self) -> bool:
        """Whether the directory is there, ours and nobody else's."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._directory.lstat()
        except OSError as error:
            logger.debug("Files of repos are not kept: %s", error)
            return False
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        if not ours:
            logger.info("Files of repos are not kept: %s is not this user's alone", self._directory)
        return ours

    def _keep(self, path: Path, content: bytes) -> None:
        if len(content) > MOST_BYTES // 4:
            return
        try:
            descriptor, name = tempfile.mkstemp(prefix=_NEW, dir=self._directory)
            try:
                with open(descriptor, "wb") as out:
                    out.write(_DIGEST(content).digest())
                    out.write(content)
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise
            self._prune()
        except OSError as error:
            logger.info("A file of a repo is not kept: %s", error)

    def _prune(self) -> None:
        """Stay within the bounds, and take away what was left half-done."""
        kept: List[Tuple[float, int, Path]] = []
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                if not path.name.startswith(_NEW) and path.suffix != _LOCK:
                    kept.append((status.st_mtime, status.st_size, path))
                elif time.time() - status.st_mtime > _ABANDONED:
                    path.unlink()
        size = sum(one[1] for one in kept)
        for count, (_, bytes_, path) in enumerate(sorted(kept)):
            if size <= MOST_BYTES and len(kept) - count <= MOST_FILES:
                break
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            size -= bytes_


def _read(path: Path) -> Optional[bytes]:
    """The content that a file has kept; None if there is none that can be trusted."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as opened:
            digest, content = opened.read(_DIGEST_SIZE), opened.read()
        if _DIGEST(content).digest() == digest:
            os.utime(path)  # it was asked for
            return content
        logger.warning("A file of a repo that was kept is damaged and fetched again")
        path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.info("A file of a repo that was kept can't be read: %s", error)
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other tasks from fetching the same meanwhile, as far as that can be had."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        logger.debug("No lock on a file of a repo: %s", error)
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            locks.take(descriptor, _LOCK_SECONDS)
        yield
    finally:
        os.close(descriptor)
