"""What `kojid top` knows between two refreshes: the picture, the figures over time, and what the user looks at."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional, Tuple

from kojid.cli.dashboard import keys
from kojid.cli.dashboard.history import History

OVERVIEW, TASK, LOG, HELP = "overview", "task", "log", "help"
_INTERVALS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class State:
    """Takes pictures and keys.

    Args:
        interval: seconds between two refreshes.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.history = History()
        self.picture: Dict[str, Any] = {}
        self.view = OVERVIEW
        self.selected: Optional[int] = None
        self.paused = False
        self.over = False
        self.due = 0.0
        self._cpu: Dict[int, Tuple[float, float]] = {}
        self.percent: Dict[int, float] = {}

    @property
    def tasks(self) -> List[Mapping[str, Any]]:
        """The tasks of the picture, in the order in which they are shown."""
        return list(self.picture.get("tasks", []))

    @property
    def task(self) -> Optional[Mapping[str, Any]]:
        """The task that is selected; None when it has ended, or none is."""
        return next((task for task in self.tasks if task["id"] == self.selected), None)

    def take(self, picture: Dict[str, Any]) -> None:
        """Go on with a new picture."""
        self.picture = picture
        now = time.monotonic()
        self.due = now + self.interval
        self._count_cpu(now)
        if self.selected is None or (self.task is None and self.view == OVERVIEW):
            self.selected = self.tasks[0]["id"] if self.tasks else None
        self.history.add(figures(picture))

    def _count_cpu(self, now: float) -> None:
        """What each task has used of a processor since the last picture, in percent."""
        used = {task["id"]: task["cpu_seconds"] for task in self.tasks if task["cpu_seconds"] is not None}
        self.percent = {
            number: max(0.0, 100 * (seconds - self._cpu[number][1]) / (now - self._cpu[number][0]))
            for number, seconds in used.items()
            if number in self._cpu and now > self._cpu[number][0]
        }
        self._cpu = {number: (now, seconds) for number, seconds in used.items()}

    def key(self, key: str) -> None:
        """Do what a key stands for."""
        if key == keys.QUIT:
            self.over = True
        elif key == " ":
            self.paused = not self.paused
        elif key == "r":
            self.due = 0.0
        elif key in "+-":
            self._pace(1 if key == "-" else -1)
        elif key in (keys.UP, keys.DOWN):
            self._move(-1 if key == keys.UP else 1)
        elif key in ("?", "h"):
            self.view = OVERVIEW if self.view == HELP else HELP
        elif key == keys.BACK:
            self.view = TASK if self.view == LOG else OVERVIEW
        elif key in (keys.ENTER, "l") and self.selected is not None:
            self.view = LOG if key == "l" else TASK

    def _pace(self, steps: int) -> None:
        slower = [one for one in _INTERVALS if one > self.interval]
        faster = [one for one in _INTERVALS if one < self.interval]
        if steps > 0 and slower:
            self.interval = slower[0]
        elif steps < 0 and faster:
            self.interval = faster[-1]
        self.due = min(self.due, time.monotonic() + self.interval)

    def _move(self, by: int) -> None:
        numbers = [task["id"] for task in self.tasks]
        if numbers:
            at = numbers.index(self.selected) if self.selected in numbers else 0
            self.selected = numbers[max(0, min(len(numbers) - 1, at + by))]


def figures(picture: Mapping[str, Any]) -> Dict[str, Optional[float]]:
    """What is plotted: load, memory in use (percent), free disk (MiB) and tasks."""
    machine = picture["machine"]
    memory = None
    if machine["memory_available_mb"] is not None:
        memory = 100 * (1 - machine["memory_available_mb"] / machine["memory_total_mb"])
    return {
        "load": machine["load"],
        "memory": memory,
        "disk": picture["room"].get("mockdir", {}).get("free_mb"),
        "tasks": float(len(picture["tasks"])),
    }
