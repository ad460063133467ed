"""Opening tasks: opening, weight, request and subsession of all that are taken, in one request."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

import koji

from kojid.errors import explain
from kojid.hub.calls import past_a_lost_reply
from kojid.hub.causes import explain_call_error, is_broken_off

_log = logging.getLogger("koji.TaskManager")


@dataclass(frozen=True)
class Wish:
    """A task to open.

    Args:
        task_id: the hub's id.
        weight: what it weighs here.
        info: whether its row and request are wanted as well.
        subsession: whether it gets a session of its own.
    """

    task_id: int
    weight: float
    info: bool
    subsession: bool


@dataclass(frozen=True)
class Opened:
    """A task that is OPEN on this host.

    Args:
        info: the row with the request; None if it was not wanted, or there is none.
        session: what the hub gave for its subsession; None without one.
    """

    info: Optional[Dict[str, Any]]
    session: Optional[Dict[str, Any]]


def open_tasks(session: Any, host_id: int, wishes: Sequence[Wish]) -> Dict[int, Opened]:
    """Open tasks for this host by one request (contract 4.5, takeTask).

    The hub does each call by itself: trouble with one task is not the others'. A reply that was lost costs nothing: the
    request is made again, and a task that the first one has opened is known by its state.

    Args:
        session: the daemon's session.
        host_id: this host.
        wishes: the tasks.

    Returns:
        The tasks that are open here now, by id. Others have, or are about to have, somebody else's attention.

    Raises:
        koji.GenericError: the hub does not take the session, or gives no subsession.
        requests.RequestException: the request did not get through.
    """

    def ask() -> List[_Answers]:
        with session.multicall() as calls:
            return [_Answers(wish, calls) for wish in wishes]

    answers: Optional[List[_Answers]] = None
    try:
        answers = past_a_lost_reply(ask)
    except Exception as error:
        if not is_broken_off(error, answered_badly=True):
            raise
        _log.info("Opening tasks: %s; asking again", explain_call_error(error))
    if answers is None:
        answers = past_a_lost_reply(ask)
    rows = {answer.wish.task_id: answer.row() for answer in answers}
    doubtful = [task_id for task_id, row in rows.items() if row is None]
    ours = _opened_before(session, host_id, doubtful)
    there = [answer for answer in answers if answer.wish.task_id not in doubtful or answer.wish.task_id in ours]
    return {each.wish.task_id: each.opened() for each in there if each.weighs(session, host_id)}


class _Answers:
    """The calls for one task, and what came of them."""

    def __init__(self, wish: Wish, calls: Any) -> None:
        self.wish = wish
        self._info = calls.getTaskInfo(wish.task_id, request=True) if wish.info else None
        self._row = calls.host.openTask(wish.task_id)
        self._weight = calls.host.setTaskWeight(wish.task_id, wish.weight)
        self._session = calls.subsession() if wish.subsession else None

    def row(self) -> Any:
        """What came of the opening; None when it is not this host's, or there is no such task."""
        try:
            return self._row.result
        except koji.AuthError:
            raise
        except koji.GenericError as error:
            _log.warning("Task %s can't be opened: %s", self.wish.task_id, explain(error))
            return None

    def weighs(self, session: Any, host_id: int) -> bool:
        """Whether the task is still this host's; without its weight it keeps the hub's."""
        try:
            self._weight.result  # noqa: B018 - raises the call's fault
        except koji.ActionNotAllowed:
            info = session.getTaskInfo(self.wish.task_id)
            if not _is_ours(info, host_id):
                _log.warning("Task %s was canceled or reassigned just after it was opened", self.wish.task_id)
                return False
            raise
        except koji.GenericError as error:
            _log.warning("Task %s keeps the hub's weight: %s", self.wish.task_id, explain(error))
        return True

    def opened(self) -> Opened:
        """What is known of the task. Raises the fault of a subsession that was not given."""
        info = None
        if self._info is not None:
            try:
                info = self._info.result
            except koji.GenericError as error:
                _log.warning("Task %s can't be looked at: %s", self.wish.task_id, explain(error))
        return Opened(info, None if self._session is None else self._session.result)


def _opened_before(session: Any, host_id: int, task_ids: Sequence[int]) -> List[int]:
    """Which of the tasks that could not be opened are open here all the same: a call whose reply was lost did it."""
    if not task_ids:
        return []
    infos = session.getTaskInfo(list(task_ids))
    ours = [task_id for task_id, info in zip(task_ids, infos) if _is_ours(info, host_id)]
    for task_id in task_ids:
        if task_id in ours:
            _log.warning("The reply to host.openTask was lost, the hub has done it: %s", task_id)
        else:
            _log.warning("Could not open task %s: another host has it, or it is gone", task_id)
    return ours


def _is_ours(info: Any, host_id: int) -> bool:
    return bool(info) and info["state"] == koji.TASK_STATES["OPEN"] and info["host_id"] == host_id
