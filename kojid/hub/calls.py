"""The daemon's own calls to the hub, one request per cycle (design, decision 5; contract 4.1)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, TypeVar

import koji

from kojid.hub.capabilities import Capabilities

logger = logging.getLogger("koji.TaskManager")

Row = Dict[str, Any]
Result = TypeVar("Result")
_IN_USE = [koji.BR_STATES[name] for name in ("INIT", "WAITING", "BUILDING")]


@dataclass(frozen=True)
class Report:
    """How this host is, for the hub (contract 4.3).

    Args:
        load: the sum of the weights of the open tasks that do not wait.
        ready: whether this host takes tasks.
        data: methods and maxjobs, for hubs that want to know; None: they know.
    """

    load: float
    ready: bool
    data: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class Sight:
    """What the hub has on record for this host; None for what was not asked.

    Args:
        buildroots: those of this host that are not expired.
        tasks: its open tasks: id, waiting, weight, alert.
        host: its own row.
        offered: the answer to the question for tasks.
    """

    buildroots: Optional[List[Row]] = None
    tasks: Optional[List[Row]] = None
    host: Optional[Row] = None
    offered: Any = None


@dataclass(frozen=True)
class Wanted:
    """What a request is to say and to ask.

    Args:
        host_id: this host's id.
        whole: buildroots and the host's row as well.
        tasks: this host's open tasks.
        report: what the hub is told before it is asked for tasks; None for nothing.
        question: the method that asks for tasks, "host.getTasks" or "host.getLoadData"; empty for none.
        over: subsessions of tasks that have ended, to be closed.
    """

    host_id: int
    whole: bool = True
    tasks: bool = True
    report: Optional[Report] = None
    question: str = ""
    over: Sequence[int] = ()


def look(session: Any, hub: Capabilities, wanted: Wanted) -> Sight:
    """Ask what is to be known and say what is to be said, by one request; nothing of either is none.

    Args:
        session: the daemon's session.
        hub: what the hub can do.
        wanted: what it is about.

    Raises:
        koji.GenericError: the first fault of the calls in there. One in closing a subsession does not count.
    """
    if not (wanted.whole or wanted.tasks or wanted.report or wanted.over):
        return Sight(offered=session.callMethod(wanted.question) if wanted.question else None)

    def ask() -> Sight:
        with session.multicall() as calls:
            for number in wanted.over:
                calls.logoutChild(number)
            buildroots = calls.listBuildroots(hostID=wanted.host_id, state=_IN_USE) if wanted.whole else None
            tasks = calls.host.getHostTasks() if wanted.tasks else None
            host = calls.host.getHost() if wanted.whole else None
            told = _tell(calls, hub, wanted.report) if wanted.report else []
            offered = calls.callMethod(wanted.question) if wanted.question else None
        for call in told:
            call.result  # noqa: B018 - raises the call's fault
        return Sight(*(None if call is None else call.result for call in (buildroots, tasks, host, offered)))

    return past_a_lost_reply(ask)


def _tell(calls: Any, hub: Capabilities, report: Report) -> List[Any]:
    data = None if report.data is None else dict(report.data)
    named = {"data": data} if hub.takes_host_data and data is not None else {}
    told = [calls.host.updateHost(report.load, report.ready, **named)]
    if hub.has_set_host_data and not hub.takes_host_data and data is not None:
        told.append(calls.host.setHostData(data))
    return told


def past_a_lost_reply(request: Callable[[], Result]) -> Result:
    """Make a request once more when the hub says that it was done before (contract 3.4).

    That is the end of a lost reply: the repetition was refused. All that is asked and told by the requests of the
    daemon may be done twice, and the second time it is a new call with a new number.
    """
    try:
        return request()
    except koji.RetryError as error:
        logger.debug("The answer to a call was lost (%s), asking again", error)
    return request()
