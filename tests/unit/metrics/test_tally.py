"""What a process counts, and how it gets to the daemon."""

from __future__ import annotations

import json
from typing import Any, Iterator, List

import pytest

from kojid.metrics import tally
from kojid.metrics.table import COUNTER, GAUGE, HISTOGRAM, TABLE


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    tally.begin()
    yield
    tally.end()


def test_nothing_is_kept_until_somebody_wants_to_know() -> None:
    tally.end()
    tally.count("kojid_upload_bytes_total", amount=5)
    tally.observe("kojid_task_pickup_seconds", 1.0)
    tally.merge('[["kojid_upload_bytes_total",[],[5]]]')
    tally.renew()
    assert not tally.counting()
    assert not tally.current().counts
    assert not list(tally.take())


def test_observations_fall_into_buckets() -> None:
    for seconds in (0.05, 0.1, 0.4, 1e9):
        tally.observe("kojid_task_pickup_seconds", seconds)
    span = tally.current().spans["kojid_task_pickup_seconds",]
    assert (span[0], span[1], span[-2]) == (2, 1, 1)
    assert sum(span[:-1]) == 4
    assert span[-1] == pytest.approx(1e9 + 0.55)


def test_what_a_process_gives_away_arrives_once_and_whole() -> None:
    for number in range(150):
        tally.count("kojid_hub_calls_total", f"method{number}", "ok")
        tally.observe("kojid_hub_call_duration_seconds", 0.2, f"method{number}")
    before = tally.current()
    pieces = list(tally.take())
    assert len(pieces) > 1
    assert max(map(len, pieces)) < 16384
    assert not list(tally.take())
    tally.begin()
    for piece in pieces:
        tally.merge(piece)
    after = tally.current()
    assert len(after.counts) == len(after.spans) == 150
    assert set(after.counts.values()) == {1.0}
    assert not before.counts


def test_a_piece_that_could_not_be_delivered_is_kept() -> None:
    for number in range(100):
        tally.count("kojid_hub_retries_total", f"method{number}")
    pieces = tally.take()
    first = next(pieces)
    next(pieces)
    pieces.close()
    left = [json.loads(piece) for piece in tally.take()]
    assert sum(map(len, left)) == 100 - len(json.loads(first))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "7", '{"a": 1}', "[7]", "[[]]", '[["kojid_ready",[],[1]]]', '[["nothing",[],[1]]]',
        '[["kojid_upload_bytes_total",["label"],[1]]]', '[["kojid_upload_bytes_total",[],[1,2]]]',
        '[["kojid_upload_bytes_total",[],[-1]]]', '[["kojid_upload_bytes_total",[],[NaN]]]',
        '[["kojid_upload_bytes_total",[],["a"]]]', '[["kojid_task_pickup_seconds",[],[1,2]]]',
    ],
)  # fmt: skip
def test_nonsense_of_another_process_changes_nothing(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        tally.merge(text)
    assert not tally.current().counts
    assert not tally.current().spans


def test_labels_do_not_grow_without_bounds() -> None:
    for number in range(1000):
        tally.count("kojid_hub_retries_total", f"method{number}" + "x" * 200)
    counts = tally.current().counts
    assert len(counts) == tally.MOST_SERIES + 1
    assert counts["kojid_hub_retries_total", tally.OTHER] == 1000 - tally.MOST_SERIES
    assert max(len(key[1]) for key in counts) <= 64


def test_a_process_that_gives_away_often_keeps_the_names() -> None:
    for _ in range(tally.MOST_SERIES + 5):
        tally.count("kojid_hub_retries_total", "getTag")
        list(tally.take())
    tally.count("kojid_hub_retries_total", "getTag")
    assert list(tally.current().counts) == [("kojid_hub_retries_total", "getTag")]


def test_the_names_follow_the_conventions() -> None:
    names: List[Any] = [metric.name for metric in TABLE]
    assert len(set(names)) == len(names)
    for metric in TABLE:
        assert metric.name.startswith("kojid_")
        assert metric.help.endswith((".", ")"))
        assert (metric.kind == COUNTER) == metric.name.endswith("_total")
        assert (metric.kind == HISTOGRAM) == bool(metric.buckets)
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.kind in (COUNTER, GAUGE, HISTOGRAM)
        assert not {"le", "instance", "job"} & set(metric.labels)
