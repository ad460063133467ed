"""The daemon's own calls to the hub, one request per half of its cycle (design, decision 5; contract 4.1)."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar

import koji

from kojid.hub.capabilities import Capabilities

logger = logging.getLogger("koji.TaskManager")

Row = Dict[str, Any]
Result = TypeVar("Result")


def observe(session: Any, host_id: int) -> Tuple[List[Row], List[Row], Optional[Row]]:
    """What the hub has on record for this host, by one request (contract 4.1).

    Args:
        session: the daemon's session.
        host_id: this host's id.

    Returns:
        Its buildroots that are not expired, its open tasks (id, waiting, weight, alert), and its own row.

    Raises:
        koji.GenericError: the first fault of the calls in there.
    """
    states = [koji.BR_STATES[name] for name in ("INIT", "WAITING", "BUILDING")]

    def ask() -> Tuple[List[Row], List[Row], Optional[Row]]:
        with session.multicall(strict=True) as calls:
            buildroots = calls.listBuildroots(hostID=host_id, state=states)
            tasks = calls.host.getHostTasks()
            host = calls.host.getHost()
        return buildroots.result, tasks.result, host.result

    return _past_a_lost_reply(ask)


def report(
    session: Any, hub: Capabilities, load: float, ready: bool, data: Mapping[str, Any], question: str
) -> Optional[Any]:
    """Tell the hub how this host is and, when it is ready, ask what there is for it, by one request (contract 4.3).

    Args:
        session: the daemon's session.
        hub: what the hub can do.
        load: the sum of the weights of the open tasks that do not wait.
        ready: whether this host takes tasks.
        data: methods and maxjobs, for hubs that want to know.
        question: the method to ask for tasks: "host.getTasks" or "host.getLoadData".

    Returns:
        The answer to the question; None when the host is not ready.

    Raises:
        koji.GenericError: the first fault of the calls in there.
    """
    named = {"data": dict(data)} if hub.takes_host_data else {}

    def tell() -> Optional[Any]:
        with session.multicall(strict=True) as calls:
            calls.host.updateHost(load, ready, **named)
            if hub.has_set_host_data and not named:
                calls.host.setHostData(dict(data))
            answer = calls.callMethod(question) if ready else None
        return None if answer is None else answer.result

    return _past_a_lost_reply(tell)


def _past_a_lost_reply(request: Callable[[], Result]) -> Result:
    """Make a request once more when the hub says that it was done before (contract 3.4).

    That is the end of a lost reply: the repetition was refused. All that is asked and told here may be done twice,
    and the second time it is a new call with a new number.
    """
    try:
        return request()
    except koji.RetryError as error:
        logger.debug("The answer to a call was lost (%s), asking again", error)
        return request()
