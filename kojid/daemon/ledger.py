"""The ledger: what runs here and under which hub session, on disk before it runs (design, decision 7).

::

    state_dir/ledger/     0700, and every file 0600: the session's key opens the hub to whoever reads it
        lock              held by the daemon that uses the ledger
        session.json      the daemon's hub session
        restart           there while a graceful restart waits for the tasks to end
    events            the socket on which tasks call the daemon
        tasks/N.json      a task's process
        tasks/N.outcome   how it ended, written before the hub is told
        tasks/N.roots     ids of the buildroots that it made, one a line
        tasks/N.phases    what it was at from when on, one a line
        control           the socket on which `kojid status` and its like ask the daemon
        sizes.json        how big the buildroots were when they were last measured

Each file is replaced as a whole, so that a reader after a crash finds the old one or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from pathlib import Path
from typing import List, Optional, Type, TypeVar

from kojid.daemon import records
from kojid.daemon.records import Outcome, Phase, RecordError, SessionRecord, TaskRecord
from kojid.errors import ConfigError, KojidError
from kojid.system.files import write_atomic

_log = logging.getLogger("koji.build.ledger")
_MODE = 0o600
_UNFINISHED_SECONDS = 600.0  # a file that is still under its temporary name then will never get its own
_PAUSE = 0.1  # seconds between two tries for the lock
Record = TypeVar("Record")


class LedgerInUse(KojidError):
    """Another daemon uses this ledger."""


class Ledger:
    """The records below one directory.

    Args:
        directory: `ledger` in `state_dir`; made when missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._tasks = directory / "tasks"
        self._session = directory / "session.json"
        self._restart = directory / "restart"
        self._lock: Optional[int] = None

    def open(self, seconds: float = 0) -> None:
        """Make the directories and take the lock; call it again after a fork, which loses the lock.

        Args:
            seconds: how long to wait for a daemon that uses it.

        Raises:
            ConfigError: the directory can't be made or written.
            LedgerInUse: another daemon uses it.
        """
        try:
            self._tasks.mkdir(parents=True, exist_ok=True, mode=0o700)
            for directory in (self.directory, self._tasks):
                directory.chmod(0o700)
            self.close()
            self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise ConfigError(
                f"state_dir cannot be used, {self.directory}: {error.strerror}", "set state_dir to a place of its own"
            ) from error
        deadline = time.monotonic() + seconds
        while not _locked(self._lock):
            if time.monotonic() >= deadline:
                self.close()
                raise LedgerInUse(
                    f"another kojid uses {self.directory}",
                    "end it, or give this one a state_dir of its own; --force-lock takes over from one on this host",
                )
            time.sleep(_PAUSE)
        self._tidy()

    def _tidy(self) -> None:
        """Remove what writers that were killed have left behind; living tasks may be writing just now."""
        oldest = time.time() - _UNFINISHED_SECONDS
        for directory in (self.directory, self._tasks):
            for path in directory.glob(".*"):
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()

    def close(self) -> None:
        """Give the lock back; the records stay."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def session(self) -> Optional[SessionRecord]:
        """The hub session that the last daemon had; None when it logged out."""
        return self._read(SessionRecord, self._session)

    def save_session(self, record: SessionRecord) -> None:
        """Keep the hub session. Raises OSError."""
        write_atomic(self._session, records.dump(record), _MODE)

    def forget_session(self) -> None:
        """The session has ended."""
        _unlink(self._session)

    def plan_restart(self) -> None:
        """Note that a graceful restart is due, which a crash of the daemon must not make it forget. Raises OSError."""
        write_atomic(self._restart, "", _MODE)

    def restart_planned(self) -> bool:
        """Whether a graceful restart is due."""
        return self._restart.exists()

    def forget_restart(self) -> None:
        """It is done, or the host is told to stop."""
        _unlink(self._restart)

    def tasks(self) -> List[TaskRecord]:
        """Every task on record, by id; damaged records are named in the log and put aside."""
        found = [self._read(TaskRecord, path) for path in self._tasks.glob("*.json")]
        return sorted((one for one in found if one is not None), key=lambda one: one.task_id)

    def save_task(self, record: TaskRecord) -> None:
        """Keep a task. Raises OSError."""
        self._write(self._tasks / f"{record.task_id}.json", records.dump(record))

    def forget_task(self, task_id: int) -> None:
        """Nothing of a task is left: its record goes, last of all that is kept of it."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._tasks):
                if name.startswith(f".{task_id}."):  # of a writer that was killed: none is left
                    _unlink(self._tasks / name)
        for kind in ("phases", "roots", "outcome", "json"):
            _unlink(self._tasks / f"{task_id}.{kind}")

    def outcome(self, task_id: int) -> Optional[Outcome]:
        """How a task ended, as long as the hub may not know; None when there is nothing to tell."""
        return self._read(Outcome, self._tasks / f"{task_id}.outcome")

    def save_outcome(self, task_id: int, outcome: Outcome) -> None:
        """Keep how a task ended. Raises OSError."""
        self._write(self._tasks / f"{task_id}.outcome", records.dump(outcome))

    def forget_outcome(self, task_id: int) -> None:
        """The hub knows."""
        _unlink(self._tasks / f"{task_id}.outcome")

    def add_buildroot(self, task_id: int, buildroot_id: int) -> None:
        """Note that a task made a buildroot. Raises OSError."""
        self._append(self._tasks / f"{task_id}.roots", str(buildroot_id))

    def buildroots(self, task_id: int) -> List[int]:
        """Ids of the buildroots that a task made."""
        try:
            text = (self._tasks / f"{task_id}.roots").read_text(encoding="ascii", errors="replace")
        except OSError:
            return []
        return [int(word) for word in text.split() if word.isdigit()]

    def add_phase(self, task_id: int, name: str) -> None:
        """Note that a task has begun a phase. Raises OSError."""
        self._append(self._tasks / f"{task_id}.phases", f"{time.time():.3f} {name}")

    def phases(self, task_id: int) -> List[Phase]:
        """What a task was at, in its order; its last one is what it is at."""
        try:
            lines = (self._tasks / f"{task_id}.phases").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [phase for phase in map(records.phase_of, lines) if phase is not None]

    @staticmethod
    def _append(path: Path, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        with open(os.open(path, flags, _MODE), "a", encoding="utf-8") as out:
            out.write(f"{line}\n")

    @staticmethod
    def _write(path: Path, text: str) -> None:
        """Write what is of use as long as the machine runs: no process outlives it, so the disk is not waited for."""
        write_atomic(path, text, _MODE, sync=False)

    def _read(self, kind: Type[Record], path: Path) -> Optional[Record]:
        try:
            return records.parse(kind, path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.error("%s can't be read: %s", path, error.strerror)
            return None
        except (RecordError, UnicodeDecodeError) as error:
            _log.error("%s can't be used, it is put aside as .damaged: %s", path, error)
            with contextlib.suppress(OSError):
                os.replace(path, path.with_name(f"{path.name}.damaged"))
            return None


def _locked(descriptor: int) -> bool:
    """Take the lock: a record lock, which no child inherits, so that no task keeps it for a daemon that is gone."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlink(path: Path) -> None:
    """Remove a file, or say why it stays: a record too many is found out, a daemon that ends over it is not."""
    try:
        path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.error("%s can't be removed: %s", path, error.strerror)
