"""Many short tasks on one host: they do not wait for the beat, and the host's limits hold all the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Tuple

import pytest

from tests.support.fleet import Fleet, running_fleet
from tests.support.sandbox import wait_for

pytestmark = pytest.mark.e2e

TASKS, JOBS = 40, 10
SECONDS = 3.0


@pytest.mark.parametrize("version", ["1.35.3", "1.33.2"])
def test_forty_tasks_assigned_at_once_are_done_in_three_seconds(tmp_path: Path, version: str) -> None:
    with running_fleet(tmp_path, version=version) as fleet:
        builder = fleet.builder("builder", sleeptime=15, maxjobs=JOBS).start()
        quiet_since = fleet.admin.getHost("builder")["update_ts"]
        before = len(fleet.hub.calls())
        tasks = [fleet.admin.makeTask("sleep", [0], assign="builder") for _ in range(TASKS)]
        assert fleet.admin.getHost("builder")["update_ts"] == quiet_since, "a beat came in between"
        wait_for(lambda: builder.reported_since(quiet_since + 0.001), 30)
        rows = fleet.all_closed(tasks, 30)
        first = min(row["start_ts"] for row in rows)
        seen = wait_for(lambda: builder.reported_since(first), 30)
        assert seen

        assert max(row["completion_ts"] for row in rows) - first_beat(fleet, before) <= SECONDS
        assert most_at_once([(row["start_ts"], row["completion_ts"]) for row in rows]) <= JOBS
        print(figures(fleet, before, rows))


def first_beat(fleet: Fleet, before: int) -> float:
    return 0.0


def most_at_once(spans: List[Tuple[float, float]]) -> int:
    """How many of the spans overlapped; one that ends when another begins does not."""
    changes = sorted([(start, 1) for start, _end in spans] + [(end, -1) for _start, end in spans])
    most = now = 0
    for _moment, change in changes:
        now += change
        most = max(most, now)
    return most


def figures(fleet: Fleet, before: int, rows: Any) -> str:
    calls = [call for call in fleet.hub.calls(before) if call.user == "builder"]
    return f"{len(calls)} requests, {len(calls) / len(rows)} per task"
