"""Telling the hub how a task ended, by the task's own process or for it by a daemon (contract 5.1)."""

from __future__ import annotations

import logging
from typing import Any, Optional

import koji

from kojid.daemon.records import Outcome

_log = logging.getLogger("koji.TaskManager")
_OVER = (koji.TASK_STATES["CLOSED"], koji.TASK_STATES["FAILED"])


def deliver(session: Any, task_id: int, method: str, outcome: Outcome) -> bool:
    """Report the outcome; when the reply was lost, the hub's own state of the task decides (contract 11.1, item 3).

    A task that was canceled or given to another host meanwhile has no outcome of ours to report: False then.
    """
    try:
        getattr(session.host, outcome.call)(*outcome.args, **outcome.kwargs)
    except koji.ActionNotAllowed as refusal:
        _log.info("task %s (%s) is no longer this host's, its outcome is dropped: %s", task_id, method, refusal)
        return False
    except koji.RetryError:
        state = _state(session, task_id)
        if state not in _OVER:
            raise
        _log.info("the reply to the end of task %s was lost; the hub has it as %s", task_id, koji.TASK_STATES[state])
    return True


def _state(session: Any, task_id: int) -> Optional[int]:
    info = session.getTaskInfo(task_id)
    return None if info is None else int(info["state"])
