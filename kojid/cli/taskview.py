"""The tasks of this host, each with what it is at and what it uses."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from kojid.cli import local
from kojid.config.options import Options
from kojid.daemon import places, tasklog
from kojid.daemon.ledger import Ledger
from kojid.daemon.records import TaskRecord
from kojid.system import processes, usage

RUNNING, WAITING, ENDING, ORPHANED = "running", "waiting", "ending", "runs on"
ENDED, GONE, STARTING = "ended", "gone", "starting"
Task = Dict[str, Any]


def tasks(options: Options, said: Mapping[str, Any], *, daemon_runs: bool) -> List[Task]:
    """The tasks that are open here or of which something is left, parents before their children.

    Args:
        options: the daemon's settings.
        said: what the daemon says, now or last.
        daemon_runs: whether it can have changed since; if not, only the ledger counts.
    """
    ledger = local.ledger_of(options)
    records = {record.task_id: record for record in ledger.tasks()}
    rows = {row["id"]: row for row in said.get("tasks", [])} if daemon_runs else {}
    machine, boot = usage.Machine(), processes.boot_id()
    configured = places.configured(options) if mockdir_answers(said) else []
    found = []
    for number in sorted({*records, *rows}):
        record = records.get(number)
        task = _known(number, rows.get(number, {}), record)
        alive = record is not None and record.boot_id == boot and _is_alive(machine, record)
        task["state"] = _state(task, rows.get(number), ledger, alive=alive, daemon_runs=daemon_runs)
        task.update(_measured(record if alive else None, machine))
        task.update(_phase(ledger, number))
        task["log"] = log_of(options, number)
        roots = chroots(options, ledger, number, configured)
        task["buildroots"] = sorted({path.name for path in roots if path.is_dir()})
        found.append(task)
    return in_order(found)


def _known(number: int, row: Mapping[str, Any], record: Optional[TaskRecord]) -> Task:
    return {
        "id": number,
        "parent": record.parent if record else row.get("parent"),
        "method": record.method if record else row.get("method"),
        "subject": subject(record.method, record.subject) if record else row.get("subject") or "",
        "pid": record.pid if record else row.get("pid"),
        "weight": row.get("weight"),
        "waiting": bool(row.get("waiting")),
        "ending": bool(row.get("ending")),
    }


def subject(method: str, label: str) -> str:
    """What a task works on, from its label: "hello-2.10-1.src.rpm, x86_64"."""
    text = label[len(method) :].strip() if label.startswith(method) else label
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


def _is_alive(machine: usage.Machine, record: TaskRecord) -> bool:
    state = machine.state(record.pid)
    return state is not None and state.identity == record.process and not state.ended


def _state(task: Task, row: Optional[Mapping[str, Any]], ledger: Ledger, *, alive: bool, daemon_runs: bool) -> str:
    if alive and not daemon_runs:
        return ORPHANED
    if alive:
        if row is None or task["ending"]:
            return ENDING
        return WAITING if task["waiting"] else RUNNING
    if task["pid"] is None:
        return STARTING
    return ENDED if ledger.outcome(task["id"]) is not None else GONE


def _measured(record: Optional[TaskRecord], machine: usage.Machine) -> Task:
    if record is None:
        return {"age": None, "cpu_seconds": None, "memory_bytes": None, "processes": []}
    used = machine.usage(record.pid, record.cgroup)
    return {
        "age": round(usage.age(record.start_time, time.clock_gettime(time.CLOCK_BOOTTIME)), 1),
        "cpu_seconds": used.cpu_seconds,
        "memory_bytes": used.memory_bytes,
        "processes": used.pids,
    }


def _phase(ledger: Ledger, number: int) -> Task:
    phases = ledger.phases(number)
    if not phases:
        return {"phase": None, "phase_age": None}
    return {"phase": phases[-1].name, "phase_age": round(max(0.0, time.time() - phases[-1].since), 1)}


def log_of(options: Options, number: int) -> Optional[Dict[str, Any]]:
    """The task's own log: path, size in bytes, seconds since its last line; None without one."""
    path = tasklog.path_of(number, options.task_log_dir)
    with contextlib.suppress(OSError):
        status = path.stat()
        return {"path": str(path), "bytes": status.st_size, "age": round(max(0.0, time.time() - status.st_mtime), 1)}
    return None


def mockdir_answers(said: Mapping[str, Any]) -> bool:
    """Whether the daemon has found the buildroots' file system alive: who touches a dead one hangs with it."""
    return "trouble" not in said.get("room", {}).get("mockdir", {})


def chroots(
    options: Options, ledger: Ledger, number: int, configured: Optional[Sequence[places.Configured]] = None
) -> List[Path]:
    """Mock's directories of a task's buildroots, also of one that has ended, as long as they are known here."""
    ids = {str(each) for each in ledger.buildroots(number)}
    return places.directories(options, lambda root, task: root in ids or task == str(number), configured)


def workdir(options: Options, number: int) -> Path:
    """The working directory of a task."""
    return Path(options.workdir, "tasks", str(number % 10000), str(number))


def in_order(found: List[Task]) -> List[Task]:
    """Parents first, each followed by its children; `depth` is how deep a task stands."""
    ids = {task["id"] for task in found}

    def below(parent: Optional[int], depth: int) -> Iterator[Task]:
        for task in found:
            above = task["parent"] if task["parent"] in ids else None
            if above == parent:
                yield {**task, "depth": depth}
                yield from below(task["id"], depth + 1)

    return list(below(None, 0))


def find(found: List[Task], number: int) -> Optional[Task]:
    """The task with this id, if it is among them."""
    return next((task for task in found if task["id"] == number), None)
