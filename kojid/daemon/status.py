"""What the daemon does now, in a file for people and monitoring: `status.json` in `state_dir`.

Fields: time, pid and start_time (the daemon's), ready, reason, kind, since; jobs, maxjobs, waiting; tasks (id, method,
subject, parent, pid, start_time, waiting, weight, ending); room (per place: path, free_mb, free_inodes, trouble). Times
are seconds since the epoch, start times of processes are clock ticks since the machine came up.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any, Dict, Mapping

from kojid.config.options import Options
from kojid.daemon.admission import Verdict
from kojid.daemon.jobs import Jobs
from kojid.daemon.probes import PLACES, Probes
from kojid.system import processes
from kojid.system.files import write_atomic

_log = logging.getLogger("koji.TaskManager")
_LONGEST_SILENCE = 60.0  # seconds after which the file is written although nothing has changed


class StatusFile:
    """Writes the file whenever its content changes, and each minute.

    Args:
        options: the daemon's settings.
        probes: what the file systems have left.
    """

    def __init__(self, options: Options, probes: Probes) -> None:
        self._options = options
        self._probes = probes
        self._start_time = processes.start_time(os.getpid())
        self._path = Path(options.state_dir, "status.json")
        self._written: Dict[str, Any] = {}
        self._last = float("-inf")
        self._failed = ""

    def write(self, verdict: Verdict, tasks: Mapping[int, Mapping[str, Any]], jobs: Jobs) -> None:
        """Bring the file up to date; that it can't be written is told once and stops nothing."""
        content = self.content(verdict, tasks, jobs)
        now = time.monotonic()
        if content == self._written and now - self._last < _LONGEST_SILENCE:
            return
        self._written, self._last = content, now
        text = json.dumps({"time": round(time.time(), 3), **content}, indent=1) + "\n"
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            # not synced: a status is worth no wait for a disk that is busy with a deletion
            write_atomic(self._path, text, sync=False)
        except OSError as error:
            self._complain(f"{self._path} can't be written: {error.strerror}")
        else:
            self._failed = ""

    def _complain(self, text: str) -> None:
        if text != self._failed:
            self._failed = text
            _log.warning("%s", text)

    def content(self, verdict: Verdict, tasks: Mapping[int, Mapping[str, Any]], jobs: Jobs) -> Dict[str, Any]:
        """What the file says, without the time."""
        waiting = sum(1 for row in tasks.values() if row.get("waiting"))
        return {
            "pid": os.getpid(),
            "start_time": self._start_time,
            "ready": verdict.ready,
            "reason": verdict.reason,
            "kind": verdict.kind,
            "since": round(verdict.since, 3),
            "jobs": len(tasks),
            "maxjobs": self._options.maxjobs,
            "waiting": waiting,
            "tasks": [_task(task_id, row, jobs) for task_id, row in sorted(tasks.items())],
            "room": {place: self._room(place) for place in PLACES},
        }

    def _room(self, place: str) -> Dict[str, Any]:
        answer = self._probes.answer(place)
        if answer.room is None:
            return {"path": answer.path, "trouble": answer.trouble}
        return {"path": answer.path, "free_mb": answer.room.free_mb, "free_inodes": answer.room.free_inodes}


def _task(task_id: int, row: Mapping[str, Any], jobs: Jobs) -> Dict[str, Any]:
    job = jobs.get(task_id)
    record = job.record if job else None
    return {
        "id": task_id,
        "method": job.method if job else None,
        "subject": record.subject if record else None,
        "parent": record.parent if record else None,
        "pid": job.pid if job else None,
        "start_time": job.process.start_time if job else None,
        "waiting": bool(row.get("waiting")),
        "weight": row.get("weight"),
        "ending": bool(job and job.ending),
    }
