"""Buildroots that are no longer needed: expired on the hub, then removed from disk (contract 4.6).

What the hub says of a retired buildroot no longer changes once its task has ended, so it is asked until then and never
again. Deleting happens in processes of its own; the loop goes on meanwhile (contract 11.1, item 5).
"""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set

import koji

from kojid.config.options import Options
from kojid.daemon import tasklog
from kojid.daemon.supervisor import Supervisor
from kojid.system import files, mounts, storage
from kojid.system.child import ExitStatus

_log = logging.getLogger("koji.TaskManager")
_EXPIRED = koji.BR_STATES["EXPIRED"]
_HEAD_LINES = 10
_ID = re.compile(r"^# Koji buildroot id: (\d+)\s*$")
_NAME = re.compile(r"^# Koji buildroot name: (\S+)\s*$")
_LOG_SWEEP_INTERVAL = 3600.0
_CONTENT = ("result", "results")
_MOST_DELETIONS = 2  # at once: a start finds the buildroots of a day, and builds need the disk, too
_ENDED = {koji.TASK_STATES[name] for name in ("CLOSED", "CANCELED", "FAILED")}


@dataclass(frozen=True)
class Local:
    """A buildroot of which this host still has the configuration."""

    id: int
    name: str
    config: Path


@dataclass(frozen=True)
class Retired:
    """What the hub knows of a buildroot that is not in use."""

    task_id: int
    retire_ts: float
    task_state: int


class Housekeeping:
    """Sweeps the buildroots of this host.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
        supervisor: runs the deleting processes.
    """

    def __init__(self, session: Any, options: Options, supervisor: Supervisor) -> None:
        self._session = session
        self._options = options
        self._supervisor = supervisor
        self._retired: Dict[int, Retired] = {}
        self._settled: Set[int] = set()
        self._busy: Set[int] = set()
        self._emptied: Set[int] = set()
        self._logs_swept = 0.0

    def update(self, active: Sequence[Mapping[str, Any]], open_tasks: Iterable[int]) -> None:
        """One sweep; `active` are the hub's rows of this host's buildroots that are not expired."""
        self._expire_strays(active, set(open_tasks))
        local = scan(Path(self._options.mock_config_dir))
        _log.debug("Local buildroots: %d", len(local))
        _log.debug("Active buildroots: %d", len(active))
        in_use = {row["id"] for row in active}
        stray = [broot for broot in local if broot.id not in in_use]
        _log.debug("Expired/stray buildroots: %d", len(stray))
        self._learn(stray)
        for broot in stray:
            self._consider(broot)
        self._sweep_logs()

    def _expire_strays(self, active: Sequence[Mapping[str, Any]], open_tasks: Set[int]) -> None:
        for row in active:
            if row["task_id"] is None:
                _log.warning("Expiring taskless buildroot: %s/%s/%s", row["id"], row["tag_name"], row["arch"])
            elif row["task_id"] not in open_tasks:
                _log.info("Expiring buildroot: %s/%s/%s", row["id"], row["tag_name"], row["arch"])
            else:
                continue
            self._session.host.setBuildRootState(row["id"], _EXPIRED)

    def _learn(self, stray: List[Local]) -> None:
        """Ask the hub, in two calls, about the buildroots of which it may have something new to say."""
        open_questions = [broot for broot in stray if broot.id not in self._settled]
        if not open_questions:
            return
        rows = {row["id"]: row for row in self._session.listBuildroots(buildrootID=[one.id for one in open_questions])}
        retired = [row for row in rows.values() if row.get("retire_ts") and row.get("task_id")]
        infos = self._session.getTaskInfo([row["task_id"] for row in retired]) if retired else []
        for row, info in zip(retired, infos):
            if info:
                self._retired[row["id"]] = Retired(row["task_id"], row["retire_ts"], info["state"])
                # A buildroot retires just before its task ends: only the task's last state tells whether it failed.
                if info["state"] in _ENDED:
                    self._settled.add(row["id"])
        for broot in open_questions:
            self._tell_of_unknown(broot, rows.get(broot.id))

    def _tell_of_unknown(self, broot: Local, row: Optional[Mapping[str, Any]]) -> None:
        """Say once that a buildroot is left alone; one that came up since the hub made its list is no news."""
        if broot.id in self._retired or (row is not None and row["state"] != _EXPIRED):
            return
        self._settled.add(broot.id)
        _log.warning("left alone: buildroot %s is not known to the hub as retired", broot.name)

    def _consider(self, broot: Local) -> None:
        """Keep a buildroot, empty it, or remove it, by its age (contract 4.6, step 3)."""
        retired = self._retired.get(broot.id)
        if retired is None or broot.id in self._busy:
            return
        age = time.time() - retired.retire_ts
        if self._keep_failed(retired, age):
            _log.debug("Keeping failed buildroot: %s", broot.name)
            return
        directories = self._directories(broot)
        age = min([age, *(time.time() - root.stat().st_mtime for root in _roots(directories))])
        if age > self._options.buildroot_final_cleanup_delay:
            self._delete(broot, lambda: remove(broot, directories))
        elif age > self._options.buildroot_basic_cleanup_delay:
            self._empty(broot, directories)
        else:
            _log.debug("Recent buildroot: %s: %d seconds", broot.name, age)

    def _empty(self, broot: Local, directories: List[Path]) -> None:
        if broot.id in self._emptied:
            return
        if not is_empty(directories) and not self._delete(broot, lambda: empty(directories)):
            return
        self._emptied.add(broot.id)

    def _keep_failed(self, retired: Retired, age: float) -> bool:
        if retired.task_state != koji.TASK_STATES["FAILED"] or age >= self._options.failed_buildroot_lifetime:
            return False
        try:
            return storage.free_space_mb(self._options.mockdir) >= int(self._options.minspace)
        except OSError:
            return True

    def _directories(self, broot: Local) -> List[Path]:
        base = Path(self._options.mockdir)
        both = (base / broot.name, base / f"{broot.name}-bootstrap")
        return [directory for directory in both if directory.is_dir()]

    def _delete(self, broot: Local, work: Callable[[], None]) -> bool:
        """Start a deletion, or leave it to a later sweep when enough of them are under way."""
        if len(self._busy) >= _MOST_DELETIONS:
            return False
        self._busy.add(broot.id)

        def done(status: ExitStatus) -> None:
            self._busy.discard(broot.id)
            if not status.ok:
                _log.warning("buildroot %s could not be removed: see above; trying again later", broot.name)
                self._emptied.discard(broot.id)

        _log.info("Removing buildroot: %s", broot.name)
        self._supervisor.help_with(work, name=f"cleanup {broot.name}", done=done)
        return True

    def _sweep_logs(self) -> None:
        if time.monotonic() - self._logs_swept > _LOG_SWEEP_INTERVAL:
            self._logs_swept = time.monotonic()
            tasklog.sweep(self._options.task_log_dir, self._options.task_log_lifetime)


def _roots(directories: List[Path]) -> List[Path]:
    return [directory / "root" for directory in directories if (directory / "root").is_dir()]


def scan(directory: Path) -> List[Local]:
    """The buildroots whose configuration lies in `directory`, by ascending id; files without both marks are skipped."""
    found = [parse(config) for config in directory.glob("*.cfg")]
    return sorted((broot for broot in found if broot is not None), key=lambda broot: broot.id)


def parse(config: Path) -> Optional[Local]:
    """Read the identification lines of a mock configuration (contract 4.6, step 2)."""
    try:
        with config.open(encoding="utf-8", errors="replace") as text:
            head = [line for _, line in zip(range(_HEAD_LINES), text)]
    except OSError as error:
        _log.warning("%s can't be read: %s", config, error.strerror)
        return None
    ids = [match.group(1) for match in map(_ID.match, head) if match]
    names = [match.group(1) for match in map(_NAME.match, head) if match]
    if not ids or not names or os.sep in names[0]:
        return None
    return Local(int(ids[0]), names[0], config)


def is_empty(directories: Sequence[Path]) -> bool:
    """Whether `empty` has nothing to do, as after a restart."""
    if any(os.listdir(root) for root in _roots(list(directories))):
        return False
    return not any((directory / name).exists() for directory in directories for name in _CONTENT)


def empty(directories: Sequence[Path]) -> None:
    """Delete what is in the chroots and their results; the empty `root` stays (contract 4.6)."""
    for directory in directories:
        mounts.unmount_under(directory)
        for root in _roots([directory]):
            files.empty_tree(root)
        for name in _CONTENT:
            files.remove_tree(directory / name)


def remove(broot: Local, directories: Sequence[Path]) -> None:
    """Delete a buildroot whole, its configuration last, so that an interrupted deletion is taken up again."""
    for directory in directories:
        mounts.unmount_under(directory)
        files.remove_tree(directory)
    broot.config.unlink()
