"""The pace of the cycles."""

from __future__ import annotations

import pytest

from kojid.daemon.beat import Beat


def pauses(beat: Beat, now: float, count: int) -> list[float]:
    found = []
    for _ in range(count):
        pause = beat.done(now, again=False)
        found.append(pause)
        now += pause
    return found


def light(beat: Beat, now: float, count: int) -> list[float]:
    """The pauses of cycles that are no beats."""
    found = []
    for _ in range(count):
        found.append(beat.done(now, again=False, whole=False))
        now += found[-1]
    return found


def test_a_quiet_builder_keeps_the_beat() -> None:
    assert pauses(Beat(15, 0.0), 0.0, 3) == [15, 15, 15]


def test_an_event_brings_a_cycle_at_once_and_then_ever_rarer_ones_up_to_the_beat() -> None:
    beat = Beat(15, 0.0)
    beat.done(0.0, again=False)
    beat.event(3.0)
    assert beat.next == 3.0
    assert light(beat, 3.0, 5) == [0.5, 1, 2, 4, 4.5]


def test_an_event_does_not_move_the_beat() -> None:
    beat = Beat(15, 0.0)
    assert beat.whole(0.0)
    beat.done(0.0, again=False)
    beat.event(3.0)
    assert not beat.whole(3.0)
    light(beat, 3.0, 5)
    assert beat.next == 15
    assert beat.whole(15.0)


def test_an_event_may_ask_for_a_whole_cycle() -> None:
    beat = Beat(15, 0.0)
    beat.done(0.0, again=False)
    beat.event(3.0, whole=True)
    assert beat.whole(beat.next)


def test_polling_fills_the_time_between_the_beats() -> None:
    beat = Beat(5, 0.0)
    beat.poll = 2.0
    assert beat.done(0.0, again=False) == 2.0
    assert light(beat, 2.0, 2) == [2.0, 1.0]
    assert beat.whole(beat.next)


def test_after_a_failed_cycle_everything_is_looked_at() -> None:
    beat = Beat(15, 0.0)
    beat.done(0.0, again=False)
    beat.failed(3.0)
    assert beat.whole(beat.next)


def test_a_taken_task_brings_the_next_cycle_at_once() -> None:
    beat = Beat(15, 0.0)
    assert beat.done(1.0, again=True) == 0
    assert beat.next == 1.0


def test_many_events_do_not_make_a_storm() -> None:
    beat = Beat(15, 0.0)
    beat.done(10.0, again=False)
    beat.event(10.001)
    assert beat.next == pytest.approx(10.05)


def test_failed_cycles_are_repeated_with_a_growing_pause_that_never_exceeds_the_beat() -> None:
    beat, now = Beat(15, 0.0), 0.0
    limits = [1, 2, 4, 8, 15, 15]
    for limit in limits:
        pause = beat.failed(now)
        assert limit / 2 <= pause <= limit
        now += pause


def test_an_event_does_not_hurry_a_builder_whose_hub_is_in_trouble() -> None:
    beat = Beat(15, 0.0)
    beat.failed(0.0)
    due = beat.next
    beat.event(0.1)
    assert beat.next == due
