"""Many short tasks on one host: they do not wait for the beat, and the host's limits hold all the time."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from tests.support.fleet import Builder, Fleet, running_fleet

pytestmark = pytest.mark.e2e

TASKS, JOBS = 40, 10
# The aim is 3 s on a machine that does nothing else. What a test can hold on any machine is that no task had to wait
# for the next beat; KOJID_TEST_SECONDS=3 holds it to the aim.
SECONDS = float(os.environ.get("KOJID_TEST_SECONDS", "12"))
CYCLES = 30  # a request each, and one more for the tasks taken; one task per cycle would be forty of them


@pytest.mark.parametrize(("version", "host"), [("1.35.3", "builder"), ("1.33.2", "builder"), ("1.33.2", None)])
def test_forty_tasks_are_done_within_the_beat_that_sees_them(tmp_path: Path, version: str, host: Optional[str]) -> None:
    """They are all there when the daemon looks for the first time; the next beat is 15 seconds away."""
    with running_fleet(tmp_path, version=version) as fleet:
        options = {} if host is None else {"assign": host}
        tasks = [fleet.admin.makeTask("sleep", [0], **options) for _ in range(TASKS)]
        builder = fleet.builder("builder", sleeptime=15, maxjobs=JOBS).launch()
        rows = fleet.all_closed(tasks, 30)

        assert max(row["completion_ts"] for row in rows) - first_beat(builder) <= SECONDS
        assert most_at_once(rows) <= JOBS
        assert requests(fleet, "multiCall") <= 2 * CYCLES


def first_beat(builder: Builder) -> float:
    """When the daemon began the cycle in which it took its first task, seconds since the epoch."""
    before, _, _ = builder.log.partition("Attempting to take task")
    beat = re.findall(r"^(\S+ \S+),(\d+) \[DEBUG\] .* Local buildroots:", before, re.MULTILINE)[-1]
    moment = datetime.datetime.strptime(beat[0], "%Y-%m-%d %H:%M:%S")
    return moment.timestamp() + int(beat[1]) / 1000


def most_at_once(rows: List[Dict[str, Any]]) -> int:
    """How many of the tasks were open at the same time; one that ends when another begins does not count."""
    changes = sorted([(row["start_ts"], 1) for row in rows] + [(row["completion_ts"], -1) for row in rows])
    most = now = 0
    for _moment, change in changes:
        now += change
        most = max(most, now)
    return most


def requests(fleet: Fleet, method: str) -> int:
    """How often the builder called a method."""
    return sum(1 for call in fleet.hub.calls() if call.user == "builder" and call.method == method)
