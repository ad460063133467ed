"""Each task's end is counted once, by whoever knows it."""

from __future__ import annotations

from typing import Any, Iterator, Optional
from unittest.mock import Mock

import pytest

from kojid.daemon import score
from kojid.metrics import tally
from kojid.system.child import ExitStatus


@pytest.fixture(autouse=True)
def counting() -> Iterator[None]:
    tally.begin()
    yield
    tally.end()


def ended() -> Any:
    return {key[2]: value for key, value in tally.current().counts.items() if key[0] == "kojid_tasks_ended_total"}


@pytest.mark.parametrize(
    ("told", "ending", "status", "left", "outcome"),
    [
        (True, None, ExitStatus(0), False, None),
        (True, object(), ExitStatus(0), False, None),
        (False, None, ExitStatus(0, 9), True, None),  # counted when the outcome is delivered
        (False, None, ExitStatus(0, 9), False, "lost"),
        (False, None, ExitStatus(1), False, "lost"),
        (False, object(), ExitStatus(0, 9), False, "stopped"),
        (False, None, None, False, "unknown"),
        (False, None, ExitStatus(0), False, "unknown"),
    ],
)
def test_the_end_of_a_process(
    told: bool, ending: Any, status: Optional[ExitStatus], left: bool, outcome: Optional[str]
) -> None:
    job = Mock(told=told, ending=ending, method="build")
    job.process.start_time = 0
    score.exited(job, status, outcome_left=left)
    assert ended() == ({outcome: 1.0} if outcome else {})
    assert ("kojid_task_duration_seconds", "build") in tally.current().spans


def test_what_a_former_daemon_left_is_counted_by_what_the_hub_says() -> None:
    for state in ("CLOSED", "FAILED", "CANCELED", "FREE", "unknown"):
        score.found_ended("build", state)
    assert ended() == {"closed": 1, "failed": 1, "stopped": 1, "freed": 1, "unknown": 1}


def test_nonsense_from_a_task_is_ignored() -> None:
    for text in ("", "[1]", "null", "[[1,2,3]]", '[["kojid_ready",[],[1]]]'):
        score.heard(text)
    assert not tally.current().counts


def test_a_task_is_picked_up_from_the_first_offer_on() -> None:
    pickups = score.Pickups()
    pickups.offered([{"id": 1}, {"id": 2}])
    first = pickups._offered[1]
    pickups.offered([{"id": 1}])
    assert pickups._offered == {1: first}
    pickups.tried(3)
    pickups.started(Mock(id=1, taskinfo={"create_ts": 1.0}))
    pickups.started(Mock(id=3, taskinfo=None))
    pickups.started(Mock(id=9, taskinfo={}))
    spans = tally.current().spans
    assert sum(spans["kojid_task_pickup_seconds",][:-1]) == 2
    assert sum(spans["kojid_task_queue_seconds",][:-1]) == 1
    assert pickups._offered == {}
