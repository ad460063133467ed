"""What stock kojid leaves for ever (contract 11.1, item 12): buildroots that have no configuration here or that the hub
does not know, mounts in dead buildroots, working directories of dead tasks, old logs of tasks.

Each has a delay of its own. What is found becomes chores; nothing is removed here.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import AbstractSet, Any, Dict, Iterator, List, Mapping, Optional, Sequence

import koji

from kojid.config.options import Options
from kojid.daemon import buildroots, tasklog, workdirs
from kojid.daemon.buildroots import Local
from kojid.daemon.cleaner import Chore
from kojid.daemon.shortage import Shortage
from kojid.daemon.supervisor import Supervisor

_log = logging.getLogger("koji.TaskManager")
_LONGEST_INTERVAL = 600.0
_SHORT_INTERVAL = 30.0
_SHORT_LIFETIME = 600.0  # seconds since its last change after which a dead task's garbage goes when room is short
_LOG_INTERVAL = 3600.0
_EXPIRED = koji.BR_STATES["EXPIRED"]


class Leftovers:
    """Finds them, every ten minutes, or more often where a delay is short.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
        supervisor: knows the tasks that run here.
        shortage: with little room, what is garbage for certain does not wait for its time.
    """

    def __init__(self, session: Any, options: Options, supervisor: Supervisor, shortage: Shortage) -> None:
        self._session = session
        self._options = options
        self._supervisor = supervisor
        self._shortage = shortage
        self._mockdir = Path(options.mockdir)
        delays = (options.stray_buildroot_lifetime, options.workdir_lifetime, options.stale_mount_delay)
        self._interval = min([_LONGEST_INTERVAL, *(delay / 4 for delay in delays if delay > 0)])
        self._next = float("-inf")
        self._logs_swept = float("-inf")
        self._mounted_since: Dict[str, float] = {}
        self._found: List[Chore] = []
        self._early = False

    def chores(
        self,
        configured: Sequence[Local],
        active: AbstractSet[int],
        open_tasks: AbstractSet[int],
        *,
        early: Optional[bool] = None,
    ) -> List[Chore]:
        """What is due.

        Args:
            configured: the buildroots that have a configuration.
            active: ids of the hub's buildroots of this host that are not expired.
            open_tasks: ids of this host's open tasks.
            early: look now; and if it is true, as when room is short.
        """
        self._early = bool(early)
        if early is not None:
            return self._look(configured, active, open_tasks, asked=True)  # of which nothing is kept
        if time.monotonic() >= self._next:
            short = self._shortage.in_mockdir() or self._shortage.in_workdir()
            self._next = time.monotonic() + (min(self._interval, _SHORT_INTERVAL) if short else self._interval)
            self._found = self._look(configured, active, open_tasks, asked=False)
        return self._found

    def _look(
        self, configured: Sequence[Local], active: AbstractSet[int], open_tasks: AbstractSet[int], *, asked: bool
    ) -> List[Chore]:
        return [
            *self._strays(configured, active),
            *self._mounts(active),
            *self._workdirs(open_tasks),
            *self._logs(asked=asked),
        ]

    def unknown(self, broot: Local) -> List[Chore]:
        """The removal of a configured buildroot that the hub does not know as retired, when it is old enough."""
        found = buildroots.directories(self._mockdir, broot)
        age = time.time() - buildroots.changed(broot, found)
        if not 0 < self._options.stray_buildroot_lifetime <= age:
            return []
        return [self._removal(broot, found, age)]

    def _removal(self, broot: Local, found: List[Path], age: float) -> Chore:
        key, why = f"stray buildroot {broot.name}", "nobody uses it, and no task of this host does"
        return Chore(key, age, lambda: buildroots.remove_unused(broot, found), self._again, why, found)

    def _again(self) -> None:
        """Something of what was found is gone: look anew."""
        self._next = float("-inf")

    def _gone(self, key: str) -> None:
        """One of many of its kind is gone: it is not offered again, and after the last one there may be more."""
        self._found = [chore for chore in self._found if chore.key != key]
        if not self._found:
            self._again()

    def _strays(self, configured: Sequence[Local], active: AbstractSet[int]) -> Iterator[Chore]:
        lifetime = self._options.stray_buildroot_lifetime
        if lifetime <= 0:
            return
        short = self._early or self._shortage.in_mockdir()
        early = min(lifetime, _SHORT_LIFETIME) if short else lifetime
        owners = buildroots.owners(self._options.mockuser)
        old: Dict[Local, float] = {}
        for broot in buildroots.without_config(self._mockdir, {one.name for one in configured}, owners):
            age = time.time() - buildroots.changed(broot, buildroots.directories(self._mockdir, broot))
            if broot.id not in active and age >= early:
                old[broot] = age
        rows = self._ask(list(old))
        for broot, age in old.items():
            # Only the hub's word makes one garbage for certain, before its lifetime is over.
            if (age >= lifetime or broot.id in rows) and self._is_over(broot, rows.get(broot.id)):
                yield self._removal(broot, buildroots.directories(self._mockdir, broot), age)

    def _ask(self, found: List[Local]) -> Dict[int, Mapping[str, Any]]:
        """The hub's rows of buildroots, by id; those that it does not know are missing."""
        if not found:
            return {}
        return {row["id"]: row for row in self._session.listBuildroots(buildrootID=[broot.id for broot in found])}

    def _is_over(self, broot: Local, row: Optional[Mapping[str, Any]]) -> bool:
        """Whether the hub's row of a buildroot, if there is one, says that it is no longer used, and no task does."""
        if row is None:
            return True
        if row["state"] != _EXPIRED or self._supervisor.job_of(row["task_id"]) is not None:
            return False
        return _name_of(row) in (None, broot.name)

    def _mounts(self, active: AbstractSet[int]) -> Iterator[Chore]:
        """Mounts in buildroots that the hub has as expired, the delay counted from when they were first seen.

        One that the hub does not know may be another hub's: it is left to the removal of strays, which looks closer.
        """
        delay = self._options.stale_mount_delay
        if delay <= 0:
            return
        now = time.monotonic()
        mounted = buildroots.mounted(self._mockdir)
        candidates = {name: broot for name, broot in mounted.items() if broot.id not in active}
        self._mounted_since = {name: self._mounted_since.get(name, now) for name in candidates}
        old = [broot for name, broot in candidates.items() if now - self._mounted_since[name] >= delay]
        rows = self._ask(old)
        for broot in [broot for broot in old if broot.id in rows and self._is_over(broot, rows[broot.id])]:
            yield self._unmounting(broot, now - self._mounted_since[broot.name])

    def _unmounting(self, broot: Local, age: float) -> Chore:
        found = buildroots.directories(self._mockdir, broot)
        why = "something is mounted in a buildroot that is over"
        return Chore(f"mounts in buildroot {broot.name}", age, lambda: buildroots.unmount(found), self._again, why)

    def _workdirs(self, open_tasks: AbstractSet[int]) -> Iterator[Chore]:
        lifetime = self._options.workdir_lifetime
        if lifetime <= 0:
            return
        if self._early or self._shortage.in_workdir():
            lifetime = min(lifetime, _SHORT_LIFETIME)

        def in_use(task_id: int) -> bool:
            return task_id in open_tasks or self._supervisor.job_of(task_id) is not None

        for path, age in workdirs.left(self._options.workdir, lifetime, time.time(), in_use):
            yield self._workdir_removal(path, age)

    def _workdir_removal(self, path: Path, age: float) -> Chore:
        key, why = f"working directory {path}", "its task does not run here"
        return Chore(key, age, lambda: workdirs.remove_unused(path), lambda: self._gone(key), why, [path])

    def _logs(self, *, asked: bool) -> Iterator[Chore]:
        """Every hour, whatever there is; when somebody asks, only if there is something."""
        directory, lifetime = self._options.task_log_dir, self._options.task_log_lifetime
        old = tasklog.old(directory, lifetime) if asked else []
        if not directory or not (old or (not asked and time.monotonic() - self._logs_swept >= _LOG_INTERVAL)):
            return

        def swept() -> None:
            self._logs_swept = time.monotonic()
            self._again()

        why = "the logs that were last written before task_log_lifetime"
        yield Chore("old logs of tasks", 0.0, lambda: _sweep(directory, lifetime), swept, why, old)


def _sweep(directory: str, lifetime: float) -> None:
    tasklog.sweep(directory, lifetime)


def _name_of(row: Mapping[str, Any]) -> Optional[str]:
    """The name that the hub's row of a buildroot gives it on its host; None where the row does not tell."""
    if row.get("tag_name") is None or row.get("repo_id") is None:
        return None
    return f"{row['tag_name']}-{row['id']}-{row['repo_id']}"
