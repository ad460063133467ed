"""Contract 4.3: who is given which task, and what is taken back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Iterator

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from kojid.sandbox.hub.settings import HostSetting
from tests.support.sandboxhub import Caller, kernel_for_tests


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    hosts = (HostSetting("builder", capacity=3.0), HostSetting("second", capacity=3.0))
    kernel = kernel_for_tests(tmp_path, run_interval=0.0, hosts=hosts)
    yield kernel
    kernel.store.close()


@pytest.fixture
def second(kernel: Kernel) -> Caller:
    return Caller(kernel, "second", exclusive=True)


def ready(*callers: Caller, **data: Any) -> None:
    for caller in callers:
        caller("host.updateHost", 0.0, True, data={"methods": [], **data})


def ids(caller: Caller) -> list[int]:
    return [task["id"] for task in caller("host.getTasks")]


def tweak(kernel: Kernel, table: str, where: dict[str, Any], **values: Any) -> None:
    with kernel.store.writing() as db:
        assert db.update(table, where, **values)


def test_the_tasks_are_spread_over_the_hosts(admin: Caller, builder: Caller, second: Caller) -> None:
    ready(second)
    tasks = [admin("makeTask", "sleep", [n]) for n in range(4)]
    mine = builder("host.getTasks")
    assert set(mine[0]) == {"id", "state", "channel_id", "host_id", "arch", "method", "priority", "create_ts"}
    assert sorted(ids(builder) + ids(second)) == tasks
    assert len(mine) == 2


def test_the_most_urgent_and_then_the_oldest_comes_first(admin: Caller, builder: Caller) -> None:
    late, early = admin("makeTask", "sleep", [1]), admin("makeTask", "sleep", [1], priority=5)
    again = admin("makeTask", "sleep", [1], priority=5)
    assert ids(builder) == [early, again, late]


def test_only_hosts_that_fit_are_given_a_task(admin: Caller, builder: Caller, second: Caller) -> None:
    ready(second)
    admin("makeTask", "sleep", [1], arch="s390x")
    admin("makeTask", "sleep", [1], channel="maven")
    assert ids(builder) + ids(second) == []
    admin("editHost", "second", arches="s390x")
    assert len(ids(second)) == 1
    assert ids(builder) == []


def test_a_host_that_is_not_ready_or_not_enabled_is_given_nothing(admin: Caller, builder: Caller) -> None:
    admin("makeTask", "sleep", [1])
    builder("host.updateHost", 0.0, False)
    assert ids(builder) == []
    builder("host.updateHost", 0.0, True)
    admin("disableHost", "builder")
    assert ids(builder) == []
    admin("enableHost", "builder")
    admin("disableChannel", "default")
    assert ids(builder) == []
    admin("enableChannel", "default")
    assert len(ids(builder)) == 1


def test_the_hosts_own_limit_of_jobs_holds(admin: Caller, builder: Caller) -> None:
    ready(builder, maxjobs=2)
    for _ in range(3):
        admin("makeTask", "sleep", [1])
    assert len(ids(builder)) == 2


def test_weights_count_against_capacity_and_waiting_tasks_do_not(admin: Caller, builder: Caller) -> None:
    tasks = [admin("makeTask", "sleep", [1]) for _ in range(4)]
    assert len(ids(builder)) == 3  # 3.0 of capacity are full
    for task_id in tasks[:3]:
        builder("host.openTask", task_id)
    assert ids(builder) == []
    builder("host.taskSetWait", tasks[0], None)
    assert ids(builder) == [tasks[3]]


def test_the_last_task_may_exceed_the_capacity(kernel: Kernel, admin: Caller, builder: Caller) -> None:
    heavy = admin("makeTask", "sleep", [1])
    tweak(kernel, "task", {"id": heavy}, weight=7.9)  # 7.9 - overcommit 5 < 3
    heavier = admin("makeTask", "sleep", [1])
    tweak(kernel, "task", {"id": heavier}, weight=8.1)
    assert ids(builder) == [heavy]


def test_a_hard_refusal_is_for_good_and_a_soft_one_for_a_while(
    kernel: Kernel, admin: Caller, builder: Caller, second: Caller
) -> None:
    task_id = admin("makeTask", "sleep", [1])
    assert ids(builder) == [task_id]
    assert builder("host.refuseTask", task_id, soft=False, msg="no") is None
    assert ids(builder) == []
    ready(second)
    assert ids(second) == [task_id]
    second("host.openTask", task_id)
    second("host.refuseTask", task_id, msg="later")
    assert ids(second) == []
    refusals = admin("scheduler.getTaskRefusals", [["task_id", task_id]])
    assert [(r["host_id"], r["soft"], r["by_host"], r["msg"]) for r in refusals] == [
        (1, False, True, "no"),
        (2, True, True, "later"),
    ]
    long_ago = time.time() - kernel.settings.soft_refusal_timeout - 1
    for host_id in (1, 2):
        tweak(kernel, "scheduler_task_refusals", {"host_id": host_id}, time=long_ago)
    assert ids(builder) == []
    assert ids(second) == [task_id]


def test_refusing_what_one_does_not_have_changes_nothing(admin: Caller, builder: Caller, second: Caller) -> None:
    task_id = admin("makeTask", "sleep", [1])
    second("host.refuseTask", task_id)
    assert ids(builder) == [task_id]
    assert admin("scheduler.getTaskRefusals") == []


def test_a_silent_host_is_no_longer_ready(kernel: Kernel, admin: Caller, builder: Caller, second: Caller) -> None:
    ready(second)
    tweak(kernel, "host", {"name": "builder"}, update_time=time.time() - kernel.settings.ready_timeout - 1)
    second("host.getTasks")
    assert admin("getHost", "builder")["ready"] is False
    assert [entry["msg"] for entry in admin("scheduler.getLogMessages")] == ["Marking host not ready"]


def test_a_task_that_is_not_opened_in_time_is_taken_back(
    kernel: Kernel, admin: Caller, builder: Caller, second: Caller
) -> None:
    task_id = admin("makeTask", "sleep", [1])
    assert ids(builder) == [task_id]
    late = time.time() - kernel.settings.assign_timeout - 1
    tweak(kernel, "scheduler_task_runs", {"task_id": task_id}, create_time=late)
    ready(builder, second)  # the first has been there since: it is taken as a refusal
    second("host.getTasks")
    assert admin("getTaskInfo", task_id)["state"] == koji.TASK_STATES["FREE"]
    assert [refusal["soft"] for refusal in admin("scheduler.getTaskRefusals")] == [True]
    assert ids(second) == [task_id]


def test_the_task_of_a_host_that_is_gone_is_taken_back(
    kernel: Kernel, admin: Caller, builder: Caller, second: Caller
) -> None:
    task_id = admin("makeTask", "sleep", [1])
    assert ids(builder) == [task_id]
    builder("host.openTask", task_id)
    tweak(kernel, "host", {"name": "builder"}, update_time=time.time() - kernel.settings.host_timeout - 1)
    ready(second)
    second("host.getTasks")
    assert ids(second) == [task_id]
    with pytest.raises(koji.ActionNotAllowed):
        builder("host.closeTask", task_id, "")


def test_a_task_assigned_by_hand_is_left_alone(kernel: Kernel, admin: Caller, builder: Caller, second: Caller) -> None:
    task_id = admin("makeTask", "sleep", [1])
    admin("assignTask", task_id, "builder", override=True)
    ready(second)
    assert ids(second) == []
    assert admin("scheduler.getTaskRuns") == []
    assert ids(builder) == [task_id]


def test_it_runs_only_when_a_host_asks_and_not_more_often_than_set(tmp_path: Path) -> None:
    kernel = kernel_for_tests(tmp_path / "slow", run_interval=3600)
    admin, builder = Caller(kernel, "admin"), Caller(kernel, "builder", exclusive=True)
    ready(builder)
    first = admin("makeTask", "sleep", [1])
    assert admin("getTaskInfo", first)["state"] == koji.TASK_STATES["FREE"]
    assert ids(builder) == [first]
    builder("host.openTask", first)
    second = admin("makeTask", "sleep", [1])
    assert ids(builder) == []
    assert admin("scheduler.doRun") is False
    assert admin("scheduler.doRun", force=True) is True
    assert ids(builder) == [second]


def test_older_builders_get_their_tasks_with_the_load_data(admin: Caller, builder: Caller) -> None:
    task_id = admin("makeTask", "sleep", [1])
    hosts, tasks = builder("host.getLoadData")
    assert [host["name"] for host in hosts] == ["builder"]
    assert hosts[0]["channels"] == [channel["id"] for channel in admin("listChannels", hostID="builder")]
    assert [task["id"] for task in tasks] == [task_id]


def test_runs_are_kept_and_end(admin: Caller, builder: Caller) -> None:
    task_id = admin("makeTask", "sleep", [1])
    assert ids(builder) == [task_id]
    assert [(run["host_id"], run["active"]) for run in admin("scheduler.getTaskRuns", [["task_id", task_id]])] == [
        (1, True)
    ]
    admin("cancelTask", task_id)
    builder("host.getTasks")
    runs = admin("scheduler.getTaskRuns", [["task_id", "=", task_id]], fields=["active", "method", "host_name"])
    assert runs == [{"active": False, "method": "sleep", "host_name": "builder"}]
    with pytest.raises(koji.ParameterError):
        admin("scheduler.getTaskRuns", [["nothing", 1]])
    with pytest.raises(koji.ParameterError):
        admin("scheduler.getTaskRuns", [["id", "LIKE", 1]])
