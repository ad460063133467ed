"""Log streaming: what mock and its package manager write is on the hub while it grows, each byte once (contract 7.6).

The streamer lives as long as its buildroot, so that a log which three mock calls append to is sent once and not three
times (contract 11, item 40). Chroots are not trusted: their logs are opened beneath the root, no link is followed, and
what is no regular file is reported once and left alone (item 18). A hub that can't be reached does not fail a build.
"""

from __future__ import annotations

import contextlib
import fnmatch
import http.client
import logging
import os
import stat
import time
import xmlrpc.client
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

import koji

from kojid.buildroot.chrootfiles import open_directory
from kojid.buildroot.logfile import Send, SendTogether, Stamps, WatchedLog
from kojid.system.files import UnsafeFile

logger = logging.getLogger("koji.build.buildroot")

TICK = 0.1  # seconds between two looks at the logs; a look costs no call to the hub
GAP = 0.4  # seconds at least from one time that something was sent to the next
_REST = 4  # times as long as a call takes, the hub is left in peace after it: a slow one gets fewer and larger blocks
_LONGEST_GAP = 10.0
_ROUND = 2.0  # seconds of sending, after which whoever waits for the command has its turn
_SMALL = 64 * 1024  # bytes up to which pieces of several logs go by one request
_AFTER_TROUBLE = 1.0  # seconds, doubled each time
PATIENCE = 300.0  # seconds that the last parts of logs are worth at the end of a command
_LONGEST_PAUSE = 30.0
_REFUSALS = 5  # tries for a log that the hub answers with a fault
_MOST_TOGETHER = 16  # pieces in a request: as base64 well below what a hub takes
_MOST_LOGS = 500  # a chroot can't fill the task's directory on the hub with names
_DUPLICATES = 99

_TRANSPORT = (OSError, http.client.HTTPException, xmlrpc.client.Error)
# The hub will not take anything more from us: the task is not ours any longer, or the session is not.
_FINAL = (koji.ActionNotAllowed, koji.AuthError)
_TRANSIENT = (koji.RetryError, koji.LockError, koji.ServerOffline)


@dataclass(frozen=True)
class Watch:
    """Where logs appear.

    Args:
        base: a trusted directory.
        relative: the directory below it, which nobody need trust; empty for the base itself.
        pattern: names, as in the shell.
    """

    base: str
    relative: str
    pattern: str

    @property
    def where(self) -> str:
        """The directory in words."""
        return os.path.join(self.base, self.relative).rstrip("/")


class _Postponed(Exception):
    """The hub could not be reached; nothing else needs to be tried now."""


class LogStreamer:
    """Sends logs while they grow.

    Args:
        send: takes (name, data, offset), as `hub.upload.Uploader.block`.
        names: gets the name of each log that the hub has something of; names in it are not used again.
        stamps: directory for the companions that say when which part was written; None for no companions.
        together: takes small pieces of several logs at once, as `hub.upload.Uploader.blocks`; None if nothing does.
    """

    def __init__(
        self, send: Send, names: Set[str], stamps: Optional[str] = None, together: Optional[SendTogether] = None
    ) -> None:
        self._upload = send
        self._upload_together = together
        self._names = names
        self._taken: Set[str] = set()
        self._stamps_directory = stamps
        self._stamps: Dict[WatchedLog, Tuple[Stamps, WatchedLog]] = {}
        self._watches: List[Watch] = []
        self._logs: Dict[Tuple[Watch, str], WatchedLog] = {}
        self._reported: Set[Tuple[Watch, str]] = set()
        self._next = 0.0
        self._pause = 0.0
        self._calls: List[float] = []

    def watch(self, watches: Sequence[Watch]) -> None:
        """Look for logs in these places too; a place that is known already is not looked at twice."""
        self._watches.extend(watch for watch in watches if watch not in self._watches)

    def begin(self) -> None:
        """A command starts: the next sync is due shortly after."""
        self._next = max(self._next, time.monotonic() + TICK)

    def tick(self) -> None:
        """Sync if it is due; to be called every `TICK` seconds. Errors as for `sync`."""
        if time.monotonic() >= self._next:
            self.sync(_ROUND)

    def sync(self, most: float = float("inf")) -> bool:
        """Send what has grown: at once after a silence, else at the pace that the hub answers in.

        Args:
            most: seconds after which no other block is begun; what is left is due at once.

        Returns:
            Whether all of it got through. If not, it is tried again later, at growing intervals.

        Raises:
            koji.ActionNotAllowed, koji.AuthError: the task or the session is not ours any more.
        """
        deadline = time.monotonic() + most
        complete, left = self._round(deadline)
        if not complete:
            self._pause = min(max(self._pause, _AFTER_TROUBLE) * 2, _LONGEST_PAUSE)
        elif left or not self._calls:
            self._pause = 0.0
        else:
            self._pause = min(max(GAP, _REST * min(self._calls)), _LONGEST_GAP)
        self._next = time.monotonic() + self._pause
        return complete and not left

    def finish(self, patience: float = PATIENCE) -> None:
        """A command has ended: send the rest, with patience when the hub can't be reached. Errors as for `sync`.

        Args:
            patience: seconds after which what is still missing is given up, with an error in the daemon's log.
        """
        deadline = time.monotonic() + patience
        pause = 0.5
        while not self._round()[0]:
            if time.monotonic() + pause > deadline:
                logger.error("The hub does not take the logs; the end of some is missing there")
                break
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        for log in [*self._logs.values(), *(companion for _, companion in self._stamps.values())]:
            log.release()

    def _round(self, deadline: float = float("inf")) -> Tuple[bool, bool]:
        """Whether the hub has taken what it was sent, and whether there is more that was there at the beginning."""
        complete, more, again = True, True, False
        self._calls.clear()
        try:
            self._send_small_ones()
            while more and (not again or time.monotonic() < deadline):
                more = False
                for watch in self._watches:
                    # Trouble in one place does not keep the next from its turn, nor a long log a short one.
                    taken, left = self._visit(watch, again)
                    complete, more = complete and taken, more or left
                again = True
        except _Postponed as error:
            logger.warning("Logs can't be sent now: %s", error)
            return False, False
        return complete, more

    def _visit(self, watch: Watch, again: bool) -> Tuple[bool, bool]:
        """Send a block of each log in one place that has grown; as `_round`."""
        found: List[WatchedLog] = []
        complete, more = True, False
        try:
            with open_directory(watch.base, watch.relative) as directory:
                for log, grown in list(self._find(watch, directory)):
                    found.append(log)
                    if grown:
                        more = self._advance(watch, log, directory, again) or more
                        complete = complete and (not log.refusals or log.refusals >= _REFUSALS)
        except FileNotFoundError:
            pass  # mock has not made it yet, or has removed it
        except OSError as error:
            self._report(watch, "", f"{watch.where} can't be searched for logs: {error.strerror}")
            return True, False
        for (place, _), log in self._logs.items():
            if place == watch and log not in found:
                log.gone()
        return complete, more

    def _send_small_ones(self) -> None:
        """Send by one request what several logs have grown by, if it is little; what is not taken stays for later."""
        if self._upload_together is None:
            return
        grown: List[Tuple[WatchedLog, bytes]] = []
        for watch in self._watches:
            with contextlib.suppress(OSError), open_directory(watch.base, watch.relative) as directory:
                for log, changed in list(self._find(watch, directory)):
                    if changed and not log.refusals:
                        with contextlib.suppress(UnsafeFile, OSError):
                            grown.append((log, log.pending(directory, _SMALL + 1)))
        small = [(log, data) for log, data in grown if 0 < len(data) <= _SMALL][:_MOST_TOGETHER]
        if len(small) < 2:
            return
        with self._timed():
            refused = self._upload_together([(log.name, data, log.position) for log, data in small])
        for index, (log, data) in enumerate(small):
            if index not in refused:
                log.position += len(data)
                self._names.add(log.name)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        except _TRANSPORT as error:
            raise _Postponed(str(error)) from error
        self._calls.append(time.monotonic() - begun)

    def _find(self, watch: Watch, directory: int) -> Iterator[Tuple[WatchedLog, bool]]:
        """The logs in one place, and whether there is anything new of each."""
        with os.scandir(directory) as entries:
            matching = [
                entry
                for entry in entries
                if fnmatch.fnmatchcase(entry.name, watch.pattern) and not entry.name.startswith(".")
            ]
            names = sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in matching)
        for name, status in names:
            log = self._logs.get((watch, name))
            if not stat.S_ISREG(status.st_mode):
                self._report(watch, name, "is a link or no regular file; it is not sent")
            elif log is not None:
                yield log, log in self._stamps or not log.unchanged(status)
            elif self._acceptable(watch, name):
                yield self._add(watch, name), True

    def _acceptable(self, watch: Watch, name: str) -> bool:
        if name.endswith("-ts.log"):
            return self._report(watch, name, "has the name of a companion log; it is not sent")
        if not name.isprintable():
            return self._report(watch, name, "has a name that can't be shown; it is not sent")
        if len(self._logs) >= _MOST_LOGS:
            return self._report(watch, "", f"there are more than {_MOST_LOGS} logs; the others are not sent")
        if self._free_name(name) is None:
            return self._report(watch, name, "shares its name with too many others; it is not sent")
        return True

    def _report(self, watch: Watch, name: str, text: str) -> bool:
        """Say once what is wrong with a file or (with an empty name) a place; never acceptable."""
        if (watch, name) not in self._reported:
            self._reported.add((watch, name))
            logger.error("%s", f"log {watch.where}/{name!a} {text}" if name else text)
        return False

    def _free_name(self, name: str) -> Optional[str]:
        stem, suffix = os.path.splitext(name)
        candidates = [name] + [f"{stem}.DUP{number:02d}{suffix}" for number in range(_DUPLICATES)]
        taken = self._taken | self._names
        return next((candidate for candidate in candidates if candidate not in taken), None)

    def _add(self, watch: Watch, filename: str) -> WatchedLog:
        name = self._free_name(filename) or filename
        self._taken.add(name)
        log = self._logs[watch, filename] = WatchedLog(name, filename, watch.where)
        logger.debug("Watching %s as %s", log.label, name)
        if self._stamps_directory is not None:
            stamps = Stamps(log, self._stamps_directory)
            self._stamps[log] = stamps, WatchedLog(stamps.filename, stamps.filename, self._stamps_directory)
        return log

    def _advance(self, watch: Watch, log: WatchedLog, directory: int, again: bool) -> bool:
        """Send a block of a log, and of its companion; whether there is more."""
        more = False
        try:
            more = self._send_grown(log, directory, again)
            if log in self._stamps and self._stamps_directory is not None:
                stamps, companion = self._stamps[log]
                stamps.update()
                with open_directory(self._stamps_directory) as trusted:
                    self._send_grown(companion, trusted, again=False)
        except UnsafeFile as error:
            self._report(watch, log.filename, str(error))
        except FileNotFoundError:
            log.gone()
        except OSError as error:
            self._report(watch, log.filename, f"can't be read: {error.strerror}")
        return more

    def _send_grown(self, log: WatchedLog, directory: int, again: bool) -> bool:
        if log.refusals >= _REFUSALS:
            return False
        try:
            more = log.advance(directory, self._send, again=again)
            log.refusals = 0
            return more
        except _FINAL as error:
            if not isinstance(error, _TRANSIENT):
                raise
            raise _Postponed(str(error)) from error
        except UnsafeFile:
            raise
        except koji.GenericError as error:
            if isinstance(error, _TRANSIENT):
                raise _Postponed(str(error)) from error
            log.refusals += 1
            logger.error("The hub does not take %s (try %d): %s", log.label, log.refusals, error)
            return False

    def _send(self, name: str, data: bytes, offset: int) -> None:
        with self._timed():
            self._upload(name, data, offset)
        self._names.add(name)


def follow(send: Send, log: str, names: Optional[Set[str]] = None) -> LogStreamer:
    """A streamer for one log that a command of the builder itself writes, such as createrepo.log.

    Args:
        send: as for `LogStreamer`.
        log: path of the file, in a trusted directory; it need not exist yet.
        names: gets the name when the hub has something of it.
    """
    streamer = LogStreamer(send, set() if names is None else names)
    streamer.watch([Watch(os.path.dirname(log), "", os.path.basename(log))])
    streamer.begin()
    return streamer
