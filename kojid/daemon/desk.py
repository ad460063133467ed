"""What a task's process has of its daemon: a way to call it, and the ledger to leave its outcome in."""

from __future__ import annotations

import logging
import os
import time
from typing import Any, Optional

import koji

from kojid.daemon import mailbox, steps
from kojid.daemon.ledger import Ledger
from kojid.daemon.postbox import ENDED, Postbox
from kojid.daemon.records import Outcome
from kojid.metrics import tally

_log = logging.getLogger("koji.TaskManager")

# Calls after which the hub is likely to have something for this host: they wake the daemon's loop.
WAKING_CALLS = frozenset({"host.subtask", "host.subtask2", "host.taskSetWait"})
# What the daemon is told when the task gave itself back (hubs that know no refusals).
GIVEN_BACK = "back"
# What the daemon is told when the hub knows how the task ended: its parent need not wait for the process to be gone.
OVER = "over"
# Of the hub's authentication faults these tell nothing about the session's standing.
_PASSING = (koji.RetryError, koji.SequenceError, koji.AuthExpired)


class Desk:
    """Made by the daemon before the fork, used by the task's process after it.

    Args:
        ledger: the daemon's.
        task_id: the task.

    Attributes:
        daemon_knows: whether the daemon has been told that the hub knows the outcome, so that it sees to the rest.
    """

    def __init__(self, ledger: Ledger, task_id: int) -> None:
        self._ledger = ledger
        self._task_id = task_id
        self._daemon = os.getpid()
        self._postbox = Postbox(ledger.directory, task_id)
        self._at = ""
        self._since = 0.0
        self.daemon_knows = False

    def attend(self, session: Any) -> None:
        """Have the calls of the task's session tell the daemon what it should know."""
        session.after_call = self._called
        session.after_refusal = self._refused

    def _called(self, method: str, answer: Any) -> None:
        self._postbox.pass_by()
        if method in WAKING_CALLS:
            self._call("wake")
        elif method == "host.freeTasks":
            self._call(GIVEN_BACK)
        elif method == "host.newBuildRoot" and isinstance(answer, int):
            try:
                self._ledger.add_buildroot(self._task_id, answer)
            except OSError as error:
                _log.warning("buildroot %s is not in the ledger: %s", answer, error)

    def _refused(self, error: koji.GenericError) -> None:
        """The hub refused a call; when it says that the task is another's, the daemon looks at once (contract 4.5)."""
        stolen = isinstance(error, koji.AuthError) and not isinstance(error, _PASSING)
        if stolen or isinstance(error, koji.ActionNotAllowed):
            self._call("lost")

    def _call(self, word: str) -> None:
        mailbox.send(self._ledger.directory, word, self._task_id)

    def keep(self, outcome: Outcome) -> None:
        """Leave the outcome in the ledger, before the hub is told: a later daemon can still deliver it."""
        self.step("computed")
        try:
            self._ledger.save_outcome(self._task_id, outcome)
        except OSError as error:
            _log.warning("the outcome of task %s is not in the ledger: %s", self._task_id, error)
        self.step("outcome")

    def delivered(self) -> None:
        """The hub knows the outcome, or has none to take."""
        self.step("sent")
        self.daemon_knows = mailbox.post(self._ledger.directory, OVER, self._task_id)
        self._ledger.forget_outcome(self._task_id)
        self._postbox.empty(ENDED)

    def phase(self, name: str) -> None:
        """The task has begun something else."""
        self._measure(name)
        try:
            self._ledger.add_phase(self._task_id, name)
        except OSError as error:
            _log.debug("the phase %s of task %s is not in the ledger: %s", name, self._task_id, error)

    def _measure(self, name: str) -> None:
        """Count how long the task was at what it did so far; `name` is what it does next, if anything."""
        now = time.monotonic()
        if self._at:
            tally.observe("kojid_task_phase_seconds", now - self._since, self._at)
        self._at, self._since = name, now

    def leave(self) -> None:
        """The process is about to end: the daemon gets the rest of what it has counted."""
        self._measure("")
        self._postbox.empty()

    def verdict(self) -> Optional[str]:
        """Why the daemon has this task fail; None when it does not."""
        outcome = self._ledger.outcome(self._task_id)
        return outcome.reason if outcome is not None and outcome.reason else None

    def step(self, name: str) -> None:
        """A numbered step was reached."""
        steps.reached(name, self._daemon)
