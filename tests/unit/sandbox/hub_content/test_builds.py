"""A build's life on the hub: begun by a host, completed with real rpms or refused, failed, canceled, tagged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from kojid.sandbox.hub.settings import HostSetting
from tests.support import sandboxhub
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content import tinyrpm
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

pytest.importorskip("rpm", reason="rpm's Python bindings are not on this machine")
rpmdiff = pytest.importorskip("koji.rpmdiff")

Make = Callable[..., int]
Put = Callable[..., str]
BUILDING, COMPLETE, FAILED, CANCELED = 0, 1, 3, 4


def stub(task_id: int, **other: Any) -> Dict[str, Any]:
    return {"name": "tiny", "version": "1.0", "release": "1", "epoch": None, "task_id": task_id, **other}


class UnderWay:
    """A build task with its buildArch subtask, both open on the builder, and the uploads of the latter."""

    def __init__(self, builder: Caller, open_task: Make, put: Put, tiny: TinyRpms) -> None:
        self.task = open_task("build", ["tiny.src.rpm", "demo", {}])
        self.arch_task = open_task("buildArch", ["a", 2, "x86_64", True, {}], parent=self.task, label="x86_64")
        self.build = builder("host.initBuild", stub(self.task, source="tiny.src.rpm"))
        self.srpm = put(self.arch_task, tiny.srpm)
        self.rpms = [put(self.arch_task, path) for path in tiny.rpms]
        self.put = put

    def complete(self, builder: Caller, **changes: Any) -> Any:
        given: Dict[str, Any] = {"srpm": self.srpm, "rpms": self.rpms, "logs": {}, **changes}
        return builder("host.completeBuild", self.task, self.build, given["srpm"], given["rpms"], {}, given["logs"])


@pytest.fixture
def under_way(admin: Caller, builder: Caller, open_task: Make, put: Put, tiny: TinyRpms) -> UnderWay:
    return UnderWay(builder, open_task, put, tiny)


def test_a_completed_build_is_filed_recorded_and_read(
    kernel: Kernel, admin: Caller, builder: Caller, under_way: UnderWay, tiny: TinyRpms, tmp_path: Path
) -> None:
    log = tmp_path / "build.log"
    log.write_text("all well\n")
    logs = {"x86_64": [under_way.put(under_way.arch_task, log)]}
    build = under_way.complete(builder, logs=logs)
    assert (build["nvr"], build["state"], build["task_id"]) == ("tiny-1.0-1", COMPLETE, under_way.task)
    home = kernel.settings.topdir / "packages/tiny/1.0/1"
    assert (home / "src" / tiny.srpm.name).is_file()
    assert (home / "noarch" / tiny.noarch.name).is_file()
    assert (home / "data/logs/x86_64/build.log").read_text() == "all well\n"
    uploaded = Path(kernel.settings.pathinfo.work(), under_way.srpm)
    assert uploaded.is_symlink()
    assert uploaded.resolve() == (home / "src" / tiny.srpm.name).resolve()
    found = {row["arch"]: row for row in admin("listRPMs", buildID=build["id"])}
    header = koji.get_rpm_header(str(tiny.noarch))
    assert found["noarch"]["payloadhash"] == koji.hex_string(koji.get_header_field(header, "sigmd5"))
    assert found["noarch"]["size"] == tiny.noarch.stat().st_size
    assert set(found) == {"src", "noarch", "x86_64"}
    assert admin("getBuildLogs", build["id"]) == [
        {"name": "build.log", "dir": "x86_64", "path": "packages/tiny/1.0/1/data/logs/x86_64/build.log"}
    ]
    assert admin("getBuildType", build["id"]) == {"rpm": None}
    assert [entry["text"] for entry in admin("getChangelogEntries", build["id"])] == ["- second entry", "- first entry"]
    assert admin("getRPMHeaders", found["src"]["id"], headers=["name", "license"]) == {"name": "tiny", "license": "MIT"}
    assert [row["name"] for row in admin("listRPMFiles", found["noarch"]["id"])][-1] == "/usr/share/tiny/data"
    provided = admin("getRPMDeps", found["noarch"]["id"], depType=koji.DEP_PROVIDE)
    assert [row["name"] for row in provided] == ["tiny-data"]


def test_an_nvr_is_built_once(builder: Caller, open_task: Make, under_way: UnderWay) -> None:
    other = open_task("build", ["tiny.src.rpm", "demo", {}])
    with pytest.raises(koji.GenericError, match=f"in progress \\(task {under_way.task}\\)"):
        builder("host.initBuild", stub(other))
    assert builder("host.initBuild", stub(under_way.task)) == under_way.build
    under_way.complete(builder)
    with pytest.raises(koji.GenericError, match="Build already exists"):
        builder("host.initBuild", stub(other))


def test_a_failed_build_is_begun_again_under_its_number(
    admin: Caller, builder: Caller, open_task: Make, under_way: UnderWay
) -> None:
    builder("host.failBuild", under_way.task, under_way.build)
    assert admin("getBuild", under_way.build)["state"] == FAILED
    with pytest.raises(koji.GenericError, match="cannot update build"):
        builder("host.failBuild", under_way.task, under_way.build)
    other = open_task("build", ["tiny.src.rpm", "demo", {}])
    assert builder("host.initBuild", stub(other)) == under_way.build
    again = admin("getBuild", "tiny-1.0-1")
    assert (again["state"], again["task_id"], again["completion_ts"]) == (BUILDING, other, None)


def test_canceling_the_task_cancels_the_build_and_the_other_way_round(
    admin: Caller, builder: Caller, open_task: Make, under_way: UnderWay
) -> None:
    admin("cancelTask", under_way.task)
    assert admin("getBuild", under_way.build)["state"] == CANCELED
    other = open_task("build", ["tiny.src.rpm", "demo", {}])
    build = builder("host.initBuild", stub(other))
    assert admin("cancelBuild", build)
    assert admin("getTaskInfo", other)["state"] == koji.TASK_STATES["CANCELED"]
    assert not admin("cancelBuild", build)


def test_only_its_owner_and_admins_cancel_a_build(kernel: Kernel, under_way: UnderWay) -> None:
    with pytest.raises(koji.ActionNotAllowed, match="not owner"):
        Caller(kernel, "user")("cancelBuild", under_way.build)


def test_another_hosts_task_can_complete_nothing(tmp_path: Path, tiny: TinyRpms) -> None:
    hosts = (HostSetting("builder"), HostSetting("other"))
    kernel = sandboxhub.kernel_for_tests(tmp_path, hosts=hosts)
    admin, builder = Caller(kernel, "admin"), Caller(kernel, "builder", exclusive=True)
    task = admin("makeTask", "build", ["x", "demo", {}])
    builder("host.openTask", task)
    build = builder("host.initBuild", stub(task))
    other = Caller(kernel, "other", exclusive=True)
    calls: Dict[str, List[Any]] = {
        "host.initBuild": [stub(task, release="2")],
        "host.completeBuild": [task, build, "x", []],
        "host.failBuild": [task, build],
        "host.moveBuildToScratch": [task, "x", []],
    }
    for method, arguments in calls.items():
        with pytest.raises(koji.ActionNotAllowed, match=f"host 2 does not own task {task}"):
            other(method, *arguments)
    kernel.store.close()


def test_missing_files_and_files_from_elsewhere_are_refused(
    kernel: Kernel, admin: Caller, builder: Caller, under_way: UnderWay, open_task: Make, put: Put, tiny: TinyRpms
) -> None:
    with pytest.raises(koji.GenericError, match="No such file"):
        under_way.complete(builder, srpm=under_way.srpm.replace("tiny-1.0", "gone-1.0"))
    stranger = open_task("sleep", [1])
    for path in (put(stranger, tiny.srpm), "cli-build/1/tiny-1.0-1.src.rpm", "../outside.src.rpm", "/etc/passwd"):
        with pytest.raises(koji.GenericError, match="upload directory of the task|Invalid path"):
            under_way.complete(builder, srpm=path)
    link = Path(kernel.settings.pathinfo.work(), under_way.srpm).with_name("tiny-2.0-1.src.rpm")
    link.symlink_to("/etc/passwd")
    with pytest.raises(koji.GenericError, match="Not a regular file"):
        under_way.complete(builder, srpm=under_way.srpm.replace("tiny-1.0", "tiny-2.0"))
    assert admin("getBuild", under_way.build)["state"] == BUILDING


def test_rpms_that_are_not_what_they_are_said_to_be_are_refused(
    admin: Caller, builder: Caller, under_way: UnderWay, put: Put, tiny: TinyRpms, tmp_path: Path
) -> None:
    renamed = put(under_way.arch_task, tiny.noarch, "tiny-data-1.0-1.x86_64.rpm")
    with pytest.raises(koji.GenericError, match="bad filename"):
        under_way.complete(builder, rpms=[renamed])
    text = tmp_path / "text"
    text.write_text("no rpm")
    broken = put(under_way.arch_task, text, "broken-1.0-1.x86_64.rpm")
    with pytest.raises(koji.GenericError, match=r"broken-1\.0-1\.x86_64\.rpm|not an? rpm|error reading"):
        under_way.complete(builder, rpms=[broken])
    other = tinyrpm.build(tmp_path / "other", release="2")
    with pytest.raises(koji.GenericError, match="srpm mismatch"):
        under_way.complete(builder, rpms=[put(under_way.arch_task, other.noarch)])
    with pytest.raises(koji.GenericError, match="release mismatch"):
        under_way.complete(builder, srpm=put(under_way.arch_task, other.srpm))
    with pytest.raises(koji.GenericError, match="not a source package"):
        under_way.complete(builder, srpm=under_way.rpms[0])
    assert admin("listRPMs", buildID=under_way.build) == []
    with pytest.raises(koji.GenericError, match="no buildroot with ID: 99"):
        builder("host.completeBuild", under_way.task, under_way.build, under_way.srpm, [], {under_way.srpm: 99})


def test_logs_go_only_below_names_of_architectures(builder: Caller, under_way: UnderWay, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("x")
    uploaded = under_way.put(under_way.arch_task, log)
    with pytest.raises(koji.GenericError, match="Architecture"):
        under_way.complete(builder, logs={"../../..": [uploaded]})
    with pytest.raises(koji.GenericError, match="No such file"):
        under_way.complete(builder, logs={"x86_64": [uploaded.replace("build.log", "root.log")]})


def test_an_rpm_of_the_same_name_is_refused(
    admin: Caller, builder: Caller, under_way: UnderWay, kernel: Kernel, tiny: TinyRpms, tmp_path: Path
) -> None:
    changed = tinyrpm.build(tmp_path / "changed", text="other")
    incoming = Path(kernel.settings.pathinfo.work(), "import")
    incoming.mkdir()
    under_way.complete(builder)
    shutil.copy(tiny.noarch, incoming)
    with pytest.raises(koji.GenericError, match="already exists with the same payload"):
        admin("importRPM", "import", tiny.noarch.name)
    shutil.copy(changed.noarch, incoming)
    with pytest.raises(koji.GenericError, match="already exists with another payload"):
        admin("importRPM", "import", tiny.noarch.name)


def _hashes(directory: Path, put: Put, task_id: int, rpm: Path) -> str:
    digest = rpmdiff.Rpmdiff(str(rpm), str(rpm), ignore="S5TN").kojihash()
    report = directory / "noarch_rpmdiff.json"
    report.write_text(json.dumps({str(task_id): {rpm.name: digest}}))
    return put(task_id, report)


def test_the_same_noarch_rpm_from_two_architectures_is_taken_once(
    admin: Caller, builder: Caller, under_way: UnderWay, open_task: Make, put: Put, tiny: TinyRpms, tmp_path: Path
) -> None:
    second = open_task("buildArch", ["a", 2, "i386", False, {}], parent=under_way.task, label="i386")
    logs = {
        "x86_64": [_hashes(tmp_path, put, under_way.arch_task, tiny.noarch)],
        "i386": [_hashes(tmp_path, put, second, tiny.noarch)],
    }
    build = under_way.complete(builder, rpms=[*under_way.rpms, put(second, tiny.noarch)], logs=logs)
    assert [row["arch"] for row in admin("listRPMs", buildID=build["id"])].count("noarch") == 1


def test_a_noarch_rpm_without_a_hash_fails_the_build_when_the_first_gave_one(
    builder: Caller, under_way: UnderWay, open_task: Make, put: Put, tiny: TinyRpms, tmp_path: Path
) -> None:
    second = open_task("buildArch", ["a", 2, "i386", False, {}], parent=under_way.task, label="i386")
    logs = {"x86_64": [_hashes(tmp_path, put, under_way.arch_task, tiny.noarch)]}
    with pytest.raises(KeyError):
        under_way.complete(builder, rpms=[*under_way.rpms, put(second, tiny.noarch)], logs=logs)


def test_noarch_rpms_that_differ_fail_the_build(
    builder: Caller, under_way: UnderWay, open_task: Make, put: Put, tmp_path: Path
) -> None:
    other = tinyrpm.build(tmp_path / "other", text="x; mkdir %{buildroot}/usr/share/tiny/more; echo")
    second = open_task("buildArch", ["a", 2, "i386", False, {}], parent=under_way.task, label="i386")
    with pytest.raises(koji.BuildError, match="built differently"):
        under_way.complete(builder, rpms=[*under_way.rpms, put(second, other.noarch)])


def test_a_scratch_build_is_put_aside_for_its_owner(
    kernel: Kernel, admin: Caller, builder: Caller, under_way: UnderWay, tiny: TinyRpms, tmp_path: Path
) -> None:
    log = tmp_path / "root.log"
    log.write_text("x")
    logs = {"x86_64": [under_way.put(under_way.arch_task, log)]}
    builder("host.moveBuildToScratch", under_way.task, under_way.srpm, under_way.rpms, logs=logs)
    home = kernel.settings.topdir / f"scratch/admin/task_{under_way.task}"
    assert (home / tiny.srpm.name).is_file()
    assert (home / "logs/x86_64/root.log").is_file()
    assert admin("listRPMs") == []


def test_a_build_is_tagged_by_its_task_once(
    admin: Caller, builder: Caller, under_way: UnderWay, open_task: Make
) -> None:
    task = open_task("tagBuild", [1, under_way.build])
    with pytest.raises(koji.TagError, match="not complete"):
        builder("host.tagBuild", task, 1, under_way.build)
    under_way.complete(builder)
    builder("host.tagBuild", task, 1, under_way.build, force=None, fromtag=None)
    with pytest.raises(koji.TagError, match="already tagged"):
        builder("host.tagBuild", task, "demo", "tiny-1.0-1")
    assert [row["nvr"] for row in admin("listTagged", "demo-build", inherit=True)] == ["tiny-1.0-1"]
    assert [row["name"] for row in admin("listTags", build="tiny-1.0-1")] == ["demo"]
    rpms, builds = admin("listTaggedRPMS", "demo", arch="noarch", rpmsigs=True)
    assert [(row["name"], row["sigkey"]) for row in rpms] == [("tiny-data", "")]
    assert [row["nvr"] for row in builds] == ["tiny-1.0-1"]
    admin("packageListBlock", "demo", "tiny")
    assert admin("listTagged", "demo") == []
    admin("untagBuild", "demo", "tiny-1.0-1")
    with pytest.raises(koji.TagError, match="not in tag"):
        admin("untagBuild", "demo", "tiny-1.0-1")


def test_a_package_that_a_tag_does_not_list_is_not_tagged_into_it(
    kernel: Kernel, admin: Caller, builder: Caller, under_way: UnderWay, open_task: Make
) -> None:
    under_way.complete(builder)
    admin("createTag", "elsewhere")
    with pytest.raises(koji.TagError, match="not in list for elsewhere"):
        admin("tagBuild", "elsewhere", "tiny-1.0-1")
    admin("editTag2", "demo", locked=True)
    with pytest.raises(koji.ActionNotAllowed, match="locked"):
        admin("tagBuild", "demo", "tiny-1.0-1")
    task = admin("tagBuild", "elsewhere", "tiny-1.0-1", force=True)
    assert admin("getTaskInfo", task, request=True)["request"] == [3, under_way.build, True, None]


def test_the_newest_tagged_build_of_a_package_is_its_latest(admin: Caller) -> None:
    for release in ("1", "2"):
        admin("createEmptyBuild", "tiny", "1.0", release, None)
    admin("tagBuildBypass", "demo", "tiny-1.0-2")
    admin("tagBuildBypass", "demo", "tiny-1.0-1")
    assert [row["nvr"] for row in admin("getLatestBuilds", "demo-build")] == ["tiny-1.0-1"]
    assert [row["nvr"] for row in admin("listTagged", "demo")] == ["tiny-1.0-1", "tiny-1.0-2"]
    assert admin("getNextRelease", {"name": "tiny", "version": "1.0"}) == "3"


@pytest.mark.parametrize(("release", "following"), [("7", "8"), ("7.el9", "8.el9"), ("20260101.n.4", "20260101.n.5")])
def test_releases_are_counted_up(admin: Caller, release: str, following: str) -> None:
    admin("createEmptyBuild", "tiny", "1.0", release, None)
    assert admin("getNextRelease", {"name": "tiny", "version": "1.0"}) == following


def test_the_average_duration_counts_builds_with_tasks_only(
    admin: Caller, builder: Caller, under_way: UnderWay
) -> None:
    admin("createEmptyBuild", "tiny", "0.1", "1", None)
    assert admin("getAverageBuildDuration", "tiny", age=6) is None
    under_way.complete(builder)
    assert 0 <= admin("getAverageBuildDuration", "tiny", age=6) < 60


def test_builds_are_listed_by_filters(admin: Caller, under_way: UnderWay) -> None:
    admin("createEmptyBuild", "other", "1.0", "1", None)
    assert [row["nvr"] for row in admin("listBuilds", taskID=under_way.task)] == ["tiny-1.0-1"]
    assert [row["nvr"] for row in admin("listBuilds", state=COMPLETE)] == ["other-1.0-1"]
    assert [row["nvr"] for row in admin("listBuilds", pattern="t*-1.0-*")] == ["tiny-1.0-1"]
    assert admin("listBuilds", packageID="nothing") == []
    assert admin("listBuilds", queryOpts={"countOnly": True}) == 2
    newest = admin("listBuilds", queryOpts={"order": "-build_id", "limit": 1})
    assert [row["nvr"] for row in newest] == ["other-1.0-1"]


def test_notification_tasks_are_made_only_where_the_settings_want_them(tmp_path: Path, tiny: TinyRpms) -> None:
    content = {"notifications": True, "recipients": ["list@example.com"], "email_domain": "example.org"}
    kernel = sandboxhub.kernel_for_tests(tmp_path, content=content)
    admin, builder = Caller(kernel, "admin"), Caller(kernel, "builder", exclusive=True)
    admin("createTag", "demo")
    admin("createBuildTarget", "demo", "demo", "demo")
    task = admin("makeTask", "build", ["x", "demo", {}])
    builder("host.openTask", task)
    build = builder("host.initBuild", stub(task))
    builder("host.failBuild", task, build)
    (notification,) = admin("listTasks", {"method": "buildNotification", "decode": True})
    recipients, told, target, url = notification["request"]
    assert recipients == ["list@example.com", "admin@example.org"]
    assert (told["nvr"], target["name"], url) == ("tiny-1.0-1", "demo", "http://localhost/koji")
    builder("host.tagNotification", True, 1, None, build, 1, True)
    assert admin("listTasks", {"method": "tagNotification"}) == []
    builder("host.tagNotification", False, 1, None, build, 1, True, "it is locked")
    (tagging,) = admin("listTasks", {"method": "tagNotification", "decode": True})
    assert tagging["request"][1:] == [False, 1, None, build, 1, True, "it is locked"]
    kernel.store.close()
