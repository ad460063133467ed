"""Contract 5: making tasks, their states, waiting for children, results."""

from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller


def response(value: Any) -> str:
    text: str = koji.xmlrpcplus.dumps((value,), methodresponse=1)
    return text


def failure(code: int, text: str) -> str:
    dumped: str = koji.xmlrpcplus.dumps(koji.xmlrpcplus.Fault(code, text))
    return dumped


def state(caller: Caller, task_id: int) -> Any:
    return koji.TASK_STATES[caller("getTaskInfo", task_id)["state"]]


@pytest.fixture
def parent(admin: Caller, builder: Caller) -> int:
    """A task that is open on the host."""
    task_id: int = admin("makeTask", "waittest", [1])
    builder("host.openTask", task_id)
    return task_id


class TestMaking:
    def test_defaults(self, admin: Caller) -> None:
        info = admin("getTaskInfo", admin("makeTask", "sleep", [5]), request=True)
        assert (info["state"], info["arch"], info["priority"], info["weight"]) == (0, "noarch", 20, 1.0)
        assert (info["request"], info["parent"], info["host_id"]) == ([5], None, None)
        assert admin("getChannel", info["channel_id"])["name"] == "default"
        assert admin("getUser", info["owner"])["name"] == "admin"

    def test_options(self, admin: Caller) -> None:
        task_id = admin("makeTask", "sleep", [5], priority=3, channel="createrepo", arch="x86_64")
        info = admin("getTaskInfo", task_id)
        assert (info["priority"], info["arch"]) == (3, "x86_64")
        assert admin("getChannel", info["channel_id"])["name"] == "createrepo"
        assert state(admin, admin("makeTask", "sleep", [5], assign="builder")) == "ASSIGNED"

    def test_restarting_hosts_is_a_task(self, admin: Caller, user: Caller) -> None:
        info = admin("getTaskInfo", admin("restartHosts", options={"channel": "default"}), request=True)
        assert (info["method"], info["priority"], info["request"]) == ("restartHosts", 5, [{"channel": "default"}])
        assert admin("getTaskRequest", admin("restartHosts")) == []
        with pytest.raises(koji.ParameterError):
            admin("restartHosts", options=["default"])
        with pytest.raises(koji.ActionNotAllowed):
            user("restartHosts")

    def test_what_is_refused(self, admin: Caller, user: Caller) -> None:
        with pytest.raises(koji.ActionNotAllowed):
            user("makeTask", "sleep", [5])
        with pytest.raises(koji.ActionNotAllowed, match="owner option is not allowed"):
            admin("makeTask", "sleep", [5], owner="user")
        with pytest.raises(koji.ParameterError, match="colour"):
            admin("makeTask", "sleep", [5], colour="red")
        with pytest.raises(koji.GenericError, match="nowhere"):
            admin("makeTask", "sleep", [5], channel="nowhere")
        with pytest.raises(koji.GenericError, match="Invalid parent task"):
            admin("makeTask", "sleep", [5], parent=99)
        admin("disableChannel", "createrepo")
        with pytest.raises(koji.GenericError, match="disabled"):
            admin("makeTask", "sleep", [5], channel="createrepo")

    def test_a_child_is_like_its_parent_and_more_urgent(self, admin: Caller, builder: Caller, parent: int) -> None:
        child = admin("getTaskInfo", builder("host.subtask", "sleep", [1], parent, label="one"))
        assert (child["parent"], child["label"], child["priority"], child["arch"]) == (parent, "one", 19, "noarch")
        above = admin("getTaskInfo", parent)
        assert (child["owner"], child["channel_id"]) == (above["owner"], above["channel_id"])

    def test_a_label_is_given_once(self, builder: Caller, parent: int) -> None:
        first = builder("host.subtask", method="sleep", arglist=[1], parent=parent, label="one")
        assert builder("host.subtask", "sleep", [2], parent, label="one") == first
        assert builder("host.subtask", "sleep", [2], parent, label="two") != first
        unlabelled = {builder("host.subtask", "sleep", [2], parent) for _ in range(3)}
        assert len(unlabelled) == 3

    def test_only_the_host_that_runs_the_parent_makes_children(
        self, kernel: Kernel, admin: Caller, builder: Caller, parent: int
    ) -> None:
        admin("addHost", "other", ["x86_64"])
        other = Caller(kernel, "other", exclusive=True)
        with pytest.raises(koji.ActionNotAllowed, match=f"^host 2 does not own task {parent}$"):
            other("host.subtask", "sleep", [1], parent)
        with pytest.raises(koji.ActionNotAllowed, match="owner option"):
            builder("host.subtask", "sleep", [1], parent, owner=1)
        builder("host.closeTask", parent, response(None))
        with pytest.raises(koji.ActionNotAllowed, match="does not own"):
            builder("host.subtask", "sleep", [1], parent)

    def test_keyword_arguments_of_a_child(self, builder: Caller, parent: int) -> None:
        child = builder("host.subtask2", parent, {"label": "kw"}, "sleep", n=3)
        assert builder("getTaskRequest", child) == [{"n": 3, "__starstar": True}]
        child = builder("host.subtask", "sleep", [], parent, kwargs={"n": 4})
        assert builder("getTaskRequest", child) == [{"n": 4, "__starstar": True}]


class TestStates:
    def test_the_way_of_a_task(self, admin: Caller, builder: Caller) -> None:
        task_id = admin("makeTask", "sleep", [5])
        assert admin("taskFinished", task_id) is False
        assert [task["id"] for task in builder("host.getTasks")] == [task_id]
        assert state(admin, task_id) == "ASSIGNED"
        opened = builder("host.openTask", task_id)
        assert (opened["state"], opened["host_id"]) == (koji.TASK_STATES["OPEN"], 1)
        assert koji.xmlrpcplus.loads(opened["request"]) == ((5,), "sleep")
        assert builder("host.setTaskWeight", task_id, 0.5) is None
        assert builder("host.getHostTasks") == [{"id": task_id, "waiting": None, "weight": 0.5}]
        assert builder("host.closeTask", task_id, response({"a": 1})) is None
        assert builder("host.getHostTasks") == []
        assert admin("taskFinished", task_id) is True
        assert admin("getTaskResult", task_id) == {"a": 1}

    def test_a_task_is_opened_once(self, kernel: Kernel, admin: Caller, builder: Caller, parent: int) -> None:
        assert builder("host.openTask", parent) is None
        admin("addHost", "other", ["x86_64"])
        other = Caller(kernel, "other", exclusive=True)
        assert other("host.openTask", parent) is None
        assigned = admin("makeTask", "sleep", [1], assign="builder")
        assert other("host.openTask", assigned) is None
        with pytest.raises(koji.GenericError, match="No such task"):
            builder("host.openTask", 99)

    def test_only_open_tasks_of_its_own_does_a_host_end(self, admin: Caller, builder: Caller, parent: int) -> None:
        free = admin("makeTask", "sleep", [1])
        builder("host.closeTask", parent, response(None))
        for task_id in (free, parent):
            for method in ("host.closeTask", "host.failTask"):
                with pytest.raises(koji.ActionNotAllowed, match=f"^host 1 does not own task {task_id}$") as caught:
                    builder(method, task_id, response(None))
                assert caught.value.faultCode == 1004
            with pytest.raises(koji.ActionNotAllowed):
                builder("host.setTaskWeight", task_id, 1.0)

    def test_a_failed_task_has_its_fault(self, admin: Caller, builder: Caller, parent: int) -> None:
        with pytest.raises(koji.GenericError, match="is not finished"):
            admin("getTaskResult", parent)
        builder("host.failTask", parent, failure(1005, "no spec"))
        assert state(admin, parent) == "FAILED"
        with pytest.raises(koji.xmlrpcplus.Fault) as caught:
            admin("getTaskResult", parent)
        assert (caught.value.faultCode, caught.value.faultString) == (1005, "no spec")
        assert admin("getTaskResult", parent, raise_fault=False) == {"faultCode": 1005, "faultString": "no spec"}

    def test_freeing(self, admin: Caller, builder: Caller, parent: int) -> None:
        other = admin("makeTask", "sleep", [1])
        assert builder("host.freeTasks", [parent, other]) is None
        info = admin("getTaskInfo", parent)
        assert (info["state"], info["host_id"]) == (koji.TASK_STATES["FREE"], None)
        builder("host.openTask", parent)
        admin("freeTask", parent)
        builder("host.openTask", parent)
        builder("host.closeTask", parent, response(None))
        with pytest.raises(koji.GenericError, match="state is CLOSED"):
            admin("freeTask", parent)
        builder("host.freeTasks", [parent])
        assert state(admin, parent) == "CLOSED"

    def test_assigning_by_hand(self, admin: Caller, builder: Caller, parent: int) -> None:
        task_id = admin("makeTask", "sleep", [1])
        assert admin("assignTask", task_id, "builder") is True
        assert [task["id"] for task in builder("host.getTasks")] == [task_id]
        assert admin("assignTask", parent, "builder") is False
        assert admin("assignTask", parent, "builder", force=True) is True
        assert state(admin, parent) == "ASSIGNED"

    def test_priorities(self, admin: Caller, builder: Caller, parent: int) -> None:
        child = builder("host.subtask", "sleep", [1], parent)
        admin("setTaskPriority", parent, 5)
        assert admin("getTaskInfo", child)["priority"] == 5
        admin("setTaskPriority", parent, 6, recurse=False)
        assert [task["priority"] for task in admin("getTaskInfo", [parent, child])] == [6, 5]
        admin("cancelTask", parent)
        with pytest.raises(koji.GenericError, match="can't be updated"):
            admin("setTaskPriority", parent, 7)


class TestCanceling:
    def test_children_go_with_their_parent(self, admin: Caller, builder: Caller, parent: int) -> None:
        done, waiting = (builder("host.subtask", "sleep", [n], parent) for n in (1, 2))
        builder("host.openTask", done)
        builder("host.closeTask", done, response(None))
        admin("cancelTask", parent)
        assert [state(admin, task_id) for task_id in (parent, done, waiting)] == ["CANCELED", "CLOSED", "CANCELED"]
        with pytest.raises(koji.GenericError, match="is canceled"):
            admin("getTaskResult", waiting)
        with pytest.raises(koji.ActionNotAllowed):
            builder("host.closeTask", parent, response(None))

    def test_without_the_children(self, admin: Caller, builder: Caller, parent: int) -> None:
        child = builder("host.subtask", "sleep", [1], parent)
        admin("cancelTask", parent, recurse=False)
        assert state(admin, child) == "FREE"

    def test_only_the_children(self, admin: Caller, builder: Caller, parent: int) -> None:
        child = builder("host.subtask", "sleep", [1], parent)
        builder("cancelTaskChildren", parent)
        assert (state(admin, parent), state(admin, child)) == ("OPEN", "CANCELED")

    def test_the_whole_group(self, admin: Caller, builder: Caller, parent: int) -> None:
        child = builder("host.subtask", "subtask", [1], parent)
        builder("host.openTask", child)
        below = builder("host.subtask", "sleep", [1], child)
        builder("host.closeTask", child, response(None))
        with pytest.raises(koji.GenericError, match="not top-level"):
            admin("cancelTaskFull", below)
        admin("cancelTaskFull", below, strict=False)
        assert [state(admin, task_id) for task_id in (parent, child, below)] == ["CANCELED", "CLOSED", "CANCELED"]

    def test_others_may_not(self, user: Caller, admin: Caller, builder: Caller, parent: int) -> None:
        with pytest.raises(koji.ActionNotAllowed, match="not owner"):
            user("cancelTask", parent)
        builder("cancelTask", parent)
        with pytest.raises(koji.ActionNotAllowed):
            user("cancelTaskFull", parent)
        assert state(admin, parent) == "CANCELED"

    def test_what_has_ended_stays_as_it_is(self, admin: Caller, builder: Caller, parent: int) -> None:
        builder("host.closeTask", parent, response(None))
        assert admin("cancelTask", parent) is None
        assert state(admin, parent) == "CLOSED"


class TestResubmitting:
    def test_a_canceled_task_is_made_anew(self, admin: Caller) -> None:
        old = admin("makeTask", "sleep", [5], priority=7, channel="createrepo", arch="x86_64")
        with pytest.raises(koji.GenericError, match="only canceled or failed"):
            admin("resubmitTask", old)
        admin("cancelTask", old)
        infos = admin("getTaskInfo", [old, admin("resubmitTask", old)], request=True)
        for name in ("method", "request", "priority", "channel_id", "arch", "owner"):
            assert infos[0][name] == infos[1][name]
        assert infos[1]["state"] == koji.TASK_STATES["FREE"]

    def test_what_is_refused(self, admin: Caller, user: Caller, builder: Caller, parent: int) -> None:
        child = builder("host.subtask", "sleep", [1], parent)
        admin("cancelTask", parent)
        with pytest.raises(koji.GenericError, match="top-level"):
            admin("resubmitTask", child)
        with pytest.raises(koji.GenericError, match="owner or an admin"):
            user("resubmitTask", parent)


class TestWaiting:
    def test_a_child_that_ends_wakes_its_parent(self, builder: Caller, parent: int) -> None:
        one, two = (builder("host.subtask", "sleep", [n], parent) for n in (1, 2))
        assert builder("host.taskSetWait", parent, [one, two]) is None
        assert builder("host.taskWait", parent) == [[], [one, two]]
        assert builder("host.getHostTasks") == [{"id": parent, "waiting": True, "weight": 1.0}]
        builder("host.openTask", one)
        builder("host.closeTask", one, response("one"))
        assert builder("host.getHostTasks") == [{"id": parent, "waiting": True, "weight": 1.0, "alert": True}]
        assert builder("host.taskWait", parent) == [[one], [two]]
        assert builder("host.taskWait", parent) == [[], [two]]
        assert "alert" not in builder("host.getHostTasks")[0]
        assert builder("host.taskWaitResults", parent, [one]) == [[one, "one"]]
        assert builder("host.getHostTasks")[0]["waiting"] is False

    def test_all_children_and_only_some(self, builder: Caller, parent: int) -> None:
        one, two = (builder("host.subtask", "sleep", [n], parent) for n in (1, 2))
        builder("host.taskSetWait", parent, None)
        assert builder("host.taskWait", parent) == [[], [one, two]]
        builder("host.taskSetWait", parent, [two])
        assert builder("host.taskWait", parent) == [[], [two]]
        builder("host.taskSetWait", parent, [])
        assert builder("host.taskWait", parent) == [[], [two]]
        builder("host.taskUnwait", parent)
        assert builder("host.taskWait", parent) == [[], []]
        with pytest.raises(koji.ParameterError):
            builder("host.taskSetWait", parent, one)

    def test_results_of_children_that_failed_or_are_gone(self, admin: Caller, builder: Caller, parent: int) -> None:
        good, bad, gone = (builder("host.subtask", "sleep", [n], parent) for n in (1, 2, 3))
        for task_id in (good, bad):
            builder("host.openTask", task_id)
        builder("host.closeTask", good, response(None))
        builder("host.failTask", bad, failure(1005, "bad"))
        admin("cancelTask", gone)
        results = builder("host.taskWaitResults", parent, None, canfail=[bad, gone])
        assert results[0] == [good, None]
        assert results[1] == [bad, {"faultCode": 1005, "faultString": "bad"}]
        assert results[2] == [gone, {"faultCode": 1000, "faultString": f"Task {gone} is canceled"}]
        with pytest.raises(koji.xmlrpcplus.Fault, match="bad"):
            builder("host.taskWaitResults", parent, [good, bad])
        with pytest.raises(koji.GenericError, match="is canceled"):
            builder("host.taskWaitResults", parent, [gone])


class TestLooking:
    def test_lists_of_ids(self, admin: Caller) -> None:
        one = admin("makeTask", "sleep", [1])
        assert [info and info["id"] for info in admin("getTaskInfo", [one, 99])] == [one, None]
        with pytest.raises(koji.GenericError, match="No such task: 99"):
            admin("getTaskInfo", 99, strict=True)
        with pytest.raises(koji.GenericError, match="No such task"):
            admin("getTaskChildren", 99, strict=True)
        assert admin("getTaskChildren", 99) == []

    def test_everything_below(self, builder: Caller, parent: int) -> None:
        child = builder("host.subtask", "subtask", [1], parent)
        builder("host.openTask", child)
        below = builder("host.subtask", "sleep", [1], child)
        found = builder("getTaskDescendents", parent, request=True)
        assert {key: [task["id"] for task in tasks] for key, tasks in found.items()} == {
            str(parent): [child],
            str(child): [below],
            str(below): [],
        }
        assert found[str(child)][0]["request"] == [1]

    def test_tasks_by_what_they_are(self, admin: Caller, builder: Caller, parent: int) -> None:
        child = builder("host.subtask", "sleep", [1], parent, arch="x86_64")
        lone = admin("makeTask", "sleep", [2], priority=1)

        def listed(query: dict[str, Any], **opts: Any) -> list[int]:
            return [task["id"] for task in admin("listTasks", query, opts)]

        assert listed({}) == [parent, child, lone]
        assert listed({"parent": None}) == [parent, lone]
        assert listed({"not_parent": None}) == [child]
        assert listed({"arch": ["x86_64", "i686"]}) == [child]
        assert listed({"not_arch": ["x86_64"]}) == [parent, lone]
        assert listed({"state": [koji.TASK_STATES["OPEN"]]}) == [parent]
        assert listed({"host_id": 1, "method": "waittest"}) == [parent]
        assert listed({"owner": 99}) == []
        assert listed({}, order="priority,create_time") == [lone, child, parent]
        assert listed({}, order="-id", limit=1, offset=1) == [child]
        assert listed({"createdAfter": "2100-01-01 00:00"}) == []
        assert listed({"createdBefore": 4102444800.0}) == [parent, child, lone]
        assert admin("listTasks", {"method": "sleep"}, {"countOnly": True}) == 2
        with pytest.raises(koji.GenericError, match="Invalid order"):
            listed({}, order="request; DROP TABLE task")

    def test_requests_and_results_in_lists(self, admin: Caller, builder: Caller, parent: int) -> None:
        builder("host.failTask", parent, failure(1005, "bad"))
        raw = admin("listTasks")[0]
        assert raw["request"].startswith("<?xml")
        assert (raw["owner_name"], raw["owner_type"]) == ("admin", 0)
        decoded = admin("listTasks", {"decode": True})[0]
        assert decoded["request"] == [1]
        assert decoded["result"] == {"faultCode": 1005, "faultString": "bad"}
