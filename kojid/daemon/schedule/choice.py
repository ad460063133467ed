"""Which scheduler holds, by the hub's release or by the option, and the half of a cycle that asks it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Iterator, Optional, Sequence, Tuple

from kojid.config.options import Options
from kojid.daemon.schedule.assigned import Assigned
from kojid.daemon.schedule.base import IsHere, Schedule, Task
from kojid.daemon.schedule.bins import Bins
from kojid.daemon.schedule.refusals import Refusals
from kojid.daemon.score import Pickups
from kojid.hub import calls, capabilities
from kojid.hub.calls import Report, Sight, Wanted
from kojid.hub.capabilities import Capabilities

_log = logging.getLogger("koji.TaskManager")
HUB, BUILDER = "hub", "builder"
_DATA_SECONDS = 300.0  # then the hub is told the methods again, should it have been set back to a backup


def scheduler_for(options: Options, hub: Capabilities) -> str:
    """Who chooses the host of a task: the hub, or the builders among them; the option `scheduler` can force it."""
    if options.scheduler != "auto":
        return str(options.scheduler)
    return HUB if hub.assigns_tasks else BUILDER


@dataclass(frozen=True)
class Plan:
    """How this host is, and what it asks for.

    Args:
        load, ready, places: see `Scheduler.plan`.
        question: the hub's method that says what there is for this host; empty when it is not ready.
    """

    load: float
    ready: bool
    places: int
    question: str

    def differs_from(self, told: Plan) -> bool:
        """Whether the hub has to be told, since it knows something else."""
        return (self.load, self.ready, self.places) != (told.load, told.ready, told.places)

    def is_answered_by(self, told: Optional[Plan]) -> bool:
        """Whether what the hub was told, and then said, will do.

        A load that has become less will: a task has just ended, and the end of its process brings the next report.
        """
        return told is not None and replace(told, load=self.load) == self and self.load <= told.load


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
        self._host_id = host_id
        self._refusals = refusals
        self._methods = list(methods)
        self._schedules: Dict[str, Schedule] = {
            HUB: Assigned(host_id, is_here),
            BUILDER: Bins(host_id, self._methods, options.task_avail_delay, refusals, is_here),
        }
        self._name: Optional[str] = None
        self._pickups = pickups or Pickups()
        self._told: Optional[Plan] = None
        self._data_told: Tuple[Any, float] = (None, 0.0)

    def plan(self, load: float, ready: bool, places: int) -> Plan:
        """What to tell the hub, and what to ask it (contract 4.3, 4.4).

        Args:
            load: the sum of the weights of the open tasks that do not wait.
            ready: whether this host takes tasks; without that there are none.
            places: how many tasks may be open here, told to the hub as `maxjobs`.
        """
        return Plan(load, ready, places, self._schedule().question if ready else "")

    def wanted(self, plan: Optional[Plan], *, whole: bool, tasks: bool, over: Sequence[int] = ()) -> Wanted:
        """A request with what the hub is to be told by a plan.

        Args:
            plan: how this host is; None when that is not known.
            whole: the request of a beat, in which the hub hears of this host although nothing has changed.
            tasks: whether to ask for the open tasks.
            over: subsessions to be closed.
        """
        if plan is None:
            return Wanted(self._host_id, whole, tasks, over=over)
        tell = whole or self._told is None or plan.differs_from(self._told)
        return Wanted(self._host_id, whole, tasks, self._report_of(plan) if tell else None, plan.question, over)

    def correction(self, plan: Plan) -> Wanted:
        """A request that tells the hub what it took for something else, and asks anew."""
        tell = self._told is None or plan.differs_from(self._told)
        return Wanted(self._host_id, False, False, self._report_of(plan) if tell else None, plan.question)

    def ask(self, wanted: Wanted, plan: Optional[Plan]) -> Sight:
        """Make a request; `plan` is what it tells the hub.

        Raises:
            koji.GenericError: the first fault of the calls.
        """
        if wanted.report is not None:
            self._told = None
        sight = calls.look(self._session, self.hub, wanted)
        if wanted.report is not None and plan is not None:
            self._told = plan
            if wanted.report.data is not None:
                self._data_told = (wanted.report.data, time.monotonic())
        return sight

    def candidates(self, plan: Plan, answer: Any) -> Iterator[Task]:
        """The tasks to try, in their order.

        Args:
            plan: what the hub was told before it answered.
            answer: what it answered to the plan's question.
        """
        if not plan.ready:
            return iter(())
        schedule = self._schedule()
        if self._name == HUB:
            self._pickups.offered(answer)
        return schedule.candidates(answer)

    @property
    def hub(self) -> Capabilities:
        """What the hub can do."""
        return capabilities.of(self._session)

    @property
    def light(self) -> bool:
        """Whether asking for tasks costs the hub little: it has assigned them, and the others' load is not told."""
        return scheduler_for(self._options, self.hub) == HUB

    @property
    def at_once(self) -> int:
        """How many tasks are tried together."""
        return self._schedule().at_once

    def _report_of(self, plan: Plan) -> Report:
        """The words for the hub; those that it knows and that hardly ever change are left out mostly."""
        data = {"methods": self._methods, "maxjobs": plan.places}
        known, moment = self._data_told
        fresh = known == data and time.monotonic() - moment < _DATA_SECONDS
        return Report(plan.load, plan.ready, None if fresh else data)

    def took(self, weight: float) -> None:
        """A task of this weight was taken."""
        if self._name is not None:
            self._schedules[self._name].took(weight)

    def given_back(self, task_ids: Iterable[int]) -> None:
        """Tasks that gave themselves back, on a hub that does not keep them from this host for it."""
        for task_id in task_ids:
            self._refusals.note(task_id)

    def _schedule(self) -> Schedule:
        hub = self.hub
        name = scheduler_for(self._options, hub)
        if name != self._name:
            _log.info("The hub is version %s; tasks are chosen by the %s", hub, name)
            self._name = name
        return self._schedules[name]
