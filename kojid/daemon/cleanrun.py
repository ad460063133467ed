"""A clean-up that an administrator asked for: what it takes in hand, and how far it has come."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from kojid.daemon.cleaner import Chore

GONE = "gone"  # nobody has to do it any more


@dataclass(frozen=True)
class Planned:
    """Something that goes.

    Args:
        key: what it is, in words.
        why: why it may go.
        age: seconds since it became garbage.
        paths: the directories that are removed or emptied.
    """

    key: str
    why: str
    age: float
    paths: List[str]


def planned(chore: Chore) -> Planned:
    """A chore as it is shown."""
    return Planned(chore.key, chore.why, round(chore.age, 1), [str(path) for path in chore.paths])


class Run:
    """One such clean-up; it begins with the next sweep.

    Args:
        number: tells it from others.
        dry: only list what would go.
        everything: take what has ended before its time, as when space is short.
    """

    def __init__(self, number: int, *, dry: bool, everything: bool) -> None:
        self.number = number
        self.dry = dry
        self.everything = everything
        self.trouble = ""
        self._chores: Optional[List[Planned]] = None
        self._ended: Dict[str, str] = {}

    @property
    def due(self) -> bool:
        """Whether the next sweep is to look with its eyes: until it has a list, and then until that is done."""
        if self._chores is None:
            return True
        return not (self.dry or self.done)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to wait for."""
        if self._chores is None:
            return False
        return self.dry or all(one.key in self._ended for one in self._chores)

    def offered(self, chores: Sequence[Chore], current: str) -> None:
        """A sweep found this to do; `current` is under way."""
        if self._chores is None:
            self._chores = [planned(chore) for chore in chores]
            return
        known = {chore.key for chore in chores} | {current}
        for one in self._chores:
            if one.key not in known:
                self._ended.setdefault(one.key, GONE)

    def refused(self, why: str) -> None:
        """Nothing can be said now."""
        self.trouble, self._chores = why, []

    def ended(self, key: str, *, well: bool) -> None:
        """A chore has been done, or has failed."""
        self._ended[key] = "done" if well else "failed"

    def progress(self) -> Dict[str, Any]:
        """As it is told: run, dry, listed, done, trouble, chores with key, why, age, paths and outcome."""
        chores = [{**dataclasses.asdict(one), "outcome": self._ended.get(one.key, "")} for one in self._chores or []]
        return {
            "run": self.number,
            "dry": self.dry,
            "listed": self._chores is not None,
            "done": self.done,
            "trouble": self.trouble,
            "chores": chores,
            "time": round(time.time(), 3),
        }
