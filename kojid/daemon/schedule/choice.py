"""Which scheduler holds, by the hub's release or by the option, and the half of a cycle that asks it."""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, Iterator, Optional

from kojid.config.options import Options
from kojid.daemon.schedule.assigned import Assigned
from kojid.daemon.schedule.base import IsHere, Schedule, Task
from kojid.daemon.schedule.bins import Bins
from kojid.daemon.schedule.refusals import Refusals
from kojid.daemon.score import Pickups
from kojid.hub import calls, capabilities
from kojid.hub.capabilities import Capabilities

_log = logging.getLogger("koji.TaskManager")
HUB, BUILDER = "hub", "builder"


def scheduler_for(options: Options, hub: Capabilities) -> str:
    """Who chooses the host of a task: the hub, or the builders among them; the option `scheduler` can force it."""
    if options.scheduler != "auto":
        return str(options.scheduler)
    return HUB if hub.assigns_tasks else BUILDER


class Scheduler:
    """Reports to the hub and says which tasks to try.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
        host_id: this host.
        methods: the task methods that it has handlers for.
        refusals: tasks that it does not want.
        is_here: whether a task is open or running here.
        pickups: is told what the hub offers.
    """

    def __init__(
        self,
        session: Any,
        options: Options,
        host_id: int,
        methods: Iterable[str],
        refusals: Refusals,
        is_here: IsHere,
        pickups: Optional[Pickups] = None,
    ) -> None:
        self._session = session
        self._options = options
        self._refusals = refusals
        self._methods = list(methods)
        self._schedules: Dict[str, Schedule] = {
            HUB: Assigned(host_id, is_here),
            BUILDER: Bins(host_id, self._methods, options.task_avail_delay, refusals, is_here),
        }
        self._name: Optional[str] = None
        self._pickups = pickups or Pickups()

    def report(self, load: float, ready: bool, places: int) -> Iterator[Task]:
        """Tell the hub how this host is, by one request; the tasks to try, in their order (contract 4.3, 4.4).

        Args:
            load: the sum of the weights of the open tasks that do not wait.
            ready: whether this host takes tasks; without that there are none.
            places: how many tasks may be open here, told to the hub as `maxjobs`.

        Raises:
            koji.GenericError: the first fault of the calls.
        """
        hub = capabilities.of(self._session)
        schedule = self._schedule(hub)
        data = {"methods": self._methods, "maxjobs": places}
        answer = calls.report(self._session, hub, load, ready, data, schedule.question)
        if ready and self._name == HUB:
            self._pickups.offered(answer)
        return schedule.candidates(answer) if ready else iter(())

    def took(self, weight: float) -> None:
        """A task of this weight was taken."""
        if self._name is not None:
            self._schedules[self._name].took(weight)

    def given_back(self, task_ids: Iterable[int]) -> None:
        """Tasks that gave themselves back, on a hub that does not keep them from this host for it."""
        for task_id in task_ids:
            self._refusals.note(task_id)

    def _schedule(self, hub: Capabilities) -> Schedule:
        name = scheduler_for(self._options, hub)
        if name != self._name:
            _log.info("The hub is version %s; tasks are chosen by the %s", hub, name)
            self._name = name
        return self._schedules[name]
