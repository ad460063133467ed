"""maven: what becomes of the results of buildMaven; the hub and the subtasks are stand-ins."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import koji
import pytest

from kojid.tasks.maven import MavenTask
from tests.support.faketask import TARGET, ScriptedSession, Subtasks, make_handler

URL = "git://localhost/parser#HEAD"
INFO = {"group_id": "org.example", "artifact_id": "parser", "version": "1.0-rc1"}
RESULTS = {"maven_info": INFO, "buildroot_id": 16, "logs": ["checkout.log"], "files": {"": ["a.zip"]}}
TAGS = {1: {"id": 1, "name": "demo"}, 2: {"id": 2, "name": "demo-build"}}
RPMS = {"buildroot_id": 17, "srpm": "a.src.rpm", "rpms": [], "logs": []}
BUILD = {"id": 24, "name": "org.example-parser", "version": "1.0_rc1", "release": "3"}


class Hub(ScriptedSession):
    """A hub that takes what it is given."""

    def __init__(self, results: Optional[Dict[str, Any]] = None, **more: Any) -> None:
        self.subtasks = Subtasks({"build": RESULTS, "rpm": RPMS, "tag": None, **(results or {})})
        answers = {
            "getBuildTarget": TARGET,
            "getTag": lambda tag, strict: TAGS[tag],
            "getRepo": {"id": 4},
            "getPackageConfig": {"blocked": False},
            "getTaskInfo": {"id": 900, "method": "buildMaven"},
            "listBuilds": [],
            "host.initMavenBuild": lambda task_id, data, info: {**data, "id": 24, "release": "1"},
            "host.completeMavenBuild": None,
            "host.moveMavenBuildToScratch": None,
            "host.failBuild": None,
        }
        super().__init__({**answers, **self.subtasks.answers()}, **more)

    @property
    def spawned(self) -> List[Any]:
        return [(one["label"], one["method"], one["arglist"]) for one in self.subtasks.spawned]


def run(hub: Hub, options: Any, opts: Optional[Dict[str, Any]] = None) -> None:
    assert make_handler(MavenTask, "maven", [URL, "demo", opts], hub, options).run() is None


def test_a_build_is_made_imported_and_tagged(options: Any) -> None:
    hub = Hub()
    run(hub, options, {"goals": ["verify"], "skip_tag": False, "unknown": 1})
    assert hub.spawned == [
        ("build", "buildMaven", [URL, TAGS[2], {"goals": ["verify"], "repo_id": 4}]),
        ("tag", "tagBuild", [1, 24, False, None, True]),
    ]
    data = {"name": "org.example-parser", "package_name": "org.example-parser", "version": "1.0_rc1"}
    assert hub.arguments("host.initMavenBuild") == [((305, {**data, "release": None, "epoch": None}, INFO), {})]
    assert hub.arguments("host.completeMavenBuild") == [((305, 24, {**RESULTS, "task_id": 900}, None), {})]


def test_wrapper_packages_are_built_from_the_task_and_handed_over_with_the_rest(options: Any) -> None:
    hub = Hub()
    run(hub, options, {"specfile": "git://localhost/wrapper#1", "repo_id": 7, "skip_tag": True})
    (_, wrapper) = hub.spawned
    build = {"name": "org.example-parser", "version": "1.0_rc1", "release": "1", "epoch": None, "id": 24}
    build["package_name"] = build["name"]
    task = {"id": 900, "method": "buildMaven"}
    assert wrapper == ("rpm", "wrapperRPM", ["git://localhost/wrapper#1", TARGET, build, task, {"repo_id": 7}])
    ((_, _, _, rpms), _) = hub.arguments("host.completeMavenBuild")[0]
    assert rpms == {**RPMS, "task_id": 901}
    assert not hub.arguments("getRepo") and not hub.arguments("getPackageConfig")


def test_scratch_builds_are_put_aside_snapshots_too(options: Any) -> None:
    hub = Hub({"build": {**RESULTS, "maven_info": {**INFO, "version": "1-SNAPSHOT"}}})
    run(hub, options, {"scratch": True})
    assert len(hub.arguments("host.moveMavenBuildToScratch")) == 1
    assert not hub.arguments("host.initMavenBuild")
    assert [label for label, *_ in hub.spawned] == ["build"]


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"getBuildTarget": None}, "unknown build target: demo"),
        ({"getRepo": None}, "no repo for tag demo-build"),
        ({"getPackageConfig": None}, "package org.example-parser not in list for tag demo"),
        ({"getPackageConfig": {"blocked": True}}, "is blocked for tag demo"),
    ],
)
def test_what_can_not_be_is_refused(options: Any, answers: Dict[str, Any], text: str) -> None:
    hub = Hub(**answers)
    with pytest.raises(koji.BuildError, match=text):
        run(hub, options)
    assert not hub.arguments("host.initMavenBuild")


def test_a_snapshot_becomes_no_build(options: Any) -> None:
    hub = Hub({"build": {**RESULTS, "maven_info": {**INFO, "version": "1-SNAPSHOT"}}})
    with pytest.raises(koji.BuildError, match="-SNAPSHOT versions are only supported in scratch builds"):
        run(hub, options)
    assert not hub.arguments("host.initMavenBuild")


def test_a_wrapper_that_fails_fails_the_build(options: Any) -> None:
    hub = Hub({"rpm": koji.BuildError("no template")})
    with pytest.raises(koji.BuildError, match="no template"):
        run(hub, options, {"specfile": "git://localhost/wrapper#1"})
    assert hub.arguments("host.failBuild") == [((305, 24), {})]


@pytest.mark.parametrize(("state", "completions"), [("BUILDING", 1), ("COMPLETE", 0)])
def test_a_second_run_goes_on_with_the_build_of_the_first(options: Any, state: str, completions: int) -> None:
    row = {**BUILD, "build_id": 24, "nvr": "org.example-parser-1.0_rc1-3", "state": koji.BUILD_STATES[state]}
    failed = {**row, "build_id": 23, "state": koji.BUILD_STATES["FAILED"]}
    hub = Hub(listBuilds=[failed, row], getBuild=BUILD)
    run(hub, options)
    assert not hub.arguments("host.initMavenBuild")
    assert len(hub.arguments("host.completeMavenBuild")) == completions
    assert hub.spawned[-1] == ("tag", "tagBuild", [1, 24, False, None, True])
