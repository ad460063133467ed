"""One row per metric: its name, kind, labels and what it says (Prometheus' conventions: base units, `_total`).

What counts (`tally`), the exporter, docs/metrics.md, the dashboard and the alert rules are held together by tests over
this table. A new metric is one row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
_CALL = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0)
_LATE = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)
_WORK = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0)
_WAIT = (0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        name: as it is exported; a counter's ends in `_total`.
        kind: COUNTER, GAUGE or HISTOGRAM.
        labels: names of its labels, in the order in which values are given.
        help: what it says, in a sentence.
        buckets: upper bounds of a histogram, in the metric's unit; one without an end follows by itself.
    """

    name: str
    kind: str
    labels: Tuple[str, ...]
    help: str
    buckets: Tuple[float, ...] = ()


TABLE: Tuple[Metric, ...] = (
    # The daemon
    Metric("kojid_build_info", GAUGE, ("version",), "Always 1; the label has the daemon's version."),
    Metric("kojid_start_time_seconds", GAUGE, (), "When this program began, seconds since the epoch; all counters "
           "began at 0 then, as they do at a reload."),
    Metric("kojid_snapshot_timestamp_seconds", GAUGE, (), "When the daemon gave these figures, seconds since the epoch. "
           "It stands still while the daemon waits for the hub, and for good when it hangs."),
    Metric("kojid_heartbeats_total", COUNTER, ("result",), "Cycles, by whether the hub was told how this host is: "
           "ok or failed."),
    Metric("kojid_last_heartbeat_timestamp_seconds", GAUGE, (), "When the last cycle went through, seconds since the "
           "epoch; 0 before the first."),
    Metric("kojid_late_tick_seconds", HISTOGRAM, (), "How much later than planned each cycle began: the loop was held "
           "up by something else.", _LATE),
    Metric("kojid_cycle_duration_seconds", HISTOGRAM, (), "How long cycles took, the hub's answers included.", _CALL),
    # Whether tasks are taken
    Metric("kojid_ready", GAUGE, (), "1 when this host takes tasks, else 0."),
    Metric("kojid_not_ready_reason", GAUGE, ("kind",), "1 for the check that keeps this host from taking tasks, 0 for "
           "all others."),
    Metric("kojid_ready_change_timestamp_seconds", GAUGE, (), "Since when the host is ready, or not for this reason, "
           "seconds since the epoch."),
    Metric("kojid_drained", GAUGE, (), "1 when an administrator has drained this host (`kojid drain`), else 0."),
    Metric("kojid_restart_pending", GAUGE, (), "1 when the daemon restarts as soon as its tasks have ended, else 0."),
    Metric("kojid_jobs", GAUGE, ("state",), "Open tasks: running, or waiting (for their subtasks)."),
    Metric("kojid_max_jobs", GAUGE, (), "How many tasks may be open (option maxjobs)."),
    Metric("kojid_task_load", GAUGE, (), "Sum of the weights of the tasks that do not wait."),
    Metric("kojid_capacity", GAUGE, (), "This host's capacity on the hub; the task load is held against it."),
    # Tasks
    Metric("kojid_tasks_started_total", COUNTER, ("method",), "Tasks for which a process was started."),
    Metric("kojid_tasks_ended_total", COUNTER, ("method", "outcome"), "Tasks that ended: closed, failed, refused, freed, "
           "dropped (the hub had taken it away), stopped (ended by the daemon), lost (its process died), unknown."),
    Metric("kojid_task_faults_total", COUNTER, ("method", "kind"), "Faults of tasks: host (this machine's trouble, the "
           "task was given back), package (its own), limit (a time limit), internal (of the handler's code)."),
    Metric("kojid_task_duration_seconds", HISTOGRAM, ("method",), "From the start of a task's process to its end.", _WORK),
    Metric("kojid_task_phase_seconds", HISTOGRAM, ("phase",), "How long tasks were at something without a break: init, "
           "rebuild, upload, download, waiting, …; \"at work\" is what has no name.", _WORK),
    Metric("kojid_task_pickup_seconds", HISTOGRAM, (), "From the hub's answer that offered a task to the start of its "
           "process.", _WAIT),
    Metric("kojid_task_queue_seconds", HISTOGRAM, (), "From the making of a task, by the hub's clock, to the start of its "
           "process, by this host's.", _WAIT),
    Metric("kojid_tasks_reattached_total", COUNTER, (), "Tasks that were taken up from the daemon before this one."),
    # The hub
    Metric("kojid_hub_calls_total", COUNTER, ("method", "result"), "Calls to the hub by the daemon and its tasks: ok, "
           "fault (answered with one), unreachable (did not get through), interrupted. A multiCall counts as one."),
    Metric("kojid_hub_call_duration_seconds", HISTOGRAM, ("method",), "How long these calls took, repetitions "
           "included.", _CALL),
    Metric("kojid_hub_retries_total", COUNTER, ("method",), "Repetitions of calls that did not get through."),
    Metric("kojid_hub_contact_timestamp_seconds", GAUGE, (), "When the daemon last had an answer of the hub, be it a "
           "fault, seconds since the epoch; 0 before the first."),
    Metric("kojid_upload_bytes_total", COUNTER, (), "Bytes of files and logs that the hub has taken."),
    Metric("kojid_upload_block_duration_seconds", HISTOGRAM, (), "How long blocks of uploads took until the hub had "
           "taken them, repetitions included; their number is in `_count`.", _CALL),
    Metric("kojid_upload_retries_total", COUNTER, (), "Blocks of uploads that arrived wrong, or before an earlier try was "
           "over, and were sent again."),
    # The machine
    Metric("kojid_filesystem_free_bytes", GAUGE, ("place",), "Space left for mockdir, workdir, topdir and the log file."),
    Metric("kojid_filesystem_required_bytes", GAUGE, ("place",), "Space that a new task needs there (the minspace "
           "options)."),
    Metric("kojid_filesystem_free_inodes", GAUGE, ("place",), "Inodes left there; missing where they are not counted."),
    Metric("kojid_filesystem_required_inodes", GAUGE, ("place",), "Inodes that a new task needs there (option mininodes)."),
    Metric("kojid_filesystem_answers", GAUGE, ("place",), "1 when the place exists and its file system answers, else 0."),
    Metric("kojid_certificate_expiry_timestamp_seconds", GAUGE, (), "When the client certificate ends, seconds since the "
           "epoch; missing without one."),
    Metric("kojid_buildroots", GAUGE, ("fate",), "Buildroots that have a configuration here, by what becomes of them."),
    Metric("kojid_cleanups_total", COUNTER, ("result",), "Buildroots and the like that were cleaned up: ok or failed."),
    Metric("kojid_warm_buildroots_total", COUNTER, ("result",), "Roots that were copied rather than made by mock (used), "
           "set aside for that (made), or could not be (failed)."),
    # What was left behind
    Metric("kojid_leaked_processes_total", COUNTER, ("kind",), "Processes that had to be ended: remains (of a task that "
           "had ended), orphan (of one, outside its tree), stray (found at the start, without a record)."),
    Metric("kojid_leaked_mounts_total", COUNTER, (), "Mounts in buildroots that were taken away after their task."),
    Metric("kojid_unkillable_processes_total", COUNTER, (), "Processes that did not end by KILL."),
)  # fmt: skip

BY_NAME: Dict[str, Metric] = {metric.name: metric for metric in TABLE}
