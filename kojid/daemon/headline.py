"""The daemon in one line, for `systemctl status`: jobs, load, room, and what is being built."""

from __future__ import annotations

import os
import re
from typing import Iterable, List, Optional

from kojid.daemon.admission import Verdict
from kojid.daemon.jobs import Job

_SOURCE_PACKAGE = re.compile(r"([^\s(),/]+)-[^\s(),/-]+\.src\.rpm")
_SHOWN = 3  # names in the line; `kojid status` has all


def line(verdict: Verdict, open_tasks: int, maxjobs: int, free_mb: Optional[int], jobs: Iterable[Job]) -> str:
    """One line, as `3/10 jobs, load 2.1, 61 GB free; building hello-2.10`.

    Args:
        verdict: whether the host takes tasks, and why not.
        open_tasks: how many are open here.
        maxjobs: how many may be.
        free_mb: MiB free in mockdir; None when that is not known.
        jobs: what runs here.
    """
    facts = [f"{open_tasks}/{maxjobs} jobs", f"load {os.getloadavg()[0]:.1f}"]
    if free_mb is not None:
        facts.append(f"{free_mb / 1024:.0f} GB free" if free_mb >= 10240 else f"{free_mb / 1024:.1f} GB free")
    parts = [", ".join(facts)]
    if not verdict.ready:
        parts.append(f"not ready: {verdict.reason}")
    work = _work(jobs)
    return "; ".join([*parts, work] if work else parts)


def _work(jobs: Iterable[Job]) -> str:
    """What is being built, and the methods of what builds nothing."""
    built: List[str] = []
    other: List[str] = []
    for job in jobs:
        found = _SOURCE_PACKAGE.search(job.record.subject if job.record else "")
        (built if found else other).append(found.group(1) if found else job.method)
    named = [f"building {_listed(built)}"] if built else []
    # The parent of a build from version control has no package to name yet; its subtasks soon have.
    other = [method for method in other if not (built and method == "build")]
    return "; ".join([*named, *([_listed(other)] if other else [])])


def _listed(names: List[str]) -> str:
    distinct = list(dict.fromkeys(names))
    rest = len(distinct) - _SHOWN
    return ", ".join([*distinct[:_SHOWN], *([f"{rest} more"] if rest > 0 else [])])
