"""Taking tasks (contract 4.5), and those that the hub's scheduler assigned to this host (contract 4.3)."""

from __future__ import annotations

import logging
from typing import Any, Iterator, List, Mapping, Optional, Sequence

import koji
import koji.tasks

from kojid.config.options import Options
from kojid.daemon import score, steps, worker
from kojid.daemon.schedule.base import IsHere, Task
from kojid.daemon.schedule.refusals import Refusals
from kojid.daemon.supervisor import Supervisor
from kojid.errors import HostFault, explain
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

    def take(self, task: Mapping[str, Any], host: Mapping[str, Any]) -> bool:
        """Try to take one task; returns whether it was opened here.

        Args:
            task: the hub's row from `host.getTasks`.
            host: the hub's row of this host.
        """
        task_id, method = task["id"], task["method"]
        _log.info("Attempting to take task %s", task_id)
        steps.reached("taking")
        self.pickups.tried(task_id)
        handler_class = self._handlers.get(method)
        if handler_class is None:
            _log.warning("Refusing task %s: no handler for method %s", task_id, method)
            self.refusals.refuse(task_id, "no handler for method", soft=False)
            return False
        handler = self._make(handler_class, task_id, method)
        if handler is None or not self._suits(handler, host):
            return False
        row = self._session.host.openTask(task_id)
        if row is None:
            _log.warning("Could not open task %s: another host has it, or it is gone", task_id)
            return False
        steps.reached("opened")
        return self._weigh(handler) and self._begin(handler)

    def _make(self, handler_class: Any, task_id: int, method: str) -> Optional[Any]:
        """The handler for a task; one that can't be made refuses this task and no other (contract 11.1, item 6)."""
        info = self._session.getTaskInfo(task_id, request=True)
        if not info or info.get("request") is None:
            _log.warning("Task %s (%s) has no request; leaving it to the hub", task_id, method)
            return None
        try:
            handler = handler_class(task_id, method, info["request"], self._session, self._options)
            handler.taskinfo = info
        except Exception as error:
            _log.exception("the handler of task %s (%s) can't be made", task_id, method)
            self.refusals.refuse(task_id, f"the handler can't be made: {explain(error)}")
            return None
        return handler

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

    def _weigh(self, handler: Any) -> bool:
        try:
            self._session.host.setTaskWeight(handler.id, handler.weight())
        except koji.ActionNotAllowed:
            info = self._session.getTaskInfo(handler.id)
            if info["state"] == koji.TASK_STATES["OPEN"] and info["host_id"] == self._manager.host_id:
                raise
            _log.warning("Task %s was canceled or reassigned just after it was opened", handler.id)
            return False
        except (OSError, koji.ServerOffline) as error:
            _log.warning("Task %s keeps the hub's weight: %s", handler.id, explain(error))
        steps.reached("weighed")
        return True

    def _begin(self, handler: Any) -> bool:
        self._manager.tasks[handler.id] = {"id": handler.id, "waiting": None, "weight": handler.weight()}
        if handler.Foreground:
            _log.info("running task in foreground: %s (%s)", handler.id, handler.method)
            handler.setManager(self._manager)
            self._perform(handler)
            return True
        try:
            subsession = self._session.subsession()
            steps.reached("subsession")
            self._supervisor.start(handler, handler.method, subsession)
            self.pickups.started(handler)
        except HostFault as error:
            score.fault(handler.method, score.HOST)
            _log.error("no process for task %s: %s", handler.id, explain(error))
            self.refusals.refuse(handler.id, f"this host can't start a process: {explain(error)}", opened=True)
            return False
        return True

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
