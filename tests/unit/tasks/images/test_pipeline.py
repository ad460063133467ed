"""The parent task of image builds: subtasks, optional arches, wrappers, import, scratch, tagging, second runs."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Optional

import koji
import pytest
from koji.tasks import RefuseTask

from kojid.tasks import parts
from kojid.tasks.images.pipeline import BuildImageTask, Children, Image
from tests.support.faketask import REPO, TAG, TARGET, ScriptedSession, Subtasks, make_handler

INIT = {"id": 7, "name": "thing", "version": "1", "release": "3", "epoch": 0}
FAULT = {"faultCode": 1000, "faultString": "the tool fell over"}
TASK_ROW = {"id": 900, "method": "createThing"}


class ThingTask(BuildImageTask):
    Methods: ClassVar[List[str]] = ["thing"]
    by_arch = False

    def handler(self, arches: List[str], opts: Optional[Dict[str, Any]] = None) -> str:
        opts = opts or {}
        place = self.find_place("demo", arches)
        children = Children(
            "thing",
            "createThing",
            arches,
            arguments=lambda release, arch: ["thing", "1", release, arch, *place.arguments],
            label=lambda arch: f"thing {arch}",
            wrapper_label=lambda arch: f"wrapper {arch}",
            by_arch=self.by_arch,
        )
        return self.build_images(place, Image("thing", "1", opts.get("release"), opts), children)


def made(arch: str) -> Dict[str, Any]:
    return {"arch": arch, "task_id": 900, "files": [f"thing-{arch}.iso"], "logs": [], "rpmlist": []}


class Scene:
    """A task with its hub; subtasks end as the test says, by label."""

    def __init__(self, options: Any, results: Dict[str, Any], earlier: Any = (), **answers: Any) -> None:
        self.subtasks = Subtasks({"tag": None, **results})
        self.session = ScriptedSession(
            {
                "getBuildTarget": TARGET,
                "repo.request": {"repo": REPO, "request": None, "duplicate": False},
                "getTag": TAG,
                "getBuildConfig": {**TAG, "arches": "x86_64 aarch64"},
                "getPackageConfig": {"blocked": False},
                "listBuilds": list(earlier),
                "host.initImageBuild": INIT,
                "host.completeImageBuild": None,
                "host.moveImageBuildToScratch": None,
                "host.failBuild": None,
                "getTaskInfo": TASK_ROW,
                "getNextRelease": "9",
                **self.subtasks.answers(),
            },
            **answers,
        )
        self.options = options

    def run(self, arches: List[str], cls: Any = ThingTask, **opts: Any) -> Any:
        return make_handler(cls, "thing", [arches, opts], self.session, self.options).run()

    @property
    def labels(self) -> List[str]:
        return [str(row.get("label")) for row in self.subtasks.spawned]


def test_an_image_is_built_imported_and_tagged(options: Any) -> None:
    scene = Scene(options, {"thing x86_64": made("x86_64"), "thing aarch64": made("aarch64")})
    words = scene.run(["x86_64", "aarch64", "x86_64"])

    assert scene.labels == ["thing x86_64", "thing aarch64", "tag"]
    first, _second, tag = scene.subtasks.spawned
    assert first["arglist"] == ["thing", "1", "3", "x86_64", TARGET, 2, REPO]
    assert (first["method"], first["arch"]) == ("createThing", "x86_64")
    assert tag["arglist"] == [1, 7, False, None, True]
    ((args, _more),) = scene.session.arguments("host.completeImageBuild")
    assert args[:2] == (305, 7)
    assert args[2] == {"900": made("x86_64"), "901": made("aarch64")}
    assert words == f"thing build results in: {options.topdir}/packages/thing/1/3/images"


def test_results_may_go_by_arch(options: Any) -> None:
    class ByArch(ThingTask):
        by_arch = True

    scene = Scene(options, {"thing x86_64": made("x86_64")})
    scene.run(["x86_64"], ByArch, skip_tag=True)
    ((args, _more),) = scene.session.arguments("host.completeImageBuild")
    assert list(args[2]) == ["x86_64"]
    assert "tag" not in scene.labels


def test_a_scratch_build_is_put_aside_under_the_next_release(options: Any) -> None:
    scene = Scene(options, {"thing x86_64": made("x86_64")})
    words = scene.run(["x86_64"], scratch=True)
    assert scene.subtasks.spawned[0]["arglist"][2] == "9"
    assert scene.session.arguments("host.moveImageBuildToScratch") == [((305, {"900": made("x86_64")}), {})]
    assert words.startswith("Scratch thing build results in: ") and words.endswith("/work/tasks/900/900")
    assert not scene.session.called("host.initImageBuild")


def test_an_optional_arch_may_fail(options: Any) -> None:
    scene = Scene(options, {"thing x86_64": made("x86_64"), "thing aarch64": FAULT, "wrapper x86_64": {"rpms": ["w"]}})
    scene.run(["x86_64", "aarch64"], optional_arches=["aarch64"], specfile="git://spec")
    assert scene.session.arguments("host.taskWaitResults")[0][1] == {"canfail": [901]}
    ((args, _more),) = scene.session.arguments("host.completeImageBuild")
    assert args[2]["901"] == FAULT
    assert args[2]["900"]["rpmresults"] == {"rpms": ["w"], "task_id": 902}
    assert "wrapper aarch64" not in scene.labels


def test_all_optional_arches_failing_is_a_failure(options: Any) -> None:
    scene = Scene(options, {"thing x86_64": FAULT})
    with pytest.raises(koji.GenericError, match="all subtasks failed\nx86_64: the tool fell over"):
        scene.run(["x86_64"], optional_arches=["x86_64"])
    assert scene.session.arguments("host.failBuild") == [((305, 7), {})]


def test_a_subtask_that_fails_fails_the_build(options: Any) -> None:
    scene = Scene(options, {"thing x86_64": koji.LiveCDError("no image")})
    with pytest.raises(koji.LiveCDError, match="no image"):
        scene.run(["x86_64"])
    assert scene.session.called("host.failBuild")


def test_wrapper_packages_are_asked_for_with_the_task_and_the_build(options: Any) -> None:
    scene = Scene(options, {"thing x86_64": made("x86_64"), "wrapper x86_64": {"rpms": ["w"]}})
    scene.run(["x86_64"], specfile="git://spec#main")
    wrapper = scene.subtasks.spawned[1]
    assert wrapper["arglist"] == ["git://spec#main", TARGET, INIT, TASK_ROW, {"repo_id": 4}]
    assert (wrapper["method"], wrapper["arch"]) == ("wrapperRPM", "noarch")


@pytest.mark.parametrize(("arches", "words"), [("x86_64", "Invalid arch for build tag: aarch64"), ("", "No arches")])
def test_the_tag_has_to_have_the_arch(options: Any, arches: str, words: str) -> None:
    scene = Scene(options, {}, getBuildConfig={**TAG, "arches": arches})
    with pytest.raises(koji.BuildError, match=words):
        scene.run(["aarch64"])


def test_a_second_run_goes_on_with_the_release_of_the_first(options: Any) -> None:
    building = {**INIT, "build_id": 7, "nvr": "thing-1-3", "state": koji.BUILD_STATES["BUILDING"]}
    scene = Scene(options, {"thing x86_64": made("x86_64")}, [{**building, "name": "other"}, building])
    scene.run(["x86_64"])
    ((args, _more),) = scene.session.arguments("host.initImageBuild")
    assert args[1]["release"] == "3"


def test_a_second_run_tags_what_the_first_has_completed(options: Any) -> None:
    complete = {**INIT, "build_id": 7, "nvr": "thing-1-3", "state": koji.BUILD_STATES["COMPLETE"]}
    scene = Scene(options, {}, [complete])
    words = scene.run(["x86_64"])
    assert scene.labels == ["tag"] and words.endswith("/packages/thing/1/3/images")


def test_what_is_missing_here_is_known_before_the_task_is_taken(options: Any) -> None:
    class Needy(ThingTask):
        parts = (parts.library("no_such_module", "python3-nothing"), parts.program("no-such-tool", "nothing-tools"))

    handler = make_handler(Needy, "thing", [["x86_64"]], ScriptedSession(), options)
    words = "thing needs no_such_module, no-such-tool, not installed here; install python3-nothing, nothing-tools"
    for ask in (lambda: handler.checkHost({"arches": "x86_64"}), handler.run):
        with pytest.raises(RefuseTask, match=words):
            ask()


def test_a_host_that_has_all_takes_the_task(options: Any) -> None:
    class Content(ThingTask):
        parts = (parts.library("json", "python3"), parts.program("sh", "bash"))

    assert make_handler(Content, "thing", [["x86_64"]], ScriptedSession(), options).checkHost({"arches": "x86_64"})
