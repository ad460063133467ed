"""What the daemon answers on its socket: how it is, and what an administrator asks of it.

A request is an object with `op`:

status
    the content of the status file, and what only the running daemon knows; with `sizes` true the buildroots are
    measured, unless that has just been done.
metrics
    the figures of the metrics, for the process that serves them (`exporter`).
look
    something on disk has changed, the drain for one: a cycle begins.
clean
    with `dry` and `everything`: see `Housekeeping.clean`. The answer is its progress, with its number as `run`.
progress
    of the clean-up with the number `run`.

An answer is an object; `error` in it says why there is none. No question costs a hub call, but for the sweep of a
clean-up, and none waits for anything.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Mapping

from kojid import __version__
from kojid.daemon.beat import Beat
from kojid.daemon.certwatch import CertificateWatch
from kojid.daemon.cycle import State
from kojid.daemon.figures import Figures
from kojid.daemon.housekeeping import Housekeeping
from kojid.daemon.measure import Measure
from kojid.daemon.status import StatusFile
from kojid.daemon.supervisor import Supervisor

Request = Mapping[str, Any]


class Overview:
    """Answers requests.

    Args:
        session: the daemon's hub session.
        state: what the daemon knows between cycles.
        beat: when the next cycle is.
        supervisor: the task processes.
        status: makes the content of the status file.
        certificate: looks at the client certificate.
        housekeeping: cleans up.
        measure: measures the buildroots.
        figures: has the figures of the metrics.
    """

    def __init__(
        self,
        session: Any,
        state: State,
        beat: Beat,
        supervisor: Supervisor,
        status: StatusFile,
        certificate: CertificateWatch,
        housekeeping: Housekeeping,
        measure: Measure,
        figures: Figures,
    ) -> None:
        self._session = session
        self._state = state
        self._beat = beat
        self._supervisor = supervisor
        self._status = status
        self._certificate = certificate
        self._housekeeping = housekeeping
        self._measure = measure
        self._began = time.time()
        self._operations: Dict[str, Callable[[Request], Dict[str, Any]]] = {
            "status": self._tell,
            "metrics": figures.answer,
            "look": self._look,
            "clean": self._clean,
            "progress": self._progress,
        }

    def answer(self, request: Request) -> Dict[str, Any]:
        """The answer to one request. Raises ValueError for one that it does not know."""
        name = str(request.get("op"))
        operation = self._operations.get(name)
        if operation is None:
            raise ValueError(f"no operation {name[:40]!r}")
        return operation(request)

    def _tell(self, request: Request) -> Dict[str, Any]:
        if request.get("sizes"):
            self._measure.ask()
        state, contact = self._state, self._session.contact
        busy = [row for row in state.tasks.values() if not row.get("waiting")]
        return {
            "time": round(time.time(), 3),
            "version": __version__,
            "began": round(self._began, 3),
            **self._status.content(state.verdict, state.tasks, self._supervisor.jobs),
            "task_load": float(sum(row.get("weight") or 0 for row in busy)),
            "restart_pending": state.restart_pending,
            "next_beat": round(max(0.0, self._beat.next - time.monotonic()), 3),
            "hub": None if contact is None else {"contact": round(contact.at, 3), "latency": round(contact.took, 4)},
            "certificate": self._certificate.known(),
            "cleaning": self._housekeeping.current,
            "measuring": self._measure.running,
            "buildroots": self._housekeeping.fates(),
        }

    def _look(self, _request: Request) -> Dict[str, Any]:
        self._beat.event(time.monotonic(), whole=True)
        return {}

    def _clean(self, request: Request) -> Dict[str, Any]:
        run = self._housekeeping.clean(dry=bool(request.get("dry")), everything=bool(request.get("everything")))
        return run.progress()

    def _progress(self, request: Request) -> Dict[str, Any]:
        run = self._housekeeping.run
        if run is None or run.number != request.get("run"):
            return {"error": "another clean-up has been asked for meanwhile, or the daemon has been started anew"}
        return run.progress()
