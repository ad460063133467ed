"""Buildroots that are no longer needed: expired on the hub, then removed from disk (contract 4.6).

What the hub says of a retired buildroot no longer changes once its task has ended, so it is asked until then and never
again. Deleting happens in a process of its own; the loop goes on meanwhile (contract 11.1, item 5).
"""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set

import koji

from kojid.config.options import Options
from kojid.daemon import buildroots
from kojid.daemon.buildroots import Local
from kojid.daemon.cleaner import Chore, Cleaner
from kojid.daemon.cleanrun import Run
from kojid.daemon.leftovers import Leftovers
from kojid.daemon.probes import Probes
from kojid.daemon.shortage import Shortage
from kojid.daemon.supervisor import Supervisor
from kojid.daemon.warmroots import WarmRoots
from kojid.metrics import tally

_log = logging.getLogger("koji.TaskManager")
_EXPIRED = koji.BR_STATES["EXPIRED"]
_ENDED = {koji.TASK_STATES[name] for name in ("CLOSED", "CANCELED", "FAILED")}


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
        supervisor: runs the deleting process.
        probes: what the file systems have left.
        on_event: called when space was made that tasks wait for.
    """

    def __init__(
        self, session: Any, options: Options, supervisor: Supervisor, probes: Probes, on_event: Callable[[], None]
    ) -> None:
        self._session = session
        self._options = options
        self._probes = probes
        self._on_event = on_event
        self._supervisor = supervisor
        self._cleaner = Cleaner(supervisor, options.mockdir, self._chore_ended)
        self._shortage = Shortage(options, probes)
        self._leftovers = Leftovers(session, options, supervisor, self._shortage)
        self._warm = WarmRoots(session, options)
        self._mockdir = Path(options.mockdir)
        self._retired: Dict[int, Retired] = {}
        self._settled: Set[int] = set()
        self._emptied: Set[int] = set()
        self._freed = float("-inf")
        self._writable = True
        self._local: List[Local] = []
        self._active: Dict[int, Mapping[str, Any]] = {}
        self._since: Dict[int, float] = {}
        self._run: Optional[Run] = None
        self._runs = 0

    def update(self, active: Sequence[Mapping[str, Any]], open_tasks: Iterable[int]) -> None:
        """One sweep; `active` are the hub's rows of this host's buildroots that are not expired."""
        mine = set(open_tasks)
        self._expire_strays(active, mine)
        local = buildroots.scan(Path(self._options.mock_config_dir))
        _log.debug("Local buildroots: %d", len(local))
        _log.debug("Active buildroots: %d", len(active))
        in_use = {row["id"] for row in active}
        self._local, self._active = local, {row["id"]: row for row in active}
        stray = [broot for broot in local if broot.id not in in_use]
        _log.debug("Expired/stray buildroots: %d", len(stray))
        run = self._run if self._run is not None and self._run.due else None
        self._notice_recovery()
        if self._probes.answer("mockdir").room is None:
            if run is not None:
                run.refused(f"{self._mockdir} is missing or does not answer: nothing in there can be judged")
            return
        self._learn(stray)
        stray = [broot for broot in stray if not self._is_being_ended(broot, mine)]
        early = run is not None and run.everything
        chores = [chore for broot in stray for chore in self._consider(broot, early=early)]
        chores += self._leftovers.chores(local, in_use, mine, early=None if run is None else early)
        chores += self._warm.chores(early=None if run is None else early)
        if run is not None:
            run.offered(chores, self._cleaner.current)
        if run is None or not run.dry:
            self._cleaner.offer([*chores, *(self._make_room(stray) or self._warm.spares())])

    def _notice_recovery(self) -> None:
        """What failed for the file system's sake need not wait for its next try once that is mended."""
        room = self._probes.answer("mockdir").room
        writable = room is not None and not room.read_only
        if writable and not self._writable:
            self._cleaner.forgive()
        self._writable = writable

    def clean(self, *, dry: bool, everything: bool) -> Run:
        """Have the next sweep do, or with `dry` only list, all that is due, whatever failed before.

        Args:
            dry: change nothing.
            everything: what has ended goes before its time, as when space is short.
        """
        self._runs += 1
        self._run = Run(self._runs, dry=dry, everything=everything)
        if not dry:
            _log.info("A clean-up was asked for%s", ", of all that has ended" if everything else "")
            self._cleaner.forgive()
        self._on_event()
        return self._run

    @property
    def run(self) -> Optional[Run]:
        """The clean-up that was asked for last."""
        return self._run

    @property
    def current(self) -> str:
        """What is being cleaned up now; empty when nothing is."""
        return self._cleaner.current

    def _chore_ended(self, key: str, well: bool) -> None:
        tally.count("kojid_cleanups_total", "ok" if well else "failed")
        if self._run is not None and self._run.due:
            self._run.ended(key, well=well)

    def fates(self) -> List[Dict[str, Any]]:
        """The buildroots that have a configuration here, as of the last sweep: name, id, task, fate, due.

        `due` is when the next thing happens to it, seconds since the epoch, None when that is not known.
        """
        return [{"name": broot.name, "id": broot.id, **self._fate(broot)} for broot in self._local]

    def _fate(self, broot: Local) -> Dict[str, Any]:
        if broot.id in self._active:
            return {"task": self._active[broot.id]["task_id"], "fate": "in use", "due": None}
        retired = self._retired.get(broot.id)
        if retired is None:
            known = broot.id in self._settled
            return {"task": None, "fate": "not known to the hub" if known else "not looked at yet", "due": None}
        options, since = self._options, self._since.get(broot.id, retired.retire_ts)
        fate, delay = "to be emptied", options.buildroot_basic_cleanup_delay
        if broot.id in self._emptied:
            fate, delay = "emptied, to be removed", options.buildroot_final_cleanup_delay
        due = since + delay
        if retired.task_state == koji.TASK_STATES["FAILED"]:
            kept = retired.retire_ts + options.failed_buildroot_lifetime
            fate, due = ("kept, its task failed", kept) if kept > time.time() else (fate, max(due, kept))
        return {"task": retired.task_id, "fate": fate, "due": round(due)}

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
        _log.warning("left alone for now: buildroot %s is not known to the hub as retired", broot.name)

    def _is_being_ended(self, broot: Local, open_tasks: Set[int]) -> bool:
        """Whether the hub has taken its task away and the processes of the task are still here."""
        retired = self._retired.get(broot.id)
        if retired is None or retired.task_id in open_tasks:
            return False
        return self._supervisor.job_of(retired.task_id) is not None

    def _consider(self, broot: Local, *, early: bool = False) -> Iterator[Chore]:
        """Keep a buildroot, empty it, or remove it, by its age (contract 4.6, step 3); `early` only removes."""
        retired = self._retired.get(broot.id)
        if retired is None:
            if broot.id in self._settled:
                yield from self._leftovers.unknown(broot)
            return
        age = time.time() - retired.retire_ts
        if early and retired.task_state in _ENDED:
            yield self._removal(broot, age)
            return
        if retired.task_state == koji.TASK_STATES["FAILED"] and age < self._options.failed_buildroot_lifetime:
            _log.debug("Keeping failed buildroot: %s", broot.name)
            return
        found = buildroots.directories(self._mockdir, broot)
        age = min([age, *(time.time() - root.stat().st_mtime for root in buildroots.roots(found))])
        self._since[broot.id] = time.time() - age
        if age > self._options.buildroot_final_cleanup_delay:
            yield self._removal(broot, age)
        elif age > self._options.buildroot_basic_cleanup_delay:
            yield from self._emptying(broot, found, age)
        elif broot.id not in self._emptied:
            _log.debug("Recent buildroot: %s: %d seconds", broot.name, age)

    def _emptying(self, broot: Local, found: List[Path], age: float) -> Iterator[Chore]:
        if broot.id in self._emptied:
            return
        if buildroots.is_empty(found):
            self._emptied.add(broot.id)
            return
        done = self._emptied.add
        key, why = f"content of buildroot {broot.name}", self._why(broot)
        yield Chore(key, age, lambda: buildroots.empty(found), lambda: done(broot.id), why, buildroots.roots(found))

    def _removal(self, broot: Local, age: float, done: Callable[[], None] = lambda: None) -> Chore:
        found = buildroots.directories(self._mockdir, broot)
        return Chore(
            f"buildroot {broot.name}", age, lambda: buildroots.remove(broot, found), done, self._why(broot), found
        )

    def _why(self, broot: Local) -> str:
        retired = self._retired[broot.id]
        return f"its task {retired.task_id} is {koji.TASK_STATES[retired.task_state].lower()}"

    def _make_room(self, stray: Sequence[Local]) -> List[Chore]:
        """With little space left: a warm root goes, or the oldest buildroot of an ended task, then the next one."""
        if not self._is_short():
            return []
        for chore in self._warm.oldest():
            if self._cleaner.willing(chore.key):
                return [dataclasses.replace(chore, done=self._room_made)]
        over = [broot for broot in stray if self._is_over(broot)]
        for broot in sorted(over, key=lambda broot: self._retired[broot.id].retire_ts):
            chore = self._removal(broot, time.time() - self._retired[broot.id].retire_ts, self._room_made)
            if self._cleaner.willing(chore.key):
                _log.info("Space is short: buildroot %s goes before its time", broot.name)
                return [chore]
        return []

    def _is_over(self, broot: Local) -> bool:
        retired = self._retired.get(broot.id)
        return retired is not None and retired.task_state in _ENDED

    def _is_short(self) -> bool:
        """Whether space or inodes are short, as of after the last time that room was made."""
        return self._probes.answer("mockdir").asked > self._freed and self._shortage.in_mockdir()

    def _room_made(self) -> None:
        self._freed = time.monotonic()
        self._on_event()
