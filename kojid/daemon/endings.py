"""Process trees on their way to an end, several at once, carried on by the loop (contract 4.7)."""

from __future__ import annotations

import logging
import signal
import time
from typing import Callable, Dict, List, Optional, Tuple

from kojid.config.options import Options
from kojid.daemon import score
from kojid.daemon.loop import Loop
from kojid.errors import explain
from kojid.system.cgroups import Group
from kojid.system.termination import Termination

_log = logging.getLogger("koji.TaskManager")
_AGAIN_SECONDS = 1.0  # when the machine has no file descriptor to look at its processes
_FIRST_REMOVAL, _LONGEST_REMOVAL = 1.0, 60.0  # a group is there as long as the kernel holds a process of it


class Endings:
    """Those under way.

    Args:
        loop: carries them on.
        options: the time limits.

    Attributes:
        steps: the signals that end a task, each with the seconds that it gives.
    """

    def __init__(self, loop: Loop, options: Options) -> None:
        self.steps = steps_of(options)
        self._loop = loop
        self._under_way: Dict[Termination, Optional[int]] = {}  # with the task

    def begin(self, ending: Termination, task_id: Optional[int], then: Callable[[], None], leak: str = "") -> None:
        """Begin one, of a task or of nobody's processes; `then` is called when it is over, whatever is left.

        `leak` is the kind of leak that it is if there was anybody to end; empty for none.
        """

        def over() -> None:
            score.ended_by_force(ending, leak)
            then()

        self._under_way[ending] = task_id
        self._advance(ending, over)

    def _advance(self, ending: Termination, then: Callable[[], None]) -> None:
        try:
            again = ending.advance(time.monotonic())
        except OSError as error:
            _log.error("process %s can't be ended now, trying again: %s", ending.pid, explain(error))
            again = time.monotonic() + _AGAIN_SECONDS
        if again is not None:
            self._loop.at(again, lambda: self._advance(ending, then))
            return
        del self._under_way[ending]
        if ending.leftover:
            _log.error("these processes do not end: %s", ending.leftover)
        then()

    def remove(self, group: Group, pause: float = _FIRST_REMOVAL) -> None:
        """Take a control group away, as soon as the kernel lets go of what does not end."""
        if not group.remove():
            later = min(pause * 2, _LONGEST_REMOVAL)
            self._loop.at(time.monotonic() + pause, lambda: self._remove_later(group, later))

    def _remove_later(self, group: Group, pause: float) -> None:
        group.kill()
        self.remove(group, pause)

    def under_way(self, ending: Termination) -> bool:
        """Whether this one is not over."""
        return ending in self._under_way

    def of_task(self, task_id: int) -> bool:
        """Whether one of a task is not over."""
        return task_id in self._under_way.values()

    def busy(self) -> bool:
        """Whether any is not over."""
        return bool(self._under_way)


def steps_of(options: Options) -> List[Tuple[int, float]]:
    """The signals that end a task, each with the seconds that it gives (contract 4.7)."""
    return [
        (signal.SIGINT, float(options.task_int_timeout)),
        (signal.SIGTERM, float(options.task_term_timeout)),
        (signal.SIGKILL, float(options.task_kill_timeout)),
    ]
