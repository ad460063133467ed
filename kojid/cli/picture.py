"""One picture of this host: what its daemon says, what the ledger says, and what the kernel says.

The ledger and the kernel are right when no daemon runs, too; what only the daemon knows then comes from its last
status file, with its age. The picture is a plain object, as `kojid status --json` prints it.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from kojid.buildroot.warmstore import Store, directory_of
from kojid.cli import local, taskview
from kojid.config.options import Options
from kojid.daemon import buildroots, drain, measure
from kojid.errors import LoginError
from kojid.hub import certificates
from kojid.system import pressure, storage

RUNS, SILENT, DEAD, NEVER = "runs", "silent", "dead", "never"
Picture = Dict[str, Any]
_DAY = 86400.0


def take(options: Options, *, sizes: bool = True, seconds: float = 3.0) -> Picture:
    """Look at this host.

    Args:
        options: the daemon's settings.
        sizes: have the daemon measure the buildroots, if that has not just been done.
        seconds: how long the daemon may take to answer.

    Returns:
        The fields of docs/operations.md, "Seeing what a host does".

    Raises:
        PermissionError: who asks is not root.
    """
    said: Dict[str, Any] = {}
    daemon, trouble = RUNS, ""
    try:
        said = local.ask(options, seconds, op="status", sizes=sizes)
    except local.Silent as error:
        said, daemon, trouble = local.status_of(options), SILENT, error.message
    except local.NoDaemon as error:
        said, trouble = local.status_of(options), error.message
        daemon = DEAD if said else NEVER
    return _draw(options, said, daemon, trouble)


def _draw(options: Options, said: Mapping[str, Any], daemon: str, trouble: str) -> Picture:
    now = time.time()
    tasks = taskview.tasks(options, said, daemon_runs=daemon in (RUNS, SILENT))
    return {
        "host": socket.gethostname(),
        "time": round(now, 3),
        "daemon": daemon,
        "trouble": trouble,
        "pid": local.daemon_pid(options) if daemon in (RUNS, SILENT) else None,
        "said": said.get("time"),
        **_of_daemon(said, daemon),
        "drained": _drained(options),
        "server": options.server,
        "hub": said.get("hub"),
        "next_beat": said.get("next_beat"),
        "certificate": _certificate(options, now),
        "maxjobs": said.get("maxjobs", options.maxjobs),
        "task_load": said.get("task_load"),
        "room": said.get("room", {}),
        "machine": _machine(),
        "cleaning": said.get("cleaning", ""),
        "measuring": bool(said.get("measuring")),
        "warm_buildroots": _warm(options, said),
        "tasks": tasks,
        "buildroots": _buildroots(options, said, tasks),
    }


def _of_daemon(said: Mapping[str, Any], daemon: str) -> Picture:
    """Whether it is ready; one that is gone is not, whatever it said last."""
    gone = daemon in (DEAD, NEVER)
    return {
        "version": said.get("version"),
        "began": said.get("began"),
        "ready": False if gone else said.get("ready"),
        "reason": "no daemon runs" if gone else said.get("reason", ""),
        "since": None if gone else said.get("since") or None,
        "restart_pending": bool(said.get("restart_pending")),
    }


def _drained(options: Options) -> Optional[Dict[str, Any]]:
    found = drain.read(options.state_dir)
    return None if found is None else {"reason": found.reason, "since": found.since}


def _certificate(options: Options, now: float) -> Optional[Dict[str, Any]]:
    """The client certificate; None for a host that logs in otherwise."""
    if not options.cert:
        return None
    try:
        report = certificates.inspect(options.cert)
    except LoginError as error:
        return {"path": str(options.cert), "days": None, "trouble": error.message}
    days = (report.not_after.timestamp() - now) / _DAY
    return {"path": str(options.cert), "days": round(days, 1), "trouble": ""}


def _machine() -> Dict[str, Any]:
    return {
        "load": round(storage.load_average(), 2),
        "cpus": storage.cpu_count(),
        "memory_available_mb": pressure.available_memory_mb(),
        "memory_total_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (1 << 20),
    }


def _buildroots(options: Options, said: Mapping[str, Any], tasks: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Each buildroot of which this host has a configuration or a directory."""
    users = {name: task["id"] for task in tasks for name in task["buildroots"]}
    told = {row["name"]: row for row in said.get("buildroots", [])}
    sizes = measure.sizes(local.ledger_of(options).directory)
    mockdir = Path(options.mockdir)
    local_ones = {one.name for one in buildroots.scan(Path(options.mock_config_dir))}
    owners = buildroots.owners(options.mockuser)
    strays = []
    if taskview.mockdir_answers(said) and mockdir.is_dir():
        strays = [one.name for one in buildroots.without_config(mockdir, local_ones, owners)]
    rows = []
    for name in [*sorted(local_ones), *strays]:
        row = told.get(name, {})
        task = row.get("task") or users.get(name)
        found = [sizes[one] for one in (name, f"{name}-bootstrap") if one in sizes]
        rows.append({
            "name": name,
            "task": task,
            "fate": row.get("fate") or _guess(name in users, stray=name in strays),
            "due": row.get("due"),
            "bytes": sum(one.bytes for one in found) if found else None,
            "measured": min(one.measured for one in found) if found else None,
        })  # fmt: skip
    return rows


def _warm(options: Options, said: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The warm roots; None where there are none and none are made."""
    found = Store(directory_of(options)).found() if taskview.mockdir_answers(said) else []
    if not found and not options.warm_buildroots:
        return None
    return {
        "count": len(found),
        "bytes": sum(warm.bytes for warm in found),
        "used": max((round(warm.used, 3) for warm in found), default=None),
        "roots": [
            {"name": warm.path.name, "what": warm.about.what, "bytes": warm.bytes, "used": round(warm.used, 3)}
            for warm in found
            if warm.about is not None
        ],
    }


def _guess(used: bool, *, stray: bool) -> str:
    """What can be said of one that the daemon has said nothing of."""
    if used:
        return "in use"
    return "stray: it has no configuration here" if stray else "not in use"


def phases(options: Options, task_id: int) -> List[Dict[str, Any]]:
    """What a task was at: since, name, seconds; the last one goes on."""
    found = local.ledger_of(options).phases(task_id)
    ends = [phase.since for phase in found[1:]] + [time.time()]
    return [
        {"since": phase.since, "name": phase.name, "seconds": round(max(0.0, end - phase.since), 3)}
        for phase, end in zip(found, ends)
    ]
