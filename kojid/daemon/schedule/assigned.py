"""Taking tasks (contract 4.5), and those that the hub's scheduler assigned to this host (contract 4.3)."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

import koji
import koji.tasks

from kojid.config.options import Options
from kojid.daemon import score, steps, worker
from kojid.daemon.schedule.base import IsHere, Task
from kojid.daemon.schedule.draft import Draft
from kojid.daemon.schedule.refusals import Refusals
from kojid.daemon.starts import Start
from kojid.daemon.supervisor import Supervisor
from kojid.errors import explain
from kojid.hub import opening
from kojid.hub.opening import Opened, Wish
from kojid.plugins.loader import Handlers

_log = logging.getLogger("koji.TaskManager")


class Taker:
    """Opens tasks and starts their processes.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
        handlers: the task methods of this host.
        supervisor: starts the processes.
        manager: what foreground handlers get as their manager.
    """

    def __init__(
        self, session: Any, options: Options, handlers: Handlers, supervisor: Supervisor, manager: Any
    ) -> None:
        self._session = session
        self._options = options
        self._handlers = handlers
        self._supervisor = supervisor
        self._manager = manager
        self.refusals = Refusals(session, seconds=options.refusal_timeout)
        self.pickups = score.Pickups()

    def methods(self) -> List[str]:
        """The names of the methods that this host answers."""
        return list(self._handlers)

    def take(self, tasks: Sequence[Task], host: Mapping[str, Any], room: Callable[[], bool]) -> List[Task]:
        """Try to take tasks, all by one request; returns those that were opened here.

        Args:
            tasks: the hub's rows from `host.getTasks`.
            host: the hub's row of this host.
            room: asked after each one that is to be opened, when it is among the open tasks: whether there is room for
                another one.
        """
        drafts: List[Draft] = []
        for draft in self._drafts(tasks, host):
            drafts.append(draft)
            self._manager.tasks[draft.task_id] = {"id": draft.task_id, "waiting": None, "weight": draft.weight}
            if not room() or draft.foreground:
                break  # what runs in here, as a restart, decides on whatever comes behind it
        try:
            opened = self._open(drafts)
        except BaseException:
            self._forget(draft.task_id for draft in drafts)
            raise
        self._forget(draft.task_id for draft in drafts if draft.task_id not in opened)
        there = [draft for draft in drafts if draft.task_id in opened]
        return [draft.task for draft in self._begin(there, opened)]

    def _forget(self, task_ids: Iterable[int]) -> None:
        """They are no open tasks of this host."""
        for task_id in task_ids:
            self._manager.tasks.pop(task_id, None)

    def _drafts(self, tasks: Sequence[Task], host: Mapping[str, Any]) -> Iterator[Draft]:
        """The tasks that this host wants, one by one; those that it has to look at first it looks at by one call."""
        drafts = [Draft(task, self._handlers.get(task["method"])) for task in tasks]
        infos = self._infos([draft.task_id for draft in drafts if draft.handler_class and not draft.plain])
        for draft in drafts:
            _log.info("Attempting to take task %s", draft.task_id)
            steps.reached("taking")
            self.pickups.tried(draft.task_id)
            if draft.handler_class is None:
                _log.warning("Refusing task %s: no handler for method %s", draft.task_id, draft.method)
                self.refusals.refuse(draft.task_id, "no handler for method", soft=False)
            elif draft.plain or (self._make(draft, infos[draft.task_id]) and self._suits(draft.handler, host)):
                yield draft

    def _infos(self, task_ids: List[int]) -> Dict[int, Any]:
        if not task_ids:
            return {}
        return dict(zip(task_ids, self._session.getTaskInfo(task_ids, request=True)))

    def _make(self, draft: Draft, info: Optional[Dict[str, Any]], *, opened: bool = False) -> bool:
        """Make the handler of a task; one that can't be made refuses this task and no other (contract 11.1, item 6)."""
        task_id, method = draft.task_id, draft.method
        if not info or info.get("request") is None:
            _log.warning("Task %s (%s) has no request; leaving it to the hub", task_id, method)
            if opened:
                self.refusals.refuse(task_id, "it has no request", opened=True)
            return False
        try:
            handler = draft.handler_class(task_id, method, info["request"], self._session, self._options)
            handler.taskinfo = info
        except Exception as error:
            _log.exception("the handler of task %s (%s) can't be made", task_id, method)
            self.refusals.refuse(task_id, f"the handler can't be made: {explain(error)}", opened=opened)
            return False
        draft.handler = handler
        return True

    def _suits(self, handler: Any, host: Mapping[str, Any]) -> bool:
        """Ask the handler whether this host will do; trouble with the hub is no answer (contract 11.1, item 8)."""
        if not hasattr(handler, "checkHost"):
            return True
        why = ""
        try:
            if handler.checkHost(dict(host)):
                return True
        except koji.tasks.RefuseTask as refusal:
            # something is missing here that an admin may install: not for good
            _log.warning("Refusing task %s: %s", handler.id, refusal)
            self.refusals.refuse(handler.id, str(refusal))
            return False
        except (koji.GenericError, OSError) as error:
            _log.warning("the host check of task %s did not work, trying again: %s", handler.id, explain(error))
            return False
        except Exception as error:
            _log.exception("the host check of task %s failed", handler.id)
            why = f": {explain(error)}"
        _log.info("Skipping task %s (%s) due to host check", handler.id, handler.method)
        self.refusals.refuse(handler.id, f"failed host check{why}", soft=False)
        return False

    def _open(self, drafts: Sequence[Draft]) -> Dict[int, Opened]:
        """Have the hub open the tasks, weigh them and give each what it needs; by id, those that are open here."""
        if not drafts:
            return {}
        wishes = [Wish(draft.task_id, draft.weight, draft.plain, not draft.foreground) for draft in drafts]
        opened = opening.open_tasks(self._session, self._manager.host_id, wishes)
        for step in ("opened", "weighed", "subsession"):
            if opened:
                steps.reached(step)
        return opened

    def _begin(self, drafts: Sequence[Draft], opened: Mapping[int, Opened]) -> List[Draft]:
        """Start open tasks; returns those that were. One in the foreground is the last of its batch."""
        made = [draft for draft in drafts if self._is_made(draft, opened[draft.task_id])]
        starts = [self._start_of(draft, opened[draft.task_id]) for draft in made if not draft.foreground]
        self._supervisor.start(starts)
        for start in starts:
            self._look_at(start, opened[start.task_id])
        for draft in made:
            if draft.foreground:
                _log.info("running task in foreground: %s (%s)", draft.task_id, draft.handler.method)
                draft.handler.setManager(self._manager)
                self._perform(draft.handler)
        failed = {start.task_id for start in starts if start.fault is not None}
        return [draft for draft in made if draft.task_id not in failed]

    def _is_made(self, draft: Draft, opened: Opened) -> bool:
        """Whether an open task has its handler; one whose handler can't be made is given back."""
        if not draft.plain or self._make(draft, opened.info, opened=True):
            return True
        self._let_go(draft.task_id, opened)
        return False

    def _start_of(self, draft: Draft, opened: Opened) -> Start:
        return Start(draft.handler, self._session.below(opened.session))

    def _look_at(self, start: Start, opened: Opened) -> None:
        """A task was started, or this host has no process for it, and another one may have."""
        if start.fault is None:
            self.pickups.started(start.handler)
            return
        score.fault(start.method, score.HOST)
        _log.error("no process for task %s: %s", start.task_id, explain(start.fault))
        self.refusals.refuse(start.task_id, f"this host can't start a process: {explain(start.fault)}", opened=True)
        self._let_go(start.task_id, opened)

    def _let_go(self, task_id: int, opened: Opened) -> None:
        """A task that was opened has been given back: its subsession goes, too."""
        self._forget([task_id])
        if opened.session is not None:
            with contextlib.suppress(koji.GenericError):
                self._session.logoutChild(opened.session["session-id"])

    def _perform(self, handler: Any) -> None:
        """Run a foreground handler here; one that stops the daemon has done its work (contract 6.12)."""
        try:
            worker.perform(handler, self._session)
        except koji.tasks.ServerExit:
            # Left open it would be freed and stop the next daemon, too.
            self._session.host.closeTask(handler.id, worker.encode(None))
            raise


class Assigned:
    """What the hub's scheduler gave to this host: all of it, in the hub's order.

    Args:
        host_id: this host.
        is_here: whether a task is open or running here.
    """

    question = "host.getTasks"
    at_once = 32

    def __init__(self, host_id: int, is_here: IsHere) -> None:
        self._host_id = host_id
        self._is_here = is_here

    def candidates(self, answer: Sequence[Task]) -> Iterator[Task]:
        """See `Schedule`."""
        for task in answer:
            _log.debug("task: %s", dict(task))
            if self._is_here(task["id"]):
                _log.info("task %s was reassigned to us while it is still here; waiting for its end", task["id"])
            elif task["state"] != koji.TASK_STATES["ASSIGNED"] or task["host_id"] != self._host_id:
                _log.error("the hub offers task %s, which is not assigned to us: %s", task["id"], dict(task))
            else:
                yield task

    def took(self, weight: float) -> None:
        """See `Schedule`: the hub has weighed the tasks itself."""
