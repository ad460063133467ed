"""Four daemons, two channels, two lists of arches: every task runs once, where it may, and the load is spread."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Dict, Iterator, List

import koji
import pytest

from kojid.sandbox.hub.settings import HostSetting
from tests.support.fleet import Builder, Fleet, running_fleet
from tests.support.sandbox import wait_for

pytestmark = pytest.mark.e2e

ONE, BOTH = "x86_64", "x86_64 aarch64"
HOSTS = (
    HostSetting("builder", arches=ONE, channels=("default",)),
    HostSetting("second", arches=BOTH, channels=("default", "image")),
    HostSetting("third", arches=ONE, channels=("default", "image")),
    HostSetting("fourth", arches=BOTH, channels=("image",)),
)
DELAY = 2  # task_avail_delay, seconds


@pytest.fixture(scope="module", params=["1.35.3", "1.33.2"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All daemons at work."""
    directory = tmp_path_factory.mktemp("fleet")
    with running_fleet(directory, version=request.param, hosts=HOSTS, threads=32) as made:
        for host in HOSTS:
            made.builder(host.name, task_avail_delay=DELAY).launch()
        for builder in made.builders:
            wait_for(lambda one=builder: one.reported_since(1), 60)  # type: ignore[misc]
        yield made


@pytest.fixture(scope="module")
def rows(fleet: Fleet) -> List[Dict[str, Any]]:
    """Two hundred tasks that have ended."""
    kinds = [
        ("sleep", [0], {}),
        ("sleep", [0], {"arch": "x86_64"}),
        ("sleep", [0], {"channel": "image"}),
        ("sleep", [0], {"channel": "image", "arch": "aarch64"}),
        ("fork", [1, 0], {}),
    ]
    with fleet.admin.multicall(strict=True) as calls:
        made = [calls.makeTask(method, params, **opts) for _ in range(40) for method, params, opts in kinds]
    return fleet.all_closed([task.result for task in made], 60)


def test_each_task_runs_exactly_once(fleet: Fleet, rows: List[Dict[str, Any]]) -> None:
    runs = Counter(number for builder in fleet.builders for number in ended(builder))
    assert {runs[row["id"]] for row in rows} == {1}
    assert len(rows) == 200


def test_each_task_runs_where_it_may(fleet: Fleet, rows: List[Dict[str, Any]]) -> None:
    channels = {channel["id"]: channel["name"] for channel in fleet.admin.listChannels()}
    allowed = {
        fleet.admin.getHost(host.name)["id"]: {(name, arch) for name in host.channels for arch in arches(host)}
        for host in HOSTS
    }
    for row in rows:
        assert (channels[row["channel_id"]], row["arch"]) in allowed[row["host_id"]], row


def test_the_load_is_spread(fleet: Fleet, rows: List[Dict[str, Any]]) -> None:
    """Both rules go by the load of a host, whatever it is made of."""
    shares = Counter(row["host_id"] for row in rows)
    fair = len(rows) / len(HOSTS)
    assert len(shares) == len(HOSTS)
    # how fast the machine lets each of the four daemons be has its say, too
    assert fair / 5 <= min(shares.values()) <= max(shares.values()) <= fair * 2.5, shares


def test_hosts_that_are_not_best_placed_wait_their_turn(fleet: Fleet, rows: List[Dict[str, Any]]) -> None:
    """With the hub's scheduler there is nothing to wait for."""
    skipped = [match for builder in fleet.builders for match in SKIPPED.finditer(builder.log)]
    if fleet.hub.settings.version.startswith("1.35"):
        assert skipped == []
        return
    assert skipped, "nobody ever left a task to another host"
    for match in skipped:
        assert int(match["age"]) < DELAY * float(match["rank"])
        assert 0 < float(match["rank"]) <= 1


def test_nobody_was_refused_a_call(fleet: Fleet, rows: List[Dict[str, Any]]) -> None:
    names = {host.name for host in HOSTS}
    assert [call for call in fleet.hub.calls() if call.user in names and call.fault] == []


def test_all_hosts_of_a_channel_are_restarted_by_one_task(fleet: Fleet, rows: List[Dict[str, Any]]) -> None:
    begun = {builder.host: builder.log.count("Starting up") for builder in fleet.builders}
    task_id = fleet.admin.makeTask("restartHosts", [{"channel": "image"}])
    fleet.all_closed([task_id], 60)
    children = fleet.admin.getTaskChildren(task_id)
    assert {koji.TASK_STATES[row["state"]] for row in children} == {"CLOSED"}
    restarted = {host.name for host in HOSTS if "image" in host.channels}
    assert Counter(row["method"] for row in children) == {"restart": 3, "restartVerify": 3}
    for builder in fleet.builders:
        assert builder.log.count("Starting up") - begun[builder.host] == (builder.host in restarted)


SKIPPED = re.compile(r"skipping task (?P<task>\d+), age=(?P<age>\d+) rank=(?P<rank>[\d.]+)")


def ended(builder: Builder) -> List[int]:
    """The tasks whose result the processes of a builder sent."""
    return [int(number) for number in re.findall(r"\[task (\d+)\] RESPONSE: ", builder.log)]


def arches(host: HostSetting) -> List[str]:
    """The arches of tasks that a host takes."""
    return [*host.arches.split(), "noarch"]
