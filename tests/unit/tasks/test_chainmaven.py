"""chainmaven: what is built when, and what is not built again."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import koji
import pytest

from kojid.tasks import mavenchain
from kojid.tasks.chainmaven import ChainMavenTask
from tests.support.faketask import TARGET, ScriptedSession, Subtasks, make_handler

A, B, C, W = (f"git://localhost/{name}#HEAD" for name in "abcw")
CHAIN = {
    "c": {"scmurl": C, "buildrequires": ["a", "b"], "goals": ["x"]},
    "a": {"scmurl": A},
    "b": {"scmurl": B, "buildrequires": ["a"]},
    "w": {"scmurl": W, "buildrequires": ["c"], "type": "wrapper", "create_build": True},
}


class Hub(ScriptedSession):
    """A hub whose builds are called after their task; nothing is tagged yet."""

    def __init__(self, results: Optional[Dict[str, Any]] = None, **more: Any) -> None:
        self.subtasks = Subtasks({**dict.fromkeys("abcw"), **(results or {})})
        answers = {
            "getBuildTarget": TARGET,
            "getTag": {"id": 1, "name": "demo"},
            "getPackageConfig": {"blocked": False},
            "getLatestBuilds": [],
            "listBuilds": lambda taskID: [{"nvr": f"n{taskID}-1-1"}],
            "getTaskChildren": lambda task: [{"id": 1, "method": "x"}, {"id": task + 50, "method": "buildMaven"}],
            "getBuild": lambda nvr, strict: {"id": 5, "nvr": nvr},
            "getTaskInfo": lambda task, request: {"id": task},
            "repo.request": {"repo": {"id": 4}},
        }
        super().__init__({**answers, **self.subtasks.answers()}, **more)

    @property
    def spawned(self) -> List[Any]:
        return [(one["label"], one["method"], one["arglist"]) for one in self.subtasks.spawned]


@pytest.fixture(autouse=True)
def _repo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChainMavenTask, "getRepo", lambda _self, _tag: {"id": 4})


def run(hub: Hub, options: Any, builds: Any, **opts: Any) -> List[str]:
    result: List[str] = make_handler(ChainMavenTask, "chainmaven", [builds, "demo", opts], hub, options).run()
    return result


def test_each_is_built_when_what_it_needs_is_there(options: Any) -> None:
    hub = Hub()
    assert run(hub, options, CHAIN, debug=True) == [
        f"n900-1-1 built from {A}",
        f"n901-1-1 built from {B}",
        f"n902-1-1 built from {C}",
        f"n903-1-1 built from {W}",
    ]
    debug = {"maven_options": ["--debug"]}
    wrapped = {"id": 5, "nvr": "n902-1-1"}
    assert hub.spawned == [
        ("a", "maven", [A, "demo", debug]),
        ("b", "maven", [B, "demo", {"deps": ["n900-1-1"], **debug}]),
        ("c", "maven", [C, "demo", {"goals": ["x"], "deps": ["n900-1-1", "n901-1-1"], **debug}]),
        ("w", "wrapperRPM", [W, TARGET, wrapped, None, {"create_build": True, "repo_id": 4}]),
    ]


def test_scratch_builds_depend_on_the_tasks_that_hold_their_files(options: Any) -> None:
    hub = Hub()
    assert run(hub, options, CHAIN, scratch=True)[0] == f"a built from {A} by task 900"
    assert hub.spawned[1] == ("b", "maven", [B, "demo", {"deps": [950], "scratch": True}])
    assert hub.spawned[3][2][2:4] == [None, {"id": 952}]
    assert not hub.arguments("getPackageConfig")


def test_what_needs_nothing_is_built_side_by_side(options: Any) -> None:
    hub = Hub()
    run(hub, options, {"b": {"scmurl": B}, "a": {"scmurl": A}})
    assert hub.arguments("host.taskSetWait")[0] == ((305, [900, 901]), {})


def test_what_is_there_already_is_not_built_again(options: Any) -> None:
    requests = {
        100: [A, "demo", {"jvm_options": ["-Xmx1g"], "maven_options": ["-X"]}],
        101: [B, "demo", {"deps": ["x"]}],
    }
    latest = {"a": [{"nvr": "a-1-1", "task_id": 100}], "b": [{"nvr": "b-1-1", "task_id": 101}], "c": []}
    hub = Hub(
        getLatestBuilds=lambda tag, package: latest[package],
        getTaskInfo=lambda task, request: {"id": task, "request": requests[task]},
    )
    builds = {name: CHAIN[name] for name in "abc"}
    assert run(hub, options, builds)[0] == f"a-1-1 previously built from {A}"
    assert [(label, arguments[2]["deps"]) for label, _, arguments in hub.spawned] == [
        ("b", ["a-1-1"]),
        ("c", ["a-1-1", "n900-1-1"]),
    ]
    assert [label for label, *_ in hub.spawned] == ["b", "c"]
    assert "deps" not in CHAIN["b"]


def test_force_builds_it_all(options: Any) -> None:
    hub = Hub(getLatestBuilds=[{"nvr": "a-1-1", "task_id": 100}])
    run(hub, options, {"a": {"scmurl": A}}, force=True)
    assert [label for label, *_ in hub.spawned] == ["a"]


def test_after_a_failure_nothing_more_is_begun(options: Any) -> None:
    hub = Hub({"a": koji.BuildError("no luck")})
    with pytest.raises(koji.BuildError, match="no luck"):
        run(hub, options, {"a": {"scmurl": A}, "z": {"scmurl": B}, "b": CHAIN["b"]}, scratch=True)
    assert [label for label, *_ in hub.spawned] == ["a", "z"]


def test_a_tag_has_to_take_all_of_them_before_anything_is_built(options: Any) -> None:
    hub = Hub(getPackageConfig=None)
    with pytest.raises(koji.BuildError, match="package c not in list for tag demo"):
        run(hub, options, CHAIN)
    assert hub.spawned == []


def test_a_target_has_to_be_there(options: Any) -> None:
    with pytest.raises(koji.BuildError, match="unknown build target: demo"):
        run(Hub(getBuildTarget=None), options, CHAIN)


@pytest.mark.parametrize(
    ("builds", "text"),
    [
        ([A], "Invalid chain of builds"),
        ({"a": {}}, "a has no scmurl"),
        ({"a": {"scmurl": A, "type": "rpm"}}, "unsupported build type: rpm"),
        ({"a": {"scmurl": A, "type": "wrapper"}}, "the one package that it wraps"),
        ({"a": {"scmurl": A, "buildrequires": ["b"]}}, "circular dependencies"),
        ({"a": {"scmurl": A, "buildrequires": ["b"]}, "b": {"scmurl": B, "buildrequires": ["a"]}}, "circular"),
    ],
)
def test_chains_that_make_no_sense(builds: Any, text: str) -> None:
    with pytest.raises(koji.BuildError, match=text):
        mavenchain.check(builds)


@pytest.mark.parametrize(
    ("request_", "options_", "wrapped", "same"),
    [
        ([A, "demo"], {}, None, True),
        ([A, "demo", None], {}, None, True),
        ([B, "demo", {}], {}, None, False),
        ([A, "demo", {"scratch": True, "goals": ["a", "b"]}], {"goals": ["b", "a"]}, None, True),
        ([A, "demo", {"properties": {"a": "1"}}], {"properties": {"a": "2"}}, None, False),
        ([A, "demo", {"maven_options": ["-X", "-o"]}], {"maven_options": ["-o"]}, None, True),
        ([A, "demo", {"envs": {}}], {}, None, False),
        ([A, {}, {"nvr": "n-1-1"}, None, {"x": 1}], {"y": 2}, "n-1-1", True),
        ([A, {}, {"nvr": "n-1-2"}, None, {}], {}, "n-1-1", False),
        ([A, {}, None, {"id": 3}, {}], {}, "n-1-1", False),
        ([], {}, None, False),
    ],
)
def test_what_counts_as_the_same(request_: List[Any], options_: Dict[str, Any], wrapped: Any, same: bool) -> None:
    assert mavenchain.is_same(request_, A, options_, wrapped) is same
