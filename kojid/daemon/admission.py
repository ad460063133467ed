"""Whether this host takes a new task now, and if not, why (contract 4.2; 11.1, item 7; 11.4, item 48)."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Protocol

from kojid.config.options import Options
from kojid.daemon import drain
from kojid.daemon.probes import Answer, Probes
from kojid.system import pressure, storage

_log = logging.getLogger("koji.TaskManager")
_WAITING_PER_JOB = 4
DRAINED = "drained"  # the kind of the verdict
_CAPACITY, _MAXJOBS = "capacity", "maxjobs"
# All kinds that there are, for who has to know them beforehand.
KINDS = (
    "starting", DRAINED, "restart", "disabled", _CAPACITY, _MAXJOBS, "load", "memory", "certificate", "stopping",
    *(f"{place} {what}" for place in ("mockdir", "workdir", "log_file") for what in ("unknown", "space", "inodes")),
    "mockdir read-only", "workdir read-only", "topdir unknown",
    *(f"{kind} pressure" for kind in pressure.KINDS),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """The answer: ready, or not and the reason in one line.

    Args:
        ready: whether a task may come.
        reason: why not, with the figures of the moment.
        kind: which check said so, the same as long as only the figures differ.
        since: when it began to be so, seconds since the epoch.
    """

    ready: bool
    reason: str = ""
    kind: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class Host:
    """What the checks look at.

    Args:
        data: the hub's row of this host (`host.getHost`).
        task_load: sum of the weights of open tasks that do not wait.
        open_tasks: how many tasks are open here.
        waiting: how many of them only wait for their subtasks.
        restart_pending: whether a graceful restart waits for the tasks to end.
    """

    data: Mapping[str, Any]
    task_load: float
    open_tasks: int
    waiting: int = 0
    restart_pending: bool = False


def max_waiting(options: Options) -> int:
    """How many tasks may wait without filling a place; 0: a waiting task fills one."""
    return int(_WAITING_PER_JOB * options.maxjobs if options.max_waiting is None else options.max_waiting)


def places(options: Options, waiting: int) -> int:
    """How many tasks may be open at once, those included that wait and fill no place.

    This is what the hub is told as `maxjobs`: its scheduler counts every open task against it (contract 4.3), and would
    give no subtask to a host that is full of parents.
    """
    return int(options.maxjobs) + (waiting if max_waiting(options) else 0)


class Known(Protocol):
    """What is known of the file systems."""

    def answer(self, place: str) -> Answer:
        """See `Probes`."""


class Admission:
    """Judges the host, cycle by cycle.

    Args:
        options: the daemon's settings.
        probes: what the file systems have left.
        certificate_trouble: what is wrong with the client certificate; empty when nothing is.
    """

    def __init__(self, options: Options, probes: Probes, certificate_trouble: Callable[[], str]) -> None:
        self._options = options
        self._probes = probes
        self._certificate_trouble = certificate_trouble
        self._last = Verdict(True)

    def judge(self, host: Host) -> Verdict:
        """Check in the contract's order; the first obstacle is the reason. The log is told when that changes."""
        self._probes.refresh()
        found = next(self._obstacles(host), Verdict(True))
        changed = (found.ready, found.kind) != (self._last.ready, self._last.kind)
        since = time.time() if changed or not self._last.since else self._last.since
        self._last = Verdict(found.ready, found.reason, found.kind, since)
        if changed:
            _log.info("%s", found.reason or "Ready for tasks again")
        if not found.ready:
            _log.debug("Not ready for task: %s", found.reason)
        return self._last

    def expects(self, host: Host) -> bool:
        """What `judge` will most likely say of a host: as it did, but for what the tasks have to do with it."""
        if host.restart_pending or not (self._last.ready or self._last.kind in (_CAPACITY, _MAXJOBS)):
            return False
        return next(self._crowding(host), None) is None

    def _obstacles(self, host: Host) -> Iterator[Verdict]:
        """Every check that fails, lazily; each is (kind, reason)."""
        for kind, reason in self._tasks(host):
            yield Verdict(False, reason, kind)
        for kind, reason in obstacles_of_machine(self._options, self._probes):
            yield Verdict(False, reason, kind)
        trouble = self._certificate_trouble()
        if trouble:
            yield Verdict(False, trouble, "certificate")

    def _tasks(self, host: Host) -> Iterator[tuple[str, str]]:
        """Steps 1 to 5 of contract 4.2, after what the administrator says."""
        drained = drain.read(self._options.state_dir)
        if drained is not None:
            yield DRAINED, str(drained)
        if host.restart_pending:
            yield "restart", "Pending restart"
        _log.debug("hostdata: %s", dict(host.data))
        if not host.data["enabled"]:
            yield "disabled", "Host is disabled"
        yield from self._crowding(host)

    def _crowding(self, host: Host) -> Iterator[tuple[str, str]]:
        """Steps 4 and 5: the other tasks."""
        capacity = float(host.data["capacity"])
        if host.task_load > capacity:
            yield _CAPACITY, f"Task load ({host.task_load:.2f}) exceeds capacity ({capacity:.2f})"
        if host.open_tasks >= places(self._options, host.waiting):
            filling = host.open_tasks - (host.waiting if max_waiting(self._options) else 0)
            yield _MAXJOBS, f"Full queue: {filling} of {self._options.maxjobs} jobs"


def obstacles_of_machine(options: Options, known: Known) -> Iterator[tuple[str, str]]:
    """What keeps this machine from taking a task, each as kind and reason; lazily, in the contract's order.

    Steps 6 and 7 of contract 4.2, and what they do not look at.

    Args:
        options: the daemon's settings.
        known: what the file systems have left.
    """
    yield from _room(options, known, "mockdir", options.minspace)
    load, limit = storage.load_average(), float(options.max_load * storage.cpu_count())
    if options.max_load and load > limit:
        yield "load", f"Load average {load:.2f} > {limit:.2f}"
    yield from _room(options, known, "workdir", options.minspace_workdir)
    yield from _room(options, known, "log_file", options.minspace_log)
    yield from _topdir(known)
    memory = pressure.available_memory_mb() if options.minmemory else None
    if memory is not None and memory < options.minmemory:
        yield "memory", f"Insufficient memory: {memory} MB, {options.minmemory} MB required"
    yield from _pressure(options)


def _room(options: Options, known: Known, place: str, required: int) -> Iterator[tuple[str, str]]:
    answer = known.answer(place)
    room = answer.room
    if room is None:
        # workdir and the directory of the log are made when they are missing
        if place == "mockdir" or not answer.missing:
            yield f"{place} unknown", f"No disk space can be told at {answer.path}: {answer.trouble}"
        return
    if place == "mockdir":
        _log.debug("disk space available in '%s': %i MB", answer.path, room.free_mb)
    if room.read_only and place != "log_file":
        yield f"{place} read-only", f"The file system of {answer.path} is read-only"
    if room.free_mb < required:
        text = f"Insufficient disk space at {answer.path}: {room.free_mb} MB, {required} MB required"
        yield f"{place} space", text
    if 0 <= room.free_inodes < options.mininodes:
        text = f"Insufficient inodes at {answer.path}: {room.free_inodes}, {options.mininodes} required"
        yield f"{place} inodes", text


def _topdir(known: Known) -> Iterator[tuple[str, str]]:
    """The Koji volume must answer if it is there; a host without one does what it can (contract 9)."""
    answer = known.answer("topdir")
    if answer.room is None and not answer.missing:
        yield "topdir unknown", f"The Koji volume at {answer.path} can't be used: {answer.trouble}"


def _pressure(options: Options) -> Iterator[tuple[str, str]]:
    for kind in pressure.KINDS:
        limit = getattr(options, f"max_pressure_{kind}")
        found = pressure.pressure(kind) if limit else None
        if found is not None and found > limit:
            yield f"{kind} pressure", f"Pressure on {kind}: {found:.2f} % > {limit} %"
