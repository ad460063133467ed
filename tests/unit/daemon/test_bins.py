"""Choosing among free tasks by channel, arch and load (contract 4.4)."""

from __future__ import annotations

import logging
from typing import Any, Optional
from unittest.mock import Mock

import koji
import pytest

from kojid.daemon.schedule.bins import Bins
from kojid.daemon.schedule.refusals import Refusals

US = 3
FREE, ASSIGNED, OPEN = (koji.TASK_STATES[name] for name in ("FREE", "ASSIGNED", "OPEN"))


def host(number: int, available: float = 5.0, arches: str = "x86_64", channels: Optional[list[int]] = None) -> Any:
    return {
        "id": number,
        "name": f"host{number}",
        "arches": arches,
        "task_load": 10.0 - available,
        "capacity": 10.0,
        "channels": [1] if channels is None else channels,
    }


def task(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "state": FREE,
        "channel_id": 1,
        "host_id": None,
        "arch": "noarch",
        "method": "sleep",
        "priority": 20,
        **more,
    }


class Site:
    def __init__(self) -> None:
        self.now = 1000.0
        self.here: set[int] = set()
        self.refusals = Refusals(Mock(hub_version=(1, 33, 2)), lambda: self.now)
        self.bins = Bins(US, {"sleep"}, 100, self.refusals, self.here.__contains__, lambda: self.now)

    def offers(self, hosts: list[Any], *tasks: dict[str, Any], weight: float = 0.0) -> list[int]:
        """The tasks that would be tried; each is taken and weighs so much."""
        tried = []
        for one in self.bins.candidates(([*hosts], [*tasks])):
            tried.append(one["id"])
            self.bins.took(weight)
        return tried


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_lone_host_takes_what_is_of_its_channels_and_arches(site: Site) -> None:
    tasks = [
        task(1),
        task(2, arch="x86_64"),
        task(3, arch="s390x"),
        task(4, channel_id=2),
        task(5, channel_id=9, arch="x86_64"),
    ]
    assert site.offers([host(US, channels=[1, 9])], *tasks) == [1, 2, 5]


def test_the_best_placed_host_takes_a_task_at_once(site: Site) -> None:
    assert site.offers([host(1, 4.0), host(US, 5.0), host(2, 5.0)], task(1)) == [1]


def test_the_worst_placed_host_waits_for_the_whole_delay(site: Site) -> None:
    hosts = [host(1, 9.0), host(2, 8.0), host(US, 1.0)]
    assert site.offers(hosts, task(1)) == []
    site.now += 99.0
    assert site.offers(hosts, task(1)) == []
    site.now += 1.0
    assert site.offers(hosts, task(1)) == [1]


def test_a_host_in_the_middle_waits_for_its_part_of_the_delay(site: Site) -> None:
    hosts = [host(1, 9.0), host(US, 5.0), host(2, 1.0)]
    assert site.offers(hosts, task(1)) == []
    site.now += 50.0
    assert site.offers(hosts, task(1)) == [1]


def test_only_hosts_of_the_same_bin_are_competitors(site: Site) -> None:
    others = [host(1, 9.0, arches="s390x"), host(2, 9.0, channels=[2])]
    assert site.offers([*others, host(US, 1.0)], task(1, arch="x86_64")) == [1]
    assert site.offers([*others, host(US, 1.0)], task(2)) == []  # noarch: host1 could do it as well


def test_what_is_taken_in_between_counts_for_the_rest(site: Site) -> None:
    hosts = [host(1, 4.0), host(US, 5.0)]
    assert site.offers(hosts, *(task(number) for number in range(1, 9)), weight=0.5) == [1, 2, 3]


def test_the_time_of_a_taken_task_starts_anew_when_it_comes_back(site: Site) -> None:
    worse = [host(1, 9.0), host(US, 1.0)]
    site.offers(worse, task(1))
    site.now += 100.0
    assert site.offers(worse, task(1)) == [1]
    assert site.offers(worse, task(1)) == []


def test_a_task_seen_long_ago_is_a_new_one(site: Site) -> None:
    worse = [host(1, 9.0), host(US, 1.0)]
    site.offers(worse, task(1))
    site.now += 1001.0
    assert site.offers(worse, task(1)) == []


def test_what_is_assigned_to_us_is_taken_regardless_of_bins_and_load(site: Site) -> None:
    hosts = [host(1, 9.0), host(US, 0.0)]
    ours, anothers = task(1, state=ASSIGNED, host_id=US, channel_id=7), task(2, state=ASSIGNED, host_id=1)
    assert site.offers(hosts, ours, anothers) == [1]


def test_a_host_without_bins_still_takes_what_is_assigned(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "koji.TaskManager")
    lone = host(US, channels=[])
    assert site.offers([lone], task(1), task(2, state=ASSIGNED, host_id=US)) == [2]
    assert caplog.messages == ["No bins for this host. Missing channel/arch config?"]


def test_a_host_that_the_hub_leaves_out_takes_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "koji.TaskManager")
    assert site.offers([], task(1)) == []
    assert caplog.messages == ["Server did not report this host. Are we disabled?"]


def test_a_task_that_is_still_here_is_left_alone(site: Site) -> None:
    site.here.add(1)
    assert site.offers([host(US)], task(1), task(2)) == [2]


def test_an_unknown_method_is_skipped_and_told_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        assert site.offers([host(US)], task(1, method="livecd"), task(2)) == [2]
    assert caplog.messages == ["Skipping task 1, no handler for method livecd"]


def test_a_refused_task_is_left_to_others(site: Site) -> None:
    site.refusals.note(1)
    assert site.offers([host(US)], task(1), task(2)) == [2]
    assert site.offers([host(US)], task(1, state=ASSIGNED, host_id=US)) == [1]


def test_a_state_that_cannot_be_is_an_error(site: Site) -> None:
    with pytest.raises(koji.GenericError, match="Invalid task state"):
        site.offers([host(US)], task(1, state=OPEN))


def test_the_log_says_what_older_builders_said_in_their_order(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "koji.TaskManager")
    better, us, one = host(1, 9.0), host(US), task(1)
    site.offers([better, us], one)
    assert caplog.messages == [
        "Load Data:",
        f"  hosts: {[better, us]!r}",
        f"  tasks: {[one]!r}",
        "bins: {'1:x86_64': 1, '1:noarch': 1}",
        f"task: {one!r}",
        "task is free, bin='1:noarch'",
        "skipping task 1, age=0 rank=1.0",
    ]
