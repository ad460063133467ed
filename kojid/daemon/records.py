"""What the ledger keeps, as plain records that travel through JSON (design, decision 7).

Readers take what they know and ignore the rest, so that a daemon can be replaced by a newer or an older one while tasks
run. A record in which something is missing is no record: `RecordError`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Type, TypeVar

from kojid.system.processes import ProcessId

VERSION = 1
Record = TypeVar("Record")


class RecordError(ValueError):
    """This is no record of the kind that was asked for."""


@dataclass(frozen=True)
class SessionRecord:
    """The daemon's hub session (contract 3.3).

    Args:
        server: the hub's URL.
        identity: who logged in, and how.
        info: what the hub gave at the login: session-id, session-key, header-auth.
        numbers: every call so far had a lower number than this one.
        host_id: this host's id on the hub; None until the hub was asked.
        start_ts: when the session began, seconds since the epoch by the hub's clock; None likewise.
    """

    server: str
    identity: str
    info: Dict[str, Any]
    numbers: int
    host_id: Optional[int] = None
    start_ts: Optional[float] = None


@dataclass(frozen=True)
class TaskRecord:
    """A task with a process of its own.

    Args:
        task_id: the hub's id.
        method: the task's method.
        subject: what it works on, in words.
        pid: its process.
        start_time: of that process, clock ticks since the machine came up.
        boot_id: of the machine when it was started.
        session_id: its subsession on the hub.
        cgroup: its control group; None where none could be made.
        workdir: its working directory; None without one.
        parent: the task that it is a subtask of, if any.
    """

    task_id: int
    method: str
    subject: str
    pid: int
    start_time: int
    boot_id: str
    session_id: int
    cgroup: Optional[str] = None
    workdir: Optional[str] = None
    parent: Optional[int] = None

    @property
    def process(self) -> ProcessId:
        """The process, told apart from later ones under its pid; only of use under the same boot id."""
        return ProcessId(self.pid, self.start_time)


@dataclass(frozen=True)
class Outcome:
    """How a task ended: the hub call that says so, one of `host.` (contract 5.1).

    Args:
        call: closeTask, failTask, refuseTask or freeTasks.
        args: its arguments.
        kwargs: its named arguments.
        reason: why the daemon has the task fail; empty for an outcome of the task's own.
    """

    call: str
    args: List[Any]
    kwargs: Dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        if self.call not in ("closeTask", "failTask", "refuseTask", "freeTasks"):
            raise RecordError(f"{self.call!r} is no way to end a task")


@dataclass(frozen=True)
class Phase:
    """What a task was at from a moment on.

    Args:
        since: seconds since the epoch.
        name: as the code that does the work calls it: init, rebuild, upload …
    """

    since: float
    name: str


def phase_of(line: str) -> Optional[Phase]:
    """Read a line of a task's phases; None for one that was cut off."""
    since, _, name = line.partition(" ")
    try:
        return Phase(float(since), name) if name else None
    except ValueError:
        return None


def dump(record: Any) -> str:
    """A record as it lies on disk."""
    return json.dumps({"version": VERSION, **vars(record)}) + "\n"


def parse(kind: Type[Record], text: str) -> Record:
    """Read a record.

    Raises:
        RecordError: it is damaged, or of another kind.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise RecordError(f"it is no JSON: {error}") from error
    if not isinstance(values, Mapping):
        raise RecordError("it holds no record")
    known = {each.name: each for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    taken = {name: value for name, value in values.items() if name in known}
    for name, value in taken.items():
        _check(name, str(known[name].type), value)
    try:
        return kind(**taken)
    except TypeError as error:
        raise RecordError(f"something is missing in it: {error}") from error


_KINDS: Dict[str, Any] = {"int": int, "str": str, "float": (int, float), "Dict": dict, "List": list}


def _check(name: str, wanted: str, value: Any) -> None:
    if wanted.startswith("Optional["):
        if value is None:
            return
        wanted = wanted[len("Optional[") : -1]
    if isinstance(value, bool) or not isinstance(value, _KINDS[wanted.partition("[")[0]]):
        raise RecordError(f"{name} is {value!r}")
