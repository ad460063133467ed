"""Whether this host takes a new task now, and if not, why (contract 4.2)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Mapping

from kojid.config.options import Options
from kojid.system import storage

_log = logging.getLogger("koji.TaskManager")
_LOAD_PER_CPU = 4.0  # contract 4.2, step 7


@dataclass(frozen=True)
class Verdict:
    """The answer: ready, or not and the reason in one line."""

    ready: bool
    reason: str = ""


@dataclass(frozen=True)
class Host:
    """What the checks look at.

    Args:
        data: the hub's row of this host (`host.getHost`).
        task_load: sum of the weights of open tasks that do not wait.
        open_tasks: how many tasks fill a slot.
        restart_pending: whether a graceful restart waits for the tasks to end.
    """

    data: Mapping[str, Any]
    task_load: float
    open_tasks: int
    restart_pending: bool = False


def judge(host: Host, options: Options) -> Verdict:
    """Check in the contract's order and log its phrases; the first obstacle is the reason."""
    verdict = _judge(host, options)
    if not verdict.ready:
        _log.info("%s", verdict.reason)
        _log.debug("Not ready for task")
    return verdict


def _judge(host: Host, options: Options) -> Verdict:
    if host.restart_pending:
        return Verdict(False, "Pending restart")
    _log.debug("hostdata: %s", dict(host.data))
    if not host.data["enabled"]:
        return Verdict(False, "Host is disabled")
    capacity = float(host.data["capacity"])
    if host.task_load > capacity:
        return Verdict(False, f"Task load ({host.task_load:.2f}) exceeds capacity ({capacity:.2f})")
    if host.open_tasks >= options.maxjobs:
        return Verdict(False, f"Full queue: {host.open_tasks} of {options.maxjobs} jobs")
    return _judge_machine(options)


def _judge_machine(options: Options) -> Verdict:
    try:
        free = storage.free_space_mb(options.mockdir)
    except OSError as error:
        return Verdict(False, f"No disk space can be told at {options.mockdir}: {error.strerror}")
    _log.debug("disk space available in '%s': %i MB", options.mockdir, free)
    if free < options.minspace:
        return Verdict(
            False, f"Insufficient disk space at {options.mockdir}: {free} MB, {options.minspace} MB required"
        )
    load, limit = storage.load_average(), _LOAD_PER_CPU * storage.cpu_count()
    if load > limit:
        return Verdict(False, f"Load average {load:.2f} > {limit:.2f}")
    return Verdict(True)
