from __future__ import annotations

from typing import Any, Dict, List, Optional

import koji
import pytest

from kojid.tasks.chainbuild import ChainBuildTask
from tests.support.faketask import TARGET, ScriptedSession, Subtasks, make_handler

A, B, C = (f"git://localhost/{name}#HEAD" for name in "abc")


class Hub(ScriptedSession):
    """A hub whose builds are called after their task: b900-1-1 and so on."""

    def __init__(self, results: Optional[Dict[str, Any]] = None, **more: Any) -> None:
        labels = ["build 0,0", "build 0,1", "build 1,0", "build 1,1", "build 2,0", "wait 1", "wait 2"]
        self.subtasks = Subtasks({**dict.fromkeys(labels), **(results or {})})
        answers = {
            "getBuildTarget": TARGET,
            "listBuilds": lambda taskID: [{"nvr": f"b{taskID}-1-1"}],
            "getTaskResult": None,
        }
        super().__init__({**answers, **self.subtasks.answers()}, **more)

    @property
    def spawned(self) -> List[Any]:
        return [(one["label"], one["method"], one["arglist"]) for one in self.subtasks.spawned]


def run(hub: Hub, options: Any, *params: Any) -> None:
    assert make_handler(ChainBuildTask, "chainbuild", list(params), hub, options).run() is None


def test_a_level_waits_for_a_repository_with_what_the_level_before_built(options: Any) -> None:
    hub = Hub()
    run(hub, options, [[A, B], [C]], "demo", {"skip_tag": False})
    assert hub.spawned == [
        ("build 0,0", "build", [A, "demo", {"skip_tag": False}]),
        ("build 0,1", "build", [B, "demo", {"skip_tag": False}]),
        ("wait 1", "waitrepo", ["demo-build", None, ["b900-1-1", "b901-1-1"]]),
        ("build 1,0", "build", [C, "demo", {"skip_tag": False}]),
    ]


def test_builds_that_are_there_already_are_waited_for_with_the_new_ones(options: Any) -> None:
    hub = Hub()
    run(hub, options, [["old-1-1"], [A, "other-2-1"], [B]], "demo")
    assert hub.spawned == [
        ("wait 1", "waitrepo", ["demo-build", None, ["old-1-1"]]),
        ("build 1,0", "build", [A, "demo", None]),
        ("wait 2", "waitrepo", ["demo-build", None, ["other-2-1", "b901-1-1"]]),
        ("build 2,0", "build", [B, "demo", None]),
    ]


def test_no_options_are_options(options: Any) -> None:
    run(Hub(), options, [[A], [B]], "demo", None)


def test_a_build_that_fails_ends_the_chain(options: Any) -> None:
    hub = Hub({"build 0,0": koji.BuildError("no luck")})
    with pytest.raises(koji.BuildError, match="no luck"):
        run(hub, options, [[A], [B]], "demo")
    assert [label for label, _method, _arguments in hub.spawned] == ["build 0,0"]


def test_a_repository_that_does_not_come_ends_the_chain(options: Any) -> None:
    hub = Hub({"wait 1": koji.GenericError("no repo came")})
    with pytest.raises(koji.GenericError, match="no repo came"):
        run(hub, options, [[A], [B]], "demo")
    assert [label for label, _method, _arguments in hub.spawned] == ["build 0,0", "wait 1"]


@pytest.mark.parametrize(
    ("params", "fault", "message"),
    [
        (([[A]], "demo", {"scratch": True}), koji.BuildError, "--scratch is not allowed with chain-builds"),
        (([A], "demo"), koji.BuildError, "Invalid source specification: git"),
        (([[A, 5]], "demo"), koji.BuildError, "Invalid source specification"),
        ((A, "demo"), koji.BuildError, "Invalid source specification"),
    ],
)
def test_what_can_not_be_built_is_refused_before_anything_is(
    options: Any, params: Any, fault: Any, message: str
) -> None:
    hub = Hub()
    with pytest.raises(fault, match=message):
        run(hub, options, *params)
    assert hub.spawned == []


def test_an_unknown_target_is_told(options: Any) -> None:
    with pytest.raises(koji.GenericError, match="unknown build target: nowhere"):
        run(Hub(getBuildTarget=None), options, [[A], [B]], "nowhere")
