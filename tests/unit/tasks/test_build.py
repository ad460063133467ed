from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Dict, Optional

import koji
import koji.tasks
import pytest

from kojid.hub.client import HubUnreachable
from kojid.tasks.build import BuildTask
from tests.support.faketask import (
    REPO,
    TAG,
    TARGET,
    TASK,
    ScriptedSession,
    Subtasks,
    make_handler,
    make_packages,
    sequence,
)

UPLOADED = "cli-build/1795376200.8.e2e/hello-1.0-1.src.rpm"
SOURCE_URL = "git://localhost/hello#HEAD"
BUILT = "tasks/900/900/hello-1.0-1.src.rpm"


def srpm_result(**more: Any) -> Dict[str, Any]:
    source = {"source": "hello-1.0-1.src.rpm", "url": "hello-1.0-1.src.rpm"}
    return {"srpm": BUILT, "logs": [], "brootid": 16, "source": source, **more}


def arch_result(arch: str = "x86_64", task_id: int = 901, srpm: bool = True) -> Dict[str, Any]:
    top = f"tasks/{task_id}/{task_id}"
    return {
        "rpms": [f"{top}/hello-1.0-1.{arch}.rpm"],
        "srpms": [f"{top}/hello-1.0-1.src.rpm"] if srpm else [],
        "logs": [f"{top}/build.log"],
        "brootid": 17,
    }


class Hub(ScriptedSession):
    """A hub that builds `hello` for tag demo."""

    def __init__(self, results: Optional[Dict[str, Any]] = None, **more: Any) -> None:
        self.subtasks = Subtasks({"srpm": srpm_result(), "x86_64": arch_result(), "tag": None, **(results or {})})
        answers = {
            "getTaskInfo": TASK,
            "getBuildTarget": TARGET,
            "host.assertPolicy": None,
            "getTag": TAG,
            "repo.request": {"repo": REPO, "request": None, "duplicate": False},
            "repoInfo": REPO,
            "getLastEvent": {"id": 193, "ts": 1.0},
            "getBuildConfig": TAG,
            "getPackageConfig": {"blocked": False, "extra_arches": None},
            "host.initBuild": 6,
            "host.completeBuild": {"id": 6},
            "host.moveBuildToScratch": None,
            "host.failBuild": None,
        }
        super().__init__({**answers, **self.subtasks.answers()}, **more)

    def spawned(self, label: str) -> Dict[str, Any]:
        return next(request for request in self.subtasks.spawned if request["label"] == label)


@pytest.fixture
def volume(options: Any, packages: Dict[str, Path]) -> Path:
    """The mounted volume's work directory, with the source package where the tests have it."""
    work = Path(options.topdir, "work")
    for path in (UPLOADED, BUILT):
        (work / path).parent.mkdir(parents=True)
        (work / path).write_bytes(packages["hello-1.0-1.src.rpm"].read_bytes())
    return work


def run(hub: Hub, options: Any, src: Any = UPLOADED, target: Optional[str] = "demo", **opts: Any) -> BuildTask:
    handler: BuildTask = make_handler(BuildTask, "build", [src, target, opts], hub, options)
    assert handler.run() is None
    return handler


@pytest.mark.usefixtures("volume")
class TestTheRecordedCalls:
    def test_of_a_build_from_an_uploaded_package(self, options: Any) -> None:
        hub = Hub()
        run(hub, options)
        assert hub.names == sequence("build-srpm")
        policy = {
            "user_id": 1,
            "source": UPLOADED,
            "task_id": 305,
            "build_tag": 2,
            "skip_tag": False,
            "scratch": None,
            "draft": None,
            "from_scm": False,
            "repo_id": None,
            "target": "demo",
            "tag": 1,
        }
        assert hub.arguments("host.assertPolicy") == [(("build_from_srpm", policy), {}), (("build_rpm", policy), {})]
        assert hub.arguments("getBuildTarget") == [(("demo",), {"event": None})]
        assert hub.arguments("repo.request") == [((2,), {"min_event": None, "at_event": None, "opts": None})]
        assert hub.arguments("getPackageConfig") == [((1, "hello"), {"event": 193})]
        assert hub.arguments("host.initBuild") == [
            (
                (
                    {
                        "name": "hello",
                        "version": "1.0",
                        "release": "1",
                        "epoch": None,
                        "task_id": 305,
                        "source": "hello-1.0-1.src.rpm",
                        "extra": {"source": {"original_url": "hello-1.0-1.src.rpm"}},
                    },
                ),
                {},
            )
        ]
        assert hub.subtasks.spawned == [
            {
                "method": "rebuildSRPM",
                "arglist": [UPLOADED, 2, {"repo_id": 4, "scratch": None}],
                "label": "srpm",
                "arch": "noarch",
                "parent": 305,
            },
            {
                "method": "buildArch",
                "arglist": [BUILT, 2, "x86_64", True, {"repo_id": 4}],
                "label": "x86_64",
                "arch": "x86_64",
                "parent": 305,
            },
            {
                "method": "tagBuild",
                "arglist": [1, 6, False, None, True],
                "label": "tag",
                "arch": "noarch",
                "parent": 305,
            },
        ]
        rpm, srpm = "tasks/901/901/hello-1.0-1.x86_64.rpm", "tasks/901/901/hello-1.0-1.src.rpm"
        assert hub.arguments("host.completeBuild") == [
            ((305, 6, srpm, [rpm], {rpm: 17, srpm: 17}), {"logs": {"x86_64": ["tasks/901/901/build.log"]}})
        ]

    def test_of_a_build_from_version_control(self, options: Any) -> None:
        hub = Hub()
        run(hub, options, SOURCE_URL)
        assert hub.names == sequence("build-scm")
        assert hub.spawned("srpm")["method"] == "buildSRPMFromSCM"
        assert hub.spawned("srpm")["arglist"] == [SOURCE_URL, 2, {"repo_id": 4, "scratch": None}]

    def test_of_a_scratch_build(self, options: Any) -> None:
        hub = Hub()
        run(hub, options, scratch=True)
        assert hub.names == sequence("build-scratch")
        (_args, logs) = hub.arguments("host.moveBuildToScratch")[0]
        assert logs == {"logs": {"x86_64": ["tasks/901/901/build.log"]}}

    def test_of_a_build_that_fails(self, options: Any) -> None:
        hub = Hub({"x86_64": koji.BuildError("error building package (arch x86_64)")})
        with pytest.raises(koji.BuildError, match="error building package"):
            run(hub, options)
        assert hub.names == sequence("build-failed")

    def test_of_a_scratch_build_that_fails(self, options: Any) -> None:
        hub = Hub({"x86_64": koji.BuildError("no")})
        with pytest.raises(koji.BuildError):
            run(hub, options, scratch=True)
        assert hub.names == sequence("build-failed-scratch")


@pytest.mark.usefixtures("volume")
class TestWhatIsRefused:
    def refused(self, hub: Hub, options: Any, message: str, *args: Any, **opts: Any) -> None:
        with pytest.raises(koji.GenericError, match=message):
            run(hub, options, *args, **opts)
        assert "host.initBuild" not in hub.names
        assert "host.failBuild" not in hub.names

    def test_an_arch_override_of_a_real_build(self, options: Any) -> None:
        self.refused(Hub(), options, "arch_override is only allowed for scratch builds", arch_override="i686")

    def test_a_source_that_is_none(self, options: Any) -> None:
        self.refused(Hub(), options, r"Invalid source specification: \['x'\]", ["x"])

    @pytest.mark.parametrize("metadata", [["a"], "text"])
    def test_metadata_that_is_no_dictionary(self, options: Any, metadata: Any) -> None:
        self.refused(Hub(), options, "must be serializable to a JSON object", custom_user_metadata=metadata)

    def test_metadata_that_json_can_not_hold(self, options: Any) -> None:
        self.refused(Hub(), options, "not JSON serializable", custom_user_metadata={"a": {1, 2}})

    def test_an_unknown_target(self, options: Any) -> None:
        self.refused(Hub(getBuildTarget=None), options, "unknown build target: nowhere", UPLOADED, "nowhere")

    def test_a_repository_that_is_not_there(self, options: Any) -> None:
        self.refused(Hub(repoInfo=None), options, "No such repo: 5", repo_id=5)

    def test_a_repository_that_is_deleted(self, options: Any) -> None:
        deleted = {**REPO, "state": koji.REPO_DELETED}
        self.refused(Hub(repoInfo=deleted), options, r"Bad repo: 4 \(DELETED\)", repo_id=4)

    def test_a_repository_of_another_tag(self, options: Any) -> None:
        other = {**REPO, "tag_id": 77, "tag_name": "other-build"}
        self.refused(Hub(repoInfo=other), options, "Repo/Target mismatch: other-build/demo-build", repo_id=4)

    def test_a_package_that_the_tag_does_not_list(self, options: Any) -> None:
        self.refused(Hub(getPackageConfig=None), options, "package hello not in list for tag demo")

    def test_a_package_that_the_tag_blocks(self, options: Any) -> None:
        blocked = {"blocked": True, "extra_arches": None}
        self.refused(Hub(getPackageConfig=blocked), options, "package hello is blocked for tag demo")

    def test_a_tag_without_arches(self, options: Any) -> None:
        hub = Hub(getBuildConfig={**TAG, "arches": None})
        self.refused(hub, options, r"No arches for tag demo-build \[2\]")

    def test_what_a_policy_denies(self, options: Any) -> None:
        self.refused(Hub(host_assertPolicy=koji.ActionNotAllowed("policy violation")), options, "policy violation")

    def test_a_binary_package(self, options: Any, volume: Path, packages: Dict[str, Path]) -> None:
        (volume / BUILT).write_bytes(packages["hello-data-1.0-1.noarch.rpm"].read_bytes())
        self.refused(Hub(), options, "is not a source package")


@pytest.mark.usefixtures("volume")
class TestOptions:
    def test_skip_tag_leaves_the_build_untagged(self, options: Any) -> None:
        hub = Hub(getPackageConfig=None)
        run(hub, options, skip_tag=True)
        assert [request["label"] for request in hub.subtasks.spawned] == ["srpm", "x86_64"]
        policy = hub.arguments("host.assertPolicy")[0][0][1]
        assert policy["skip_tag"] is True
        assert "tag" not in policy

    def test_a_given_repository_is_used_as_of_its_event(self, options: Any) -> None:
        hub = Hub()
        run(hub, options, repo_id=4)
        assert [args[0] for args, _more in hub.arguments("host.assertPolicy")] == [
            "build_from_srpm",
            "build_from_repo_id",
            "build_rpm",
        ]
        assert "repo.request" not in hub.names
        assert "getLastEvent" not in hub.names
        assert hub.arguments("getBuildTarget") == [(("demo",), {"event": 186})]
        assert hub.arguments("getPackageConfig") == [((1, "hello"), {"event": 186})]

    def test_a_given_repository_without_target_means_no_tagging(self, options: Any) -> None:
        hub = Hub()
        run(hub, options, UPLOADED, None, repo_id=4)
        assert "getBuildTarget" not in hub.names
        assert hub.arguments("getPackageConfig") == [((2, "hello"), {"event": 186})]
        assert "tag" not in [request["label"] for request in hub.subtasks.spawned]

    def test_a_given_repository_lets_a_tag_stand_for_the_target(self, options: Any) -> None:
        hub = Hub(getBuildTarget=None, getTag={"id": 30, "name": "other"})
        run(hub, options, UPLOADED, "other", repo_id=4)
        assert hub.arguments("getTag") == [(("other",), {"event": 186})]
        assert hub.spawned("tag")["arglist"] == [30, 6, False, None, True]
        assert hub.spawned("x86_64")["arglist"][1] == 2

    def test_a_name_that_is_neither_tag_nor_target(self, options: Any) -> None:
        with pytest.raises(koji.GenericError, match="neither tag nor target: other"):
            run(Hub(getBuildTarget=None, getTag=None), options, UPLOADED, "other", repo_id=4)

    def test_a_tag_can_take_packages_as_they_were_uploaded(self, options: Any) -> None:
        hub = Hub(getBuildConfig={**TAG, "extra": {"rebuild_srpm": False}})
        run(hub, options)
        assert hub.spawned("x86_64")["arglist"][0] == UPLOADED
        assert "source" not in hub.arguments("host.initBuild")[0][0][0]

    def test_only_a_scratch_build_may_decide_that_itself(self, options: Any) -> None:
        hub = Hub()
        run(hub, options, rebuild_srpm=False)
        assert hub.spawned("srpm")["method"] == "rebuildSRPM"
        hub = Hub()
        run(hub, options, rebuild_srpm=False, scratch=True)
        assert hub.spawned("x86_64")["arglist"][0] == UPLOADED

    def test_a_draft_is_one_from_the_start(self, options: Any) -> None:
        hub = Hub(listBuilds=[])
        run(hub, options, draft=True)
        assert hub.arguments("host.initBuild")[0][0][0]["draft"] is True
        assert hub.arguments("host.assertPolicy")[0][0][1]["draft"] is True

    @pytest.mark.parametrize(
        ("state", "labels"), [("BUILDING", ["srpm", "x86_64", "tag"]), ("COMPLETE", ["srpm", "tag"])]
    )
    def test_a_second_run_goes_on_with_the_draft_of_the_first(self, options: Any, state: str, labels: Any) -> None:
        """The hub would make another draft each time, and the first one would stay for ever as it is."""
        row = {"name": "hello", "version": "1.0", "release": "1,draft_6", "nvr": "hello-1.0-1,draft_6", "build_id": 6}
        canceled = {**row, "build_id": 5, "release": "1,draft_5", "state": koji.BUILD_STATES["CANCELED"]}
        other = {**row, "build_id": 4, "version": "0.9", "state": koji.BUILD_STATES["BUILDING"]}
        hub = Hub(listBuilds=[other, canceled, {**row, "state": koji.BUILD_STATES[state]}])
        run(hub, options, draft=True)
        assert "host.initBuild" not in hub.names
        assert [one["label"] for one in hub.subtasks.spawned] == labels
        assert hub.spawned("tag")["arglist"][1] == 6

    def test_user_metadata_goes_into_the_build(self, options: Any) -> None:
        hub = Hub()
        run(hub, options, custom_user_metadata={"ticket": 5})
        extra = hub.arguments("host.initBuild")[0][0][0]["extra"]
        assert extra["custom_user_metadata"] == {"ticket": 5}

    def test_extra_arches_and_literal_ones(self, options: Any) -> None:
        options.literal_task_arches = "x86_64_*"
        hub = Hub(
            {"x86_64_v2": arch_result("x86_64_v2", 901), "i686": arch_result("i686", 902, srpm=False)},
            getBuildConfig={**TAG, "arches": "x86_64_v2 i386"},
            getPackageConfig={"blocked": False, "extra_arches": "i686"},
        )
        hub.subtasks.results["i386"] = arch_result("i386", 903, srpm=False)
        run(hub, options)
        arches = [(one["label"], one["arch"], one["arglist"][3]) for one in hub.subtasks.spawned[1:-1]]
        assert arches == [("x86_64_v2", "x86_64_v2", True), ("i386", "i386", False), ("i686", "i386", False)]

    def test_an_arch_override_of_a_scratch_build(self, options: Any) -> None:
        hub = Hub({"i686": arch_result("i686")}, getBuildConfig={**TAG, "arches": "x86_64 i386"})
        run(hub, options, scratch=True, arch_override="i686")
        assert [request["label"] for request in hub.subtasks.spawned] == ["srpm", "i686"]

    @pytest.mark.parametrize(
        ("can_fail", "fail_fast", "asked"), [(False, None, True), (True, None, False), (True, True, True)]
    )
    def test_whether_one_failing_arch_ends_the_others(
        self, options: Any, monkeypatch: pytest.MonkeyPatch, can_fail: bool, fail_fast: Any, asked: bool
    ) -> None:
        waits = []
        original = BuildTask.wait

        def wait(self: BuildTask, subtasks: Any = None, **how: Any) -> Any:
            waits.append(how)
            return original(self, subtasks, **how)

        monkeypatch.setattr(BuildTask, "wait", wait)
        options.build_arch_can_fail = can_fail
        run(Hub(), options, fail_fast=fail_fast)
        assert waits[1] == {"all": True, "failany": asked}

    def test_builds_to_wait_for_delay_the_repository(self, options: Any) -> None:
        """The build is not tagged yet: waiting for the repository is a subtask that everybody can see."""
        hub = Hub({"waitrepo": REPO}, listTagged=[])
        run(hub, options, wait_builds=["other-1-1"])
        assert hub.subtasks.spawned[0] == {
            "method": "waitrepo",
            "arglist": ["demo-build", None, ["other-1-1"], None],
            "parent": 305,
            "label": "waitrepo",
        }

    def test_wait_repo_wants_the_tag_as_it_is_now(self, options: Any) -> None:
        hub = Hub(
            {"waitrepo": REPO}, tagLastChangeEvent=190, repo_request={"repo": None, "request": {"min_event": 190}}
        )
        run(hub, options, wait_repo=True)
        assert hub.subtasks.spawned[0]["arglist"] == ["demo-build", None, [], 190]


@pytest.mark.usefixtures("volume")
class TestOlderHubs:
    """Hubs up to 1.34 make repositories unasked, those up to 1.30 know no policy build_rpm."""

    def hub(self, *version: int, **more: Any) -> Hub:
        made = Hub({"waitrepo": REPO}, **{"getRepo": REPO, "getBuildTargets": [{"id": 1}], **more})
        made.hub_version = version  # type: ignore[assignment]
        return made

    @pytest.mark.parametrize(("version", "asked"), [((1, 30, 1), False), ((1, 31, 0), True)])
    def test_the_policy_build_rpm_is_asked_where_there_is_one(self, options: Any, version: Any, asked: bool) -> None:
        hub = self.hub(*version)
        run(hub, options)
        policies = [args[0] for args, _more in hub.arguments("host.assertPolicy")]
        assert ("build_rpm" in policies) is asked

    def test_the_latest_repository_is_taken(self, options: Any) -> None:
        hub = self.hub(1, 33, 2)
        run(hub, options)
        assert "repo.request" not in hub.names
        assert "waitrepo" not in [one["method"] for one in hub.subtasks.spawned]

    def test_builds_that_it_does_not_hold_are_waited_for(self, options: Any) -> None:
        hub = self.hub(1, 33, 2, listTagged=[])
        run(hub, options, wait_builds=["other-1-1"])
        assert hub.subtasks.spawned[0]["arglist"] == [TAG["id"], None, ["other-1-1"]]

    def test_wait_repo_wants_one_that_is_newer_than_now(self, options: Any) -> None:
        hub, begun = self.hub(1, 33, 2), time.time()
        run(hub, options, wait_repo=True)
        tag, newer_than, _builds = hub.subtasks.spawned[0]["arglist"]
        assert tag == TAG["id"]
        assert begun <= newer_than <= time.time()

    def test_a_tag_without_repository_and_target_is_told(self, options: Any) -> None:
        hub = self.hub(1, 33, 2, getRepo=None, getBuildTargets=[])
        with pytest.raises(koji.BuildError, match="no repo .and no target. for tag demo-build"):
            run(hub, options)


class TestNoarch:
    @pytest.mark.parametrize(
        ("extra", "tags", "arch"),
        [
            ({}, "", "noarch"),
            ({"noarch_arches": "x86_64"}, "", "x86_64"),
            ({}, "ExclusiveArch: noarch aarch64", "aarch64"),
            ({}, "ExcludeArch: aarch64", "x86_64"),
            ({}, "ExcludeArch: s390x", "noarch"),
        ],
    )
    def test_goes_where_the_package_and_the_tag_allow(
        self, options: Any, tmp_path: Path, extra: Any, tags: str, arch: str
    ) -> None:
        packages = make_packages(tmp_path / "rpms", tags=f"BuildArch: noarch\n{tags}")
        for path in (UPLOADED, BUILT):
            target = Path(options.topdir, "work", path)
            target.parent.mkdir(parents=True)
            target.write_bytes(packages["hello-1.0-1.src.rpm"].read_bytes())
        tag = {**TAG, "arches": "x86_64 aarch64", "extra": extra}
        hub = Hub({"noarch": arch_result("noarch")}, getBuildConfig=tag)
        run(hub, options)
        assert hub.spawned("noarch")["arch"] == arch
        assert hub.spawned("noarch")["arglist"][2] == "noarch"


@pytest.mark.usefixtures("volume")
class TestTroubleAtTheEnd:
    def test_an_import_that_did_fail_fails_the_build(self, options: Any) -> None:
        hub = Hub(host_completeBuild=koji.GenericError("payload hash mismatch"))
        with pytest.raises(koji.GenericError, match="payload hash mismatch"):
            run(hub, options)
        assert hub.arguments("host.failBuild") == [((305, 6), {})]

    def test_a_run_after_one_that_was_cut_off_behind_the_import_goes_on_to_tagging(self, options: Any) -> None:
        hub = Hub(host_initBuild=koji.GenericError("Build already exists"), listBuilds=[{"build_id": 8, "state": 1}])
        run(hub, options)
        assert [task["label"] for task in hub.subtasks.spawned] == ["srpm", "tag"]
        assert hub.subtasks.spawned[-1]["arglist"][1] == 8

    def test_a_build_of_another_task_is_in_the_way(self, options: Any) -> None:
        hub = Hub(host_initBuild=koji.GenericError("Build already exists"), listBuilds=[])
        with pytest.raises(koji.GenericError, match="already exists"):
            run(hub, options)

    def test_a_hub_that_can_not_be_reached_leaves_the_build_to_the_next_run(self, options: Any) -> None:
        hub = Hub(host_completeBuild=HubUnreachable("the hub did not answer host.completeBuild in 121 tries"))
        with pytest.raises(HubUnreachable):
            run(hub, options)
        assert "host.failBuild" not in hub.names

    def test_the_reason_is_told_even_if_the_build_can_not_be_failed(self, options: Any) -> None:
        hub = Hub({"x86_64": koji.BuildError("it broke")}, host_failBuild=koji.GenericError("gone"))
        with pytest.raises(koji.BuildError, match="it broke"):
            run(hub, options)

    @pytest.mark.parametrize("reason", [koji.tasks.ServerExit(), koji.tasks.RefuseTask("no"), KeyboardInterrupt()])
    def test_a_task_that_goes_on_elsewhere_leaves_the_build_open(self, options: Any, reason: BaseException) -> None:
        hub = Hub({"x86_64": reason})
        with pytest.raises(type(reason)):
            run(hub, options)
        assert "host.failBuild" not in hub.names

    def test_several_source_packages_are_a_fault(self, options: Any) -> None:
        both = {"x86_64": arch_result(), "i386": arch_result("i386", 902)}
        hub = Hub(both, getBuildConfig={**TAG, "arches": "x86_64 i386"})
        with pytest.raises(koji.BuildError, match=r"multiple builds returned a srpm\.  task 305"):
            run(hub, options)

    def test_no_source_package_is_a_fault(self, options: Any) -> None:
        with pytest.raises(koji.BuildError, match="could not find a built srpm"):
            run(Hub({"x86_64": arch_result(srpm=False)}), options)


def test_only_the_header_of_the_source_package_is_fetched(
    options: Any, packages: Dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    content = packages["hello-1.0-1.src.rpm"].read_bytes()

    def read_start(url: str, enough: Any) -> bytes:
        asked.append(url)
        size = enough(content)
        assert size is not None
        return content[:size]

    monkeypatch.setattr("kojid.tasks.build.read_start", read_start)
    options.topurl = "http://127.0.0.1:1/kojifiles"
    run(Hub(), options)
    assert asked == [f"http://127.0.0.1:1/kojifiles/work/{BUILT}"]
