"""What goes wrong with each method alike: a request that makes no sense, and a host that can't begin with the task.

One host has a file where the working directories of its tasks go: it leaves every task to the other one. That one has
nothing to build with: what it gets to know is that the request is wrong.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, NamedTuple
from xmlrpc.client import Fault

import koji
import pytest

from kojid.sandbox.hub.settings import HostSetting
from kojid.tasks.registry import handlers
from tests.support import factoryscene
from tests.support.fleet import Builder, Fleet, running_fleet
from tests.support.sandbox import wait_for

pytestmark = pytest.mark.e2e

PLUGINS = "runroot save_failed_tree kiwi dud withimagefactory"
PLUGGED = ["runroot", "saveFailedTree", "kiwiBuild", "createKiwiImage", "dudBuild", "createDudIso"]
METHODS = sorted([*handlers(), *PLUGGED])
TAKES_ANYTHING = "someMethod"
NONSENSE = ["x"] * 20  # more than any method has parameters


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    hosts = (HostSetting("good", capacity=100), HostSetting("poor", capacity=100))
    with running_fleet(tmp_path_factory.mktemp("methods"), hosts=hosts) as made:
        yield made


@pytest.fixture(scope="module")
def good(fleet: Fleet) -> Builder:
    """The host that takes what the other one has refused; it waits for nothing but the tasks."""
    return fleet.builder("good", plugin=PLUGINS, pluginpath=str(factoryscene.PLUGINS), maxjobs=40)


class Asked(NamedTuple):
    """A nonsensical task of each method, and what the poor host has said of it."""

    tasks: Dict[str, int]
    refusals: Dict[str, List[str]]


@pytest.fixture(scope="module")
def asked(fleet: Fleet, good: Builder) -> Asked:
    """All of it, with the poor host gone and the other one at work."""
    work = fleet.dir / "unusable"
    work.mkdir()
    (work / "tasks").touch()
    poor = fleet.builder("poor", plugin=PLUGINS, pluginpath=str(factoryscene.PLUGINS), maxjobs=40, workdir=work).start()
    tasks = {method: fleet.admin.makeTask(method, NONSENSE) for method in METHODS}

    def said() -> Dict[str, List[str]]:
        lines = poor.log.splitlines()
        return {name: [line for line in lines if f"Refusing task {task}:" in line] for name, task in tasks.items()}

    wait_for(lambda: all(said().values()), 90, poor.log[-2000:])
    poor.stop()
    good.start()
    return Asked(tasks, said())


def test_the_hub_is_told_of_every_method(fleet: Fleet, good: Builder, asked: Asked) -> None:
    (row,) = fleet.admin.scheduler.getHostData(good.id)
    data = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
    assert sorted(data["methods"]) == METHODS
    assert (len(handlers()), len(METHODS)) == (37, 43)


def ended(fleet: Fleet, task_id: int) -> str:
    wait_for(lambda: fleet.admin.taskFinished(task_id), 90, f"task {task_id}")
    return str(koji.TASK_STATES[fleet.admin.getTaskInfo(task_id)["state"]])


@pytest.mark.parametrize("method", METHODS)
def test_a_host_that_can_not_begin_leaves_it_to_another(fleet: Fleet, good: Builder, asked: Asked, method: str) -> None:
    (line,) = asked.refusals[method]
    assert "the working directory" in line and "can't be made: Not a directory" in line
    ended(fleet, asked.tasks[method])
    assert fleet.admin.getTaskInfo(asked.tasks[method])["host_id"] == good.id


@pytest.mark.parametrize("method", METHODS)
def test_a_request_with_parameters_that_it_has_not_fails(fleet: Fleet, asked: Asked, method: str) -> None:
    if method == TAKES_ANYTHING:
        assert ended(fleet, asked.tasks[method]) == "CLOSED"
        assert fleet.admin.getTaskResult(asked.tasks[method]) == 42
        return
    fault = failed(fleet, asked.tasks[method])
    if method == "default":
        assert "Invalid method" in str(fault)
    else:
        assert isinstance(fault, koji.ParameterError)


def failed(fleet: Fleet, task_id: int) -> Any:
    assert ended(fleet, task_id) == "FAILED"
    with pytest.raises((koji.GenericError, Fault)) as fault:
        fleet.admin.getTaskResult(task_id)
    return fault.value


def made(fleet: Fleet, *words: str) -> int:
    """Have the client make a task; returns its id."""
    done = fleet.hub.koji("make-task", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split("Created task id ")[1].split()[0])


def test_a_build_that_the_tag_does_not_take_is_not_tagged(fleet: Fleet, asked: Asked) -> None:
    """The client's own `tag-build` asks the hub first, which may come to see it otherwise until the task runs."""
    tag = fleet.admin.createTag("choosy")
    build = fleet.admin.createEmptyBuild("unwanted", "1", "1", None)
    task = made(fleet, "tagBuild", str(tag), str(build))
    fault = failed(fleet, task)
    assert isinstance(fault, koji.TagError) and "not in list for choosy" in str(fault)
    assert fleet.admin.listTagged("choosy") == []


def test_what_depends_on_a_task_that_failed_is_not_started(fleet: Fleet, asked: Asked) -> None:
    bad = made(fleet, "sleep", "for-a-while")
    assert "TypeError" in str(failed(fleet, bad))
    task = fleet.admin.makeTask("dependantTask", [[bad], [["sleep", [0]]]])
    assert f"Dependency {bad} failed to complete" in str(failed(fleet, task))
    assert fleet.admin.getTaskChildren(task) == []


def test_restarts_that_are_not_meant_for_this_host_are_refused(fleet: Fleet, good: Builder, asked: Asked) -> None:
    other = {"id": fleet.admin.getHost("poor")["id"]}
    own = {"id": good.id}
    bad = asked.tasks["default"]
    requests = {
        "Host mismatch": fleet.admin.makeTask("restart", [other]),
        "Stage one restart task is FAILED": fleet.admin.makeTask("restartVerify", [bad, own]),
        "Restart failed - start time is": fleet.admin.makeTask("restartVerify", [asked.tasks[TAKES_ANYTHING], own]),
        "No matching hosts": fleet.admin.makeTask("restartHosts", [{"arches": ["m68k"]}]),
    }
    for words, task in requests.items():
        assert words in str(failed(fleet, task))
    assert good.log.count("Starting up") == 1
