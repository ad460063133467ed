"""The picture of a host as text for a terminal."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, Mapping, Optional

from kojid.cli import words
from kojid.cli.local import columns
from kojid.cli.picture import DEAD, NEVER, RUNS
from kojid.system.files import printable

Row = Mapping[str, Any]
_SUBJECT = 44
_MOMENT = 0.1
_WHERE = {
    "running": "",
    "waiting": "waits for its subtasks",
    "ending": "is being ended",
    "runs on": "runs on without its daemon",
    "ended": "has ended, the next daemon tells the hub",
    "gone": "its process is gone, the daemon frees it",
    "starting": "is being started",
}


def lines(picture: Mapping[str, Any]) -> Iterator[str]:
    """The whole picture."""
    yield headline(picture)
    yield from _facts(picture)
    tasks = picture["tasks"]
    yield ""
    yield "tasks:" if tasks else "tasks: none"
    yield from columns([_task(task) for task in tasks], right="3456")
    if picture["buildroots"]:
        yield ""
        yield "buildroots:"
        yield from columns([_buildroot(row) for row in picture["buildroots"]], right="1")


def headline(picture: Mapping[str, Any]) -> str:
    """How the host is, in one line."""
    host = f"kojid on {picture['host']}"
    if picture["daemon"] == NEVER:
        return f"{host}: does not run, and has left no status: {picture['trouble']}"
    if picture["daemon"] == DEAD:
        alive = sum(1 for task in picture["tasks"] if task["state"] == "runs on")
        told = f"its last status is {words.duration(_age(picture))} old"
        return f"{host}: DOES NOT RUN; {told}; {_count(alive, 'task')} of it still {'runs' if alive == 1 else 'run'}"
    since = f", since {words.duration(time.time() - picture['since'])}" if picture["since"] else ""
    state = f"ready{since}" if picture["ready"] else f"NOT READY: {picture['reason']}{since}"
    told = ""
    if picture["daemon"] != RUNS:
        told = f"; NO ANSWER, as of {words.duration(_age(picture))} ago: {picture['trouble']}"
    return f"{host}: {state} (pid {picture['pid']}){told}"


def _age(picture: Mapping[str, Any]) -> Optional[float]:
    return None if picture["said"] is None else max(0.0, picture["time"] - picture["said"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _facts(picture: Mapping[str, Any]) -> Iterator[str]:
    if picture["drained"] is not None:
        reason = picture["drained"]["reason"]
        yield f"  drained      {words.ago(picture['drained']['since'] or None)}{f': {reason}' if reason else ''}"
    if picture["restart_pending"]:
        yield "  restart      as soon as the running tasks have ended"
    if picture["began"]:
        yield f"  daemon       kojid {picture['version']}, started {words.ago(picture['began'])}"
    yield f"  hub          {picture['server']}{_contact(picture)}"
    if picture["certificate"] is not None:
        yield f"  certificate  {certificate(picture['certificate'])}"
    yield f"  jobs         {jobs(picture)}"
    yield f"  machine      {machine(picture['machine'])}"
    for place, room in picture["room"].items():
        yield f"  {place:<12} {room['path']}: {_room(room)}"
    if picture["warm_buildroots"] is not None:
        yield f"  warm roots   {_warm(picture['warm_buildroots'])}"
    if picture["cleaning"]:
        yield f"  cleaning up  {picture['cleaning']}"


def _warm(found: Mapping[str, Any]) -> str:
    if not found["count"]:
        return "none yet"
    return f"{found['count']}, {words.size(found['bytes'])}, last used {words.ago(found['used'])}"


def _contact(picture: Mapping[str, Any]) -> str:
    hub = picture["hub"]
    if hub is None:
        return ""
    beat = f", next beat in {words.duration(picture['next_beat'])}" if picture["next_beat"] is not None else ""
    return f", last answer {words.ago(hub['contact'])} after {words.duration(hub['latency'])}{beat}"


def certificate(found: Mapping[str, Any]) -> str:
    """How long the certificate lasts."""
    return str(found["trouble"]) or f"{found['days']:.0f} days left"


def jobs(picture: Mapping[str, Any]) -> str:
    """How many tasks there are, and how heavy they are."""
    waiting = sum(1 for task in picture["tasks"] if task["state"] == "waiting")
    load = f", task load {picture['task_load']:.2f}" if picture["task_load"] is not None else ""
    return f"{len(picture['tasks']) - waiting} of {picture['maxjobs']}, {waiting} waiting{load}"


def machine(found: Mapping[str, Any]) -> str:
    """Load and memory."""
    memory = found["memory_available_mb"]
    told = "" if memory is None else f", {words.size(memory * 2.0**20)} of memory available"
    return f"load {found['load']:.2f} on {_count(found['cpus'], 'processor')}{told}"


def _room(room: Mapping[str, Any]) -> str:
    if "free_mb" not in room:
        return str(room.get("trouble", "not known"))
    inodes = f", {room['free_inodes']} inodes" if room.get("free_inodes", -1) >= 0 else ""
    return f"{words.size(room['free_mb'] * 2.0**20)} free{inodes}"


def name(task: Row) -> str:
    """Its place in the tree, its id and its method."""
    branch = "  " * (task["depth"] - 1) + "└ " if task["depth"] else ""
    return f"{branch}{task['id']} {task['method'] or ''}".rstrip()


def at(task: Row) -> str:
    """What it is at, and since when."""
    told = _WHERE.get(task["state"], str(task["state"]))
    if task["state"] not in ("running", "ending", "runs on") or not task["phase"]:
        return told
    phase = f"{task['phase']} for {words.duration(task['phase_age'])}"
    return f"{phase}, {told}" if told else phase


def _task(task: Row) -> List[str]:
    log = task["log"]
    return [
        name(task),
        words.shortened(printable(task["subject"]), _SUBJECT),
        at(task),
        words.duration(task["age"]),
        f"pid {task['pid']}" if task["pid"] else "",
        f"cpu {words.clock(task['cpu_seconds'])}" if task["cpu_seconds"] is not None else "",
        words.size(task["memory_bytes"]) if task["memory_bytes"] is not None else "",
        f"log {words.size(log['bytes'])}, {words.duration(log['age'])} old" if log else "no log",
    ]


def fate(row: Row) -> str:
    """What becomes of a buildroot, and when."""
    if row["fate"] == "in use":
        return f"in use by task {row['task']}"
    return f"{row['fate']}, next step {words.until(row['due'])}" if row["due"] else str(row["fate"])


def _buildroot(row: Row) -> List[str]:
    measured = f"measured {words.ago(row['measured'])}" if row["measured"] else "not measured yet"
    return [row["name"], words.size(row["bytes"]), fate(row), measured]


def task_lines(task: Row, phases: List[Dict[str, Any]], processes: Mapping[int, str]) -> Iterator[str]:
    """One task in full.

    Args:
        task: as in the picture.
        phases: what it was at: since, name, seconds.
        processes: the names of its processes by pid.
    """
    yield f"task {task['id']} {task['method'] or ''} {printable(task['subject'])}".rstrip()
    told = at(task)
    facts = {
        "state": f"{task['state']}{f' ({told})' if told else ''}",
        "parent": task["parent"],
        "age": words.duration(task["age"]),
        "weight": task["weight"],
        "pid": task["pid"],
        "cpu": words.clock(task["cpu_seconds"]),
        "memory": words.size(task["memory_bytes"]),
        "log": f"{task['log']['path']}, {words.size(task['log']['bytes'])}" if task["log"] else "none",
        "buildroots": " ".join(task["buildroots"]) or "none",
        "processes": " ".join(f"{name}({pid})" for pid, name in processes.items()) or "none",
    }
    for what, value in facts.items():
        if value is not None:
            yield f"  {what:<12} {value}"
    if phases:
        yield "  phases:"
        # between two phases a task is "at work" again, mostly for no time
        shown = [one for one in phases if one["seconds"] >= _MOMENT or one is phases[-1]]
        rows = [[_clock_time(one["since"]), one["name"], words.duration(one["seconds"])] for one in shown]
        yield from columns(rows, indent="    ", right="2")


def _clock_time(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
