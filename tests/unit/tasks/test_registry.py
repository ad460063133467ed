from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import koji
import koji.tasks
import pytest

from kojid.tasks.base import BaseBuildTask, BaseTaskHandler
from kojid.tasks.registry import handlers
from tests.support.faketask import HOST, ScriptedSession, Subtasks, make_handler, sequence

# method: class, weight, foreground (contract 6.0)
TABLE = {
    "build": ("BuildTask", 0.2, False),
    "buildArch": ("BuildArchTask", 1.5, False),
    "buildSRPMFromSCM": ("BuildSRPMFromSCMTask", 1.0, False),
    "rebuildSRPM": ("RebuildSRPM", 1.0, False),
    "chainbuild": ("ChainBuildTask", 0.1, False),
    "maven": ("MavenTask", 0.2, False),
    "buildMaven": ("BuildMavenTask", 1.5, False),
    "chainmaven": ("ChainMavenTask", 0.2, False),
    "wrapperRPM": ("WrapperRPMTask", 1.5, False),
    "tagBuild": ("TagBuildTask", 1.0, False),
    "tagNotification": ("TagNotificationTask", 0.1, False),
    "buildNotification": ("BuildNotificationTask", 0.1, False),
    "newRepo": ("NewRepoTask", 0.1, False),
    "createrepo": ("CreaterepoTask", 1.5, False),
    "distRepo": ("NewDistRepoTask", 0.1, False),
    "createdistrepo": ("createDistRepoTask", 1.5, False),
    "waitrepo": ("WaitrepoTask", 0.2, False),
    "appliance": ("BuildApplianceTask", 1.0, False),
    "createAppliance": ("ApplianceTask", 1.5, False),
    "livecd": ("BuildLiveCDTask", 1.0, False),
    "createLiveCD": ("LiveCDTask", 1.5, False),
    "livemedia": ("BuildLiveMediaTask", 1.0, False),
    "createLiveMedia": ("LiveMediaTask", 1.5, False),
    "dependantTask": ("DependantTask", 0.2, False),
    "restart": ("RestartTask", 0.1, True),
    "restartVerify": ("RestartVerifyTask", 0.1, True),
    "restartHosts": ("RestartHostsTask", 0.1, False),
    "shutdown": ("ShutdownTask", 0.0, True),
    "sleep": ("SleepTask", 0.25, False),
    "fork": ("ForkTask", 1.0, False),
    "waittest": ("WaitTestTask", 0.1, False),
    "subtask": ("SubtaskTask", 0.1, False),
    "someMethod": ("FakeTask", 1.0, True),
    "default": ("DefaultTask", 0.1, False),
}


@pytest.mark.parametrize("method", sorted(TABLE))
def test_each_method_has_its_class_weight_and_place(method: str, options: Any) -> None:
    handler = handlers()[method](1, method, [], ScriptedSession(), options)
    assert (type(handler).__name__, handler.weight(), handler.Foreground) == TABLE[method]
    assert isinstance(handler, BaseTaskHandler)
    assert isinstance(handler, koji.tasks.BaseTaskHandler)


def test_what_is_not_built_is_not_registered() -> None:
    assert set(handlers()) == set(TABLE)


def test_the_buildroot_tasks_can_tell_whether_a_host_suits() -> None:
    able = {method for method, handler in handlers().items() if issubclass(handler, BaseBuildTask)}
    assert able == {"buildArch", "buildMaven", "buildSRPMFromSCM", "rebuildSRPM", "wrapperRPM"}
    lacking = {method for method, handler in handlers().items() if getattr(handler, "parts", ())}
    assert lacking - {"buildMaven"} == {
        method for method in TABLE if re.search("appliance|live", method, re.IGNORECASE)
    }


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, kojid.tasks.registry; print([m for m in ('dnf', 'koji.rpmdiff') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def run(method: str, params: Any, session: Any, options: Any, task_id: int = 305) -> Any:
    return make_handler(handlers()[method], method, params, session, options, task_id).run()


class TestTheLibrarysOwn:
    def test_subtask_waits_for_its_child(self, options: Any) -> None:
        subtasks = Subtasks({"foo": None})
        session = ScriptedSession(subtasks.answers())
        run("subtask", [1], session, options)
        assert session.names == sequence("subtask")
        assert subtasks.spawned == [{"method": "subtask", "arglist": [0], "label": "foo", "parent": 305}]

    def test_waittest_lets_one_child_fail(self, options: Any) -> None:
        subtasks = Subtasks({"0": None, "1": None, "bad": {"faultCode": 1, "faultString": "no"}})
        session = ScriptedSession({**subtasks.answers(), "getTaskResult": None})
        run("waittest", [2, 1], session, options)
        assert session.arguments("host.taskWaitResults") == [((305, [900, 901, 902]), {"canfail": [902]})]

    def test_restart_hosts_gives_itself_up_for_the_restart_of_its_host(self, options: Any) -> None:
        subtasks = Subtasks({"restart 1": "graceful restart initiated", "sleep 1": None})
        answers = {**subtasks.answers(), "listHosts": [HOST], "host.getID": 1, "taskFinished": False}
        session = ScriptedSession(answers)
        with pytest.raises(koji.tasks.ServerRestart):
            run("restartHosts", [], session, options)

    def test_restart_hosts_ends_when_its_own_host_is_back(self, options: Any) -> None:
        subtasks = Subtasks({"restart 1": "graceful restart initiated", "sleep 1": None})
        answers = {**subtasks.answers(), "listHosts": [HOST], "host.getID": 1, "taskFinished": True}
        session = ScriptedSession({**answers, "getChannel": {"id": 9}})
        run("restartHosts", [{"channel": "bench1"}], session, options)
        recorded = sequence("restartHosts")
        assert [name for name in session.names if name != "host.taskWait"] == [
            name for name in recorded if name != "host.taskWait"
        ]
        assert subtasks.spawned[0]["assign"] == 1

    def test_some_method_returns_42(self, options: Any) -> None:
        assert run("someMethod", ["x"], ScriptedSession(), options) == 42

    def test_default_always_fails(self, options: Any) -> None:
        with pytest.raises(koji.GenericError, match="Invalid method: default"):
            run("default", [1], ScriptedSession(), options)

    def test_shutdown_ends_the_daemon(self, options: Any) -> None:
        with pytest.raises(koji.tasks.ServerExit):
            run("shutdown", [], ScriptedSession(), options)
