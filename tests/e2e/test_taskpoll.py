"""What a builder asks the hub for: one request a heartbeat, and between the heartbeats next to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import List

import pytest

from kojid.sandbox.hub.settings import HostSetting
from tests.support.fleet import Fleet, running_fleet
from tests.support.sandbox import wait_for
from tests.support.sandboxhub import LoggedCall

pytestmark = pytest.mark.e2e

NEVER = 3600  # a beat that no test waits for
BEAT = ("listBuildroots", "host.getHostTasks", "host.getHost", "host.updateHost", "host.getTasks")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    hosts = (HostSetting("quiet"), HostSetting("polling"), HostSetting("far", channels=("default", "image")))
    with running_fleet(tmp_path_factory.mktemp("poll"), hosts=hosts) as made:
        yield made


def requests(fleet: Fleet, host: str) -> List[LoggedCall]:
    return [call for call in fleet.hub.calls() if call.user == host]


def test_an_idle_heartbeat_is_one_request(fleet: Fleet) -> None:
    builder = fleet.builder("quiet", sleeptime=1).start()
    begun = len(requests(fleet, "quiet"))
    wait_for(lambda: len(requests(fleet, "quiet")) >= begun + 4, 90, builder.log[-3000:])
    beats = requests(fleet, "quiet")[begun + 1 : begun + 4]  # the first one may belong to the start
    assert [sorted(call.parts) for call in beats] == [sorted(BEAT)] * 3
    builder.stop()


def test_a_builder_that_polls_finds_a_task_and_the_end_of_a_subtask_elsewhere(fleet: Fleet) -> None:
    """The next heartbeat is an hour away."""
    far = fleet.builder("far", sleeptime=1).start()
    near = fleet.builder("polling", sleeptime=NEVER, taskpoll=1).start()
    wait_for(lambda: fleet.hub.log().count("host.getTasks user=polling") >= 2, 90, near.log[-3000:])
    before = len(requests(fleet, "polling"))

    task_id = fleet.admin.makeTask("sleep", [0], assign="polling")
    fleet.all_closed([task_id], 90)
    looks = Counter(call.method for call in requests(fleet, "polling")[before:])
    assert looks["host.getTasks"] >= 1
    # all that the task took from the hub by way of the daemon
    opened = [call.parts for call in requests(fleet, "polling")[before:] if "host.openTask" in call.parts]
    assert opened == [("getTaskInfo", "host.openTask", "host.setTaskWeight", "subsession")]

    parent = fleet.admin.makeTask("restartHosts", [{"channel": "image"}], assign="polling")
    fleet.all_closed([parent], 90)
    assert "Waking up task" in near.log
    assert far.process is not None
