"""The daemon's own calls to the hub, one request per half of its cycle (design, decision 5; contract 4.1)."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar

import koji

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


def report(session: Any, load: float, ready: bool, data: Optional[Mapping[str, Any]]) -> List[Row]:
    """Tell the hub how this host is, and take the tasks assigned to it when it is ready, by one request (contract 4.3).

    Args:
        session: the daemon's session.
        load: the sum of the weights of the open tasks that do not wait.
        ready: whether this host takes tasks.
        data: methods and maxjobs; None for hubs before 1.35, which do not know the argument.

    Returns:
        The tasks assigned to this host; none when it is not ready.

    Raises:
        koji.GenericError: the first fault of the calls in there.
    """

    def tell() -> List[Row]:
        with session.multicall(strict=True) as calls:
            calls.host.updateHost(load, ready, **({} if data is None else {"data": dict(data)}))
            tasks = calls.host.getTasks() if ready else None
        return [] if tasks is None else tasks.result

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
