"""All figures of the metrics at one moment: what was counted, and how the daemon is now.

Made when the exporter asks for them, of what the daemon knows anyway: no hub call, no file system, no waiting.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Dict, Iterator, List, Tuple

from kojid import __version__
from kojid.config.options import Options
from kojid.daemon.admission import DRAINED, KINDS
from kojid.daemon.certwatch import CertificateWatch
from kojid.daemon.cycle import State
from kojid.daemon.housekeeping import Housekeeping
from kojid.daemon.probes import PLACES, Probes
from kojid.metrics import tally

Gauge = Tuple[str, List[str], float]
_MIB = 1024 * 1024
_REQUIRED = {"mockdir": "minspace", "workdir": "minspace_workdir", "log_file": "minspace_log"}


class Figures:
    """Collects them.

    Args:
        session: the daemon's hub session.
        options: the daemon's settings.
        state: what the daemon knows between cycles.
        probes: what the file systems have left.
        certificate: looks at the client certificate.
        housekeeping: knows the buildroots.
    """

    def __init__(
        self,
        session: Any,
        options: Options,
        state: State,
        probes: Probes,
        certificate: CertificateWatch,
        housekeeping: Housekeeping,
    ) -> None:
        self._session = session
        self._options = options
        self._state = state
        self._probes = probes
        self._certificate = certificate
        self._housekeeping = housekeeping
        self._began = time.time()
        self._heartbeat = 0.0
        self._cycles = 0

    def cycle(self, late: float, took: float, *, well: bool, whole: bool = True) -> None:
        """A cycle has ended.

        Args:
            late: seconds from when it was due to its begin.
            took: seconds from its begin to its end.
            well: whether it went through.
            whole: whether it was a heartbeat, not one of the light ones in between.
        """
        if self._cycles:  # the first one was due when the daemon began to set itself up
            tally.observe("kojid_late_tick_seconds", max(0.0, late))
        self._cycles += 1
        tally.observe("kojid_cycle_duration_seconds", took)
        if whole:
            tally.count("kojid_heartbeats_total", "ok" if well else "failed")
        if well and whole:
            self._heartbeat = time.time()

    def answer(self, _request: Any = None) -> Dict[str, Any]:
        """What the exporter gets: `gauges`, `counts` and `spans`, each a list of name, label values, and figures."""
        counted = tally.current()
        return {
            "gauges": [*self._daemon(), *self._admission(), *self._places()],
            "counts": [[key[0], key[1:], value] for key, value in counted.counts.items()],
            "spans": [[key[0], key[1:], span] for key, span in counted.spans.items()],
        }

    def _daemon(self) -> Iterator[Gauge]:
        contact, ends = self._session.contact, self._certificate.known()["ends"]
        yield "kojid_build_info", [__version__], 1.0
        yield "kojid_start_time_seconds", [], self._began
        yield "kojid_snapshot_timestamp_seconds", [], time.time()
        yield "kojid_last_heartbeat_timestamp_seconds", [], self._heartbeat
        yield "kojid_hub_contact_timestamp_seconds", [], 0.0 if contact is None else contact.at
        if ends is not None:
            yield "kojid_certificate_expiry_timestamp_seconds", [], ends
        for fate, number in Counter(each["fate"] for each in self._housekeeping.fates()).items():
            yield "kojid_buildroots", [fate], float(number)

    def _admission(self) -> Iterator[Gauge]:
        state, verdict = self._state, self._state.verdict
        yield "kojid_ready", [], float(verdict.ready)
        for kind in dict.fromkeys([*KINDS, *([] if verdict.ready else [verdict.kind])]):
            yield "kojid_not_ready_reason", [kind], float(not verdict.ready and verdict.kind == kind)
        yield "kojid_ready_change_timestamp_seconds", [], verdict.since
        yield "kojid_drained", [], float(verdict.kind == DRAINED)
        yield "kojid_restart_pending", [], float(state.restart_pending)
        waiting = sum(1 for row in state.tasks.values() if row.get("waiting"))
        yield "kojid_jobs", ["running"], float(len(state.tasks) - waiting)
        yield "kojid_jobs", ["waiting"], float(waiting)
        yield "kojid_max_jobs", [], float(self._options.maxjobs)
        busy = [row for row in state.tasks.values() if not row.get("waiting")]
        yield "kojid_task_load", [], float(sum(row.get("weight") or 0 for row in busy))
        if state.capacity is not None:
            yield "kojid_capacity", [], state.capacity

    def _places(self) -> Iterator[Gauge]:
        for place in PLACES:
            room = self._probes.answer(place).room
            yield "kojid_filesystem_answers", [place], float(room is not None)
            if room is not None:
                yield "kojid_filesystem_free_bytes", [place], float(room.free_mb * _MIB)
            if room is not None and room.free_inodes >= 0:
                yield "kojid_filesystem_free_inodes", [place], float(room.free_inodes)
        for place, option in _REQUIRED.items():
            yield "kojid_filesystem_required_bytes", [place], float(getattr(self._options, option) * _MIB)
            yield "kojid_filesystem_required_inodes", [place], float(self._options.mininodes)
