"""Warm roots that are no longer worth their room: of repos that are over, not used for long, or too many.

Beside that, copies of those that are in use, made beforehand where copying takes time. The hub is asked about their
repos every few minutes, all in one request; what it says of a repo that has expired does not change any more. Without
`warm_buildroots` all of them go.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

import koji

from kojid.buildroot import warmtrees
from kojid.buildroot.warmstore import Store, Warm, directory_of
from kojid.config.options import Options
from kojid.daemon.cleaner import Chore
from kojid.system.storage import free_space_mb
from kojid.system.treecopy import shares_blocks

_log = logging.getLogger("koji.TaskManager")
_INTERVAL = 30.0
_ASK_INTERVAL = 300.0
_LATELY = 3600.0  # seconds since it was made or used for which a spare copy is kept ready
_MIB = 1024 * 1024


class WarmRoots:
    """Finds them.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
    """

    def __init__(self, session: Any, options: Options) -> None:
        self._session = session
        self._options = options
        self._store = Store(directory_of(options))
        self._next = float("-inf")
        self._ask_next = float("-inf")
        self._over: Dict[int, str] = {}
        self._found: List[Chore] = []
        self._spared: Dict[str, float] = {}
        self._shared: Optional[bool] = None

    def chores(self, *, early: Optional[bool] = None) -> List[Chore]:
        """What is due.

        Args:
            early: look now; and if it is true, all that nobody uses goes.
        """
        if early is not None:
            return self._look(everything=early)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._found = self._look(everything=False)
        return self._found

    def oldest(self) -> List[Chore]:
        """All of them, for when space is short, the one first that was not used for the longest time."""
        return [self._removal(warm, "space is short") for warm in self._store.found()]

    def spares(self) -> List[Chore]:
        """Copies to be made beforehand, of roots that are in use: a buildroot then gets one by a rename.

        Where the file system shares blocks a copy takes no time, and none is made beforehand.
        """
        if not self._options.warm_buildroots:
            return []
        roots = self._store.found()
        room = self._options.warm_buildroots_max_mb or float("inf")
        room -= sum(warm.bytes / _MIB for warm in roots)
        wanted = [warm for warm in reversed(roots) if self._wants_spare(warm) and warm.bytes / _MIB <= room]
        return [self._spare(warm) for warm in wanted[:1] if not self._cheap()]

    def _cheap(self) -> bool:
        """Whether copies take no time here; asked of the file system once."""
        if self._shared is None:
            try:
                self._shared = shares_blocks(self._store.directory, Path(self._options.mockdir))
            except OSError as error:
                _log.info("No spare copies are made of warm roots: %s", error)
                self._shared = True
        return self._shared

    def _wants_spare(self, warm: Warm) -> bool:
        if warm.about is None or not warm.usable or warm.spare is not None or warm.about.repo_id in self._over:
            return False
        return time.time() - warm.used < _LATELY and self._spared.get(warm.path.name) != warm.used

    def _spare(self, warm: Warm) -> Chore:
        name, used, options = warm.path.name, warm.used, self._options

        def done() -> None:
            self._spared = {**self._spared, name: used}

        # After everything that is garbage: its age is none.
        return Chore(
            f"a spare copy of warm root {name}", -1.0, lambda: _make_spare(name, options), done, doing="Making"
        )

    def _look(self, *, everything: bool) -> List[Chore]:
        roots = self._store.found()
        if self._options.warm_buildroots and not everything:
            self._ask({warm.about.repo_id for warm in roots if warm.about is not None})
        due = reasons(roots, self._options, self._over, everything=everything)
        chores = [self._removal(warm, due[warm.path]) for warm in roots if warm.path in due]
        return chores + [self._remains(path) for path in self._store.remains()]

    def _ask(self, repos: Set[int]) -> None:
        """Learn which repos are over; those that the hub does not know are."""
        self._over = {number: why for number, why in self._over.items() if number in repos}
        unknown = sorted(repos - set(self._over))
        if not unknown or time.monotonic() < self._ask_next:
            return
        self._ask_next = time.monotonic() + _ASK_INTERVAL
        try:
            with self._session.multicall(strict=True) as calls:
                answers = {number: calls.repoInfo(number) for number in unknown}
        except koji.RetryError as error:  # the answer was lost on its way; there is no hurry
            _log.debug("The answer about the repos of warm roots was lost: %s", error)
            return
        for number, answer in answers.items():
            state = "unknown to the hub" if answer.result is None else koji.REPO_STATES[answer.result["state"]].lower()
            if state not in ("init", "ready"):
                self._over[number] = f"repo {number} is {state}"

    def _removal(self, warm: Warm, why: str) -> Chore:
        what = f" ({warm.about.what})" if warm.about is not None else ""
        key = f"warm root {warm.path.name}{what}"
        path, age = warm.path, max(0.0, time.time() - warm.used)
        return Chore(key, age, lambda: self._store.remove(path), self._again, why, [path])

    def _remains(self, path: Path) -> Chore:
        why = "whoever was making or removing it is gone"
        return Chore(f"half a warm root {path.name}", 0.0, lambda: self._store.remove(path), self._again, why, [path])

    def _again(self) -> None:
        self._next = float("-inf")


def reasons(roots: Sequence[Warm], options: Options, over: Mapping[int, str], *, everything: bool) -> Dict[Path, str]:
    """Why which of the warm roots go.

    Args:
        roots: those that are there, the one first that was not used for the longest time.
        options: the daemon's settings.
        over: why which repos are over.
        everything: all of them go.
    """
    due = {warm.path: _reason(warm, options, over, everything=everything) for warm in roots}
    due = {path: why for path, why in due.items() if why}
    most = options.warm_buildroots_max_mb
    left = [warm for warm in roots if warm.path not in due]
    total = sum(warm.bytes / _MIB for warm in left)
    for warm in left:
        if not 0 < most < total:
            break
        due[warm.path] = f"together they take more than {most} MB"
        total -= warm.bytes / _MIB
    return due


def _reason(warm: Warm, options: Options, over: Mapping[int, str], *, everything: bool) -> str:
    age, lifetime = time.time() - warm.used, options.warm_buildroots_lifetime
    if not options.warm_buildroots:
        return "warm_buildroots is off"
    if not warm.usable or warm.about is None:
        return "it is damaged, or from before the last start of the machine"
    if warm.about.repo_id in over:
        return over[warm.about.repo_id]
    if 0 < lifetime < age:
        return f"it was not used for {lifetime} s"
    return "it can be made again" if everything else ""


def _make_spare(name: str, options: Options) -> None:
    """In the helper process: copy a warm root for the next buildroot, if there is room."""
    store = Store(directory_of(options))
    warm = next((one for one in store.found() if one.path.name == name), None)
    if warm is None:
        return
    if free_space_mb(store.directory) - warm.bytes // _MIB < options.minspace * 5 // 4:
        return
    limit = float(options.command_timeout)
    store.make_spare(name, lambda source, place, lock: warmtrees.copy_trees(source, place, limit, lock))
