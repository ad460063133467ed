"""The scheduler of hubs since 1.34: which host is given which task (contract 4.3).

It has no clock of its own. As on a real hub it runs inside the calls of builders that ask for work and have none,
at most every `run_interval` seconds.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Set, Tuple

import koji
import koji.tasks

from kojid.sandbox.hub import releases
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context
from kojid.sandbox.hub.settings import Settings

logger = logging.getLogger("kojid.sandbox.hub.scheduler")

_FREE = koji.TASK_STATES["FREE"]
_OPEN = koji.TASK_STATES["OPEN"]
_ASSIGNED = koji.TASK_STATES["ASSIGNED"]
#: As many waiting tasks are looked at in one run.
_QUEUE_LIMIT = 1000
#: Where the tag that decides about the arch is found in the parameters of a task.
_TAG_PARAMETER = {
    "buildArch": "root",
    "buildMaven": "build_tag",
    "buildSRPMFromSCM": "build_tag",
    "rebuildSRPM": "build_tag",
    "wrapperRPM": "build_target",
}


@dataclass
class Candidate:
    """An enabled host during one run.

    `load` and `running` are of its open and assigned tasks; `demand` says how much of what waits could come here.
    """

    id: int
    name: str
    ready: bool
    updated: Optional[float]
    capacity: float
    max_jobs: int
    bins: Set[Tuple[int, str]] = field(default_factory=set)
    load: float = 0.0
    running: int = 0
    demand: float = 0.0

    @property
    def rank(self) -> float:
        """The lowest comes first."""
        return self.load + self.running + self.demand

    def has_room(self, weight: float, settings: Settings) -> bool:
        """Whether a task of this weight may be added."""
        needed = max(0.0, weight - settings.capacity_overcommit)
        return self.running < self.max_jobs and self.capacity - self.load > needed

    def take(self, weight: float) -> None:
        """Count a task that is added."""
        self.load += weight
        self.running += 1


def assigned_tasks(ctx: Context, host_id: int, *, schedule: bool = True) -> List[Row]:
    """The tasks assigned to a host, the most urgent first; when there is none the scheduler may run first."""
    sql = """SELECT id, state, channel_id, host_id, arch, method, priority, create_time AS create_ts FROM task
              WHERE state = ? AND host_id = ? ORDER BY priority, create_time, id"""
    tasks = ctx.db.all(sql, (_ASSIGNED, host_id))
    if not tasks and schedule and run(ctx):
        tasks = ctx.db.all(sql, (_ASSIGNED, host_id))
    return tasks


def run(ctx: Context, *, force: bool = False) -> bool:
    """Hand out what can be handed out and take back what is stuck; False when the last run was too recent."""
    now = time.time()
    last = ctx.db.value("SELECT data FROM scheduler_sys_data WHERE name = 'last_run_ts'", default=0.0)
    if not force and 0 <= now - last < ctx.settings.run_interval:
        return False
    ctx.db.execute("REPLACE INTO scheduler_sys_data (name, data) VALUES ('last_run_ts', ?)", (now,))
    active = ctx.db.all(
        "SELECT id, state, waiting, weight, host_id FROM task WHERE state IN (?, ?) AND host_id IS NOT NULL",
        (_ASSIGNED, _OPEN),
    )
    hosts = _candidates(ctx)
    _mark_silent_hosts(ctx, hosts, now)
    _hand_out(ctx, hosts, active)
    _take_back(ctx, hosts, active, now)
    return True


def refuse(ctx: Context, task_id: int, host_id: int, *, soft: bool, by_host: bool = False, msg: str = "") -> None:
    """Keep a task from a host: for `soft_refusal_timeout` when soft, else for good (contract 4.3)."""
    ctx.db.execute(
        """INSERT INTO scheduler_task_refusals (task_id, host_id, soft, by_host, msg, time)
           VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (task_id, host_id) DO UPDATE SET soft = excluded.soft, by_host = excluded.by_host,
                                                        msg = excluded.msg, time = excluded.time""",
        (task_id, host_id, bool(soft), by_host, msg, time.time()),
    )
    note(ctx, f"Host refused task: {msg}", task_id, host_id)


def refuse_by_arch(ctx: Context, task: Row) -> None:
    """Keep a noarch build task from the hosts that share no arch with its build tag (contract 4.3, end)."""
    if task["arch"] != "noarch" or task["method"] not in _TAG_PARAMETER:
        return
    if not releases.has(ctx.settings.version, releases.SCHEDULER):
        return
    try:
        arches = _tag_arches(ctx, task)
    except (koji.GenericError, TypeError, KeyError) as error:
        # The task itself will tell what is wrong with its parameters.
        logger.info("task %s: no arches to judge hosts by: %s", task["id"], error)
        return
    for host in ctx.call("listHosts", channelID=task["channel_id"], enabled=True) if arches else ():
        if not arches.intersection(host["arches"].split()):
            refuse(ctx, task["id"], host["id"], soft=False, msg="automatic arch refusal")


def assign(ctx: Context, task_id: int, host_id: int, *, force: bool = False, override: bool = False) -> bool:
    """Assign a task and note it as a run of the scheduler; `override` leaves it out of the scheduler's care."""
    from kojid.sandbox.hub import tasks

    if not tasks.assign(ctx, task_id, host_id, force=force):
        note(ctx, "Assignment failed", task_id, host_id)
        return False
    note(ctx, "Assigning task (override)" if override else "Assigning task", task_id, host_id)
    ctx.db.update("scheduler_task_runs", {"task_id": task_id, "active": True}, active=False)
    if not override:
        ctx.db.insert("scheduler_task_runs", task_id=task_id, host_id=host_id, create_time=time.time())
    return True


def set_host_data(ctx: Context, host_id: int, data: Any) -> None:
    """Keep what a host says of itself: its task methods and maxjobs (contract 4.3).

    Raises:
        koji.ParameterError: it is no dict.
    """
    if not isinstance(data, dict):
        raise koji.ParameterError("Host data should be a dictionary")
    text = json.dumps(data, sort_keys=True)
    if text != ctx.db.value("SELECT data FROM scheduler_host_data WHERE host_id = ?", (host_id,)):
        ctx.db.execute("REPLACE INTO scheduler_host_data (host_id, data) VALUES (?, ?)", (host_id, text))


def note(ctx: Context, msg: str, task_id: Optional[int] = None, host_id: Optional[int] = None) -> None:
    """Write a line into the scheduler's log, which clients can read."""
    logger.info("[task_id=%s] [host_id=%s] %s", task_id, host_id, msg)
    ctx.db.insert("scheduler_log_messages", msg=msg, task_id=task_id, host_id=host_id, msg_time=time.time())


def _tag_arches(ctx: Context, task: Row) -> Set[str]:
    params = koji.tasks.parse_task_params(task["method"], koji.xmlrpcplus.loads(task["request"])[0])
    tag = params[_TAG_PARAMETER[task["method"]]]
    if task["method"] == "wrapperRPM":
        tag = ctx.call("getBuildTarget", tag, strict=True)["build_tag"]
    tag_id = ctx.call("getTag", tag, strict=True)["id"]
    arches = ctx.call("getBuildConfig", tag_id)["arches"] or ""
    return {koji.canonArch(arch) for arch in arches.split()}


def _candidates(ctx: Context) -> Dict[int, Candidate]:
    rows = ctx.db.all(
        """SELECT h.id, h.name, h.ready, h.update_time, c.arches, c.capacity, d.data
             FROM host h JOIN host_config c ON c.host_id = h.id AND c.active = 1 AND c.enabled = 1
             LEFT JOIN scheduler_host_data d ON d.host_id = h.id ORDER BY h.id"""
    )
    hosts: Dict[int, Candidate] = {}
    arches: Dict[int, List[str]] = {}
    for row in rows:
        reported = json.loads(row["data"] or "{}").get("maxjobs")
        hosts[row["id"]] = Candidate(
            id=row["id"],
            name=row["name"],
            ready=row["ready"],
            updated=row["update_time"],
            capacity=row["capacity"],
            max_jobs=int(reported or ctx.settings.max_jobs),
        )
        arches[row["id"]] = [*(row["arches"] or "").split(), "noarch"]
    served = ctx.db.all(
        """SELECT hc.host_id, hc.channel_id FROM host_channels hc JOIN channels c ON c.id = hc.channel_id
            WHERE hc.active = 1 AND c.enabled = 1"""
    )
    for row in served:
        if row["host_id"] in hosts:
            bins = {(row["channel_id"], arch) for arch in arches[row["host_id"]]}
            hosts[row["host_id"]].bins |= bins
    return hosts


def _mark_silent_hosts(ctx: Context, hosts: Dict[int, Candidate], now: float) -> None:
    for host in hosts.values():
        if host.ready and (host.updated is None or now - host.updated > ctx.settings.ready_timeout):
            note(ctx, "Marking host not ready", host_id=host.id)
            ctx.db.update("host", {"id": host.id}, ready=False)
            host.ready = False


def _hand_out(ctx: Context, hosts: Dict[int, Candidate], active: List[Row]) -> None:
    waiting = ctx.db.all(
        "SELECT id, weight, channel_id, arch FROM task WHERE state = ? ORDER BY priority, create_time, id LIMIT ?",
        (_FREE, _QUEUE_LIMIT),
    )
    if not waiting:
        return
    for task in active:
        host = hosts.get(task["host_id"])
        if host is not None:
            host.take(0.0 if task["waiting"] else task["weight"])
    refused = _refusals(ctx)
    choices: Dict[int, List[Candidate]] = {}
    for task in waiting:
        choices[task["id"]] = [
            host
            for host in hosts.values()
            if host.ready
            and (task["channel_id"], task["arch"]) in host.bins
            and (task["id"], host.id) not in refused
            and host.has_room(task["weight"], ctx.settings)
        ]
        for host in choices[task["id"]]:
            host.demand += task["weight"] / len(choices[task["id"]])
    total = sum(host.demand for host in hosts.values()) or 1.0
    for host in hosts.values():
        host.demand /= total
    for task in waiting:
        for host in sorted(choices[task["id"]], key=lambda host: host.rank):
            if host.has_room(task["weight"], ctx.settings) and assign(ctx, task["id"], host.id):
                host.take(task["weight"])
                break


def _refusals(ctx: Context) -> Set[Tuple[int, int]]:
    """The refusals in force; those that are over are dropped."""
    ctx.db.execute(
        """DELETE FROM scheduler_task_refusals
            WHERE (soft = 1 AND time < ?) OR task_id NOT IN (SELECT id FROM task WHERE state IN (?, ?, ?))""",
        (time.time() - ctx.settings.soft_refusal_timeout, _FREE, _OPEN, _ASSIGNED),
    )
    rows = ctx.db.all("SELECT task_id, host_id FROM scheduler_task_refusals")
    return {(row["task_id"], row["host_id"]) for row in rows}


def _take_back(ctx: Context, hosts: Dict[int, Candidate], active: List[Row], now: float) -> None:
    """Free the tasks that their host did not open in time, or whose host is silent."""
    runs: Dict[int, float] = {}
    for row in ctx.db.all("SELECT task_id, create_time FROM scheduler_task_runs WHERE active = 1 ORDER BY id DESC"):
        runs[row["task_id"]] = row["create_time"]
    for task in active:
        host = hosts.get(task["host_id"])
        if host is not None and task["id"] in runs:  # one without a run was assigned by hand
            _check_run(ctx, task, host, runs[task["id"]], now)
    ctx.db.execute(
        """UPDATE scheduler_task_runs SET active = 0
            WHERE active = 1 AND task_id NOT IN (SELECT id FROM task WHERE state IN (?, ?))""",
        (_OPEN, _ASSIGNED),
    )


def _check_run(ctx: Context, task: Row, host: Candidate, started: float, now: float) -> None:
    from kojid.sandbox.hub import tasks

    if task["state"] == _ASSIGNED and now - started > ctx.settings.assign_timeout:
        if host.updated and host.updated > started:
            # It has been there since and did not want the task.
            refuse(ctx, task["id"], host.id, soft=True, msg="assignment timeout")
        note(ctx, "Task assignment timeout", task["id"], host.id)
        tasks.free(ctx, task["id"])
    elif task["state"] == _OPEN and now - (host.updated or started) > ctx.settings.host_timeout:
        note(ctx, "Freeing task from unresponsive host", task["id"], host.id)
        tasks.free(ctx, task["id"])
