from __future__ import annotations

from typing import Any, Dict

import koji
import pytest

from kojid.tasks import artifacts
from tests.support.faketask import ScriptedSession

BUILD = {
    "id": 7,
    "name": "org.example-parser",
    "package_name": "org.example-parser",
    "version": "1.2",
    "release": "1",
    "epoch": None,
    "state": koji.BUILD_STATES["COMPLETE"],
    "volume_name": "DEFAULT",
    "draft": False,
}
MAVEN = {"build_id": 7, "group_id": "org.example", "artifact_id": "parser", "version": "1.2"}
TASK = {
    "id": 812,
    "method": "buildMaven",
    "arch": "noarch",
    "request": ["git://localhost/parser#HEAD", {"name": "tag"}],
}
TOP = "packages/org.example-parser/1.2/1"


def hub(**more: Any) -> ScriptedSession:
    none = {"getMavenBuild": None, "getWinBuild": None, "getImageBuild": None}
    return ScriptedSession({**none, **more})


def archive(filename: str, **more: Any) -> Dict[str, Any]:
    return {"filename": filename, **more}


def test_files_of_a_maven_build() -> None:
    files = [archive(name, group_id="org.example", artifact_id="parser", version="1.2") for name in ("p.jar", "p.pom")]
    session = hub(getMavenBuild=MAVEN, listArchives=[*files, archive("x.log", **MAVEN)])
    found, values = artifacts.find(session, BUILD, None)
    assert found.paths == [f"{TOP}/maven/org/example/parser/1.2/{name}" for name in ("p.jar", "p.pom")]
    assert values == {
        "artifacts": {".jar": ["p.jar"], ".pom": ["p.pom"]},
        "all_artifacts": ["p.jar", "p.pom"],
        "all_artifacts_with_path": ["org/example/parser/1.2/p.jar", "org/example/parser/1.2/p.pom"],
        "epoch": None,
        "name": "org.example-parser",
        "version": "1.2",
        "release": "1",
        "maven_info": MAVEN,
    }
    assert session.arguments("listArchives") == [((), {"buildID": 7, "type": "maven"})]


def test_files_of_a_windows_build_and_of_an_image_build() -> None:
    win = hub(getWinBuild={"platform": "w10"}, listArchives=[archive("a.exe", relpath="bin/x")])
    found, values = artifacts.find(win, BUILD, None)
    assert (found.paths, found.shown) == ([f"{TOP}/win/bin/x/a.exe"], ["bin/x/a.exe"])
    assert values["win_info"] == {"platform": "w10"}
    image = hub(getImageBuild={"build_id": 7}, listArchives=[archive("d.qcow2", arch="x86_64")])
    found, values = artifacts.find(image, BUILD, None)
    assert (found.paths, found.shown) == ([f"{TOP}/images/d.qcow2"], ["d.qcow2"])
    assert values["image_info"] == {"build_id": 7}


def test_files_of_the_task_that_makes_a_build_whatever_their_volume() -> None:
    output = {"org/p.jar": ["DEFAULT"], "build.log": ["DEFAULT"], "big.iso": ["other"]}
    found, values = artifacts.find(hub(getMavenBuild=MAVEN, listTaskOutput=output), BUILD, TASK)
    assert found.paths == ["vol/other/work/tasks/812/812/big.iso", "work/tasks/812/812/org/p.jar"]
    assert values["all_artifacts"] == ["big.iso", "p.jar"]
    assert values["maven_info"] == MAVEN


@pytest.mark.parametrize(
    ("method", "result", "told"),
    [
        (
            "buildMaven",
            {"maven_info": MAVEN},
            {"name": "org.example-parser", "release": "0.scratch", "maven_info": MAVEN},
        ),
        ("vmExec", {"name": "w", "version": "1", "release": "2", "platform": "w10"}, {"win_info": {"platform": "w10"}}),
        ("createImage", {"name": "d", "version": "1", "release": "2"}, {"name": "d", "release": "2", "epoch": None}),
    ],
)
def test_a_scratch_builds_task_tells_what_it_makes(method: str, result: Any, told: Dict[str, Any]) -> None:
    session = hub(listTaskOutput={"a.jar": ["DEFAULT"]}, getTaskResult=result)
    _found, values = artifacts.find(session, None, {**TASK, "method": method})
    assert {key: values[key] for key in told} == told


@pytest.mark.parametrize(
    ("build", "task", "answers", "message"),
    [
        (None, None, {}, "build and/or task must be specified"),
        (BUILD, None, {}, "unsupported build type"),
        ({**BUILD, "state": 3}, None, {"getMavenBuild": MAVEN}, "did not complete successfully"),
        (BUILD, None, {"getMavenBuild": MAVEN, "listArchives": []}, "no output found for org.example-parser-1.2-1"),
        (None, TASK, {"listTaskOutput": {"a.log": ["DEFAULT"]}}, r"no output found for buildMaven \(tag"),
        (
            None,
            {**TASK, "method": "sleep"},
            {"listTaskOutput": {"a.jar": ["DEFAULT"]}, "getTaskResult": {}},
            "around what sleep makes",
        ),
    ],
)
def test_what_can_not_be_wrapped(build: Any, task: Any, answers: Any, message: str) -> None:
    with pytest.raises(koji.BuildError, match=message):
        artifacts.find(hub(**answers), build, task)
