"""Waiting for subtasks (contract 5.4): as the library does it, but no wake-up is lost and a time limit is one."""

from __future__ import annotations

import logging
import time
import xmlrpc.client
from typing import Any, Dict, Iterable, List, Optional, Set

import koji

from kojid.system import phases
from kojid.tasks.wakeup import Wakeup

RECHECK_SECONDS = 60.0  # a wake-up can get lost on its way here: the hub is asked at least this often

logger = logging.getLogger("koji.build.BaseTaskHandler")


class Waiting:
    """One wait of one task.

    Args:
        session: the hub.
        task_id: the task that waits.
        wakeup: what interrupts its sleep.
    """

    def __init__(self, session: Any, task_id: int, wakeup: Wakeup) -> None:
        self.session = session
        self.task_id = task_id
        self.wakeup = wakeup

    @phases.during("waiting")
    def run(
        self,
        subtasks: Optional[List[int]],
        *,
        everything: bool,
        failany: bool,
        canfail: Optional[Iterable[int]],
        timeout: Optional[float],
    ) -> Dict[int, Any]:
        """Wait; arguments as for `BaseTaskHandler.wait`."""
        self.session.host.taskSetWait(self.task_id, subtasks)
        logger.debug("Waiting on %r", subtasks)
        start = time.monotonic()
        checked = set(canfail or ())
        while True:
            # Signals up to here are about tasks that the next call reports; a later one cuts the sleep short.
            self.wakeup.clear()
            finished, unfinished = self.session.host.taskWait(self.task_id)
            if not unfinished or (finished and not everything):
                break
            if finished and failany:
                self._raise_failure(finished, checked)
            self._sleep(start, timeout)
        logger.debug("Finished waiting")
        # Told of the finished ones once, the hub has nothing to say of them when a lost reply makes it be asked again.
        awaited = subtasks if everything or not finished else finished
        return dict(self.session.host.taskWaitResults(self.task_id, awaited, canfail=canfail))

    def _raise_failure(self, finished: List[int], checked: Set[int]) -> None:
        for task in sorted(set(finished) - checked):
            try:
                self.session.getTaskResult(task)
            except (koji.GenericError, xmlrpc.client.Fault):
                logger.info("task %s failed or was canceled, cancelling unfinished tasks", task)
                self.session.cancelTaskChildren(self.task_id)
                raise
            checked.add(task)

    def _sleep(self, start: float, timeout: Optional[float]) -> None:
        pause = RECHECK_SECONDS
        if timeout:
            waited = time.monotonic() - start
            if waited >= timeout:
                logger.info("Subtasks timed out")
                self.session.cancelTaskChildren(self.task_id)
                raise koji.GenericError(f"Subtasks timed out after {waited:.1f} seconds")
            pause = min(pause, timeout - waited)
        logger.debug("Pausing...")
        if self.wakeup.sleep(pause):
            logger.debug("...waking up")
