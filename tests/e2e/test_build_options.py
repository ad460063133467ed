"""What a build can be asked for, by the real client: drafts, metadata, arches, repositories, priorities, tag extras."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.distro.sources.package import srpm
from tests.support.sandbox import Daemon, Sandbox

pytestmark = [pytest.mark.root, pytest.mark.e2e]

ARCH = content.machine_arch()
OTHER = "s390x" if ARCH != "s390x" else "ppc64le"
TAG, TARGET = "options-build", "options"
EXTRA: Dict[str, Any] = {
    "mock.use_bootstrap": False,
    "mock.package_manager": "dnf",
    "mock.yum.module_hotfixes": 1,
    "mock.yum.best": 1,
    "mock.releasever": "7",
    "noarch_arches": ARCH,
    "rebuild_srpm": False,
    "rpm.macro.asked_for": "100%% {{cookiecutter}} {% raw %}",
    "rpm.env.ASKED_FOR": "an environment",
}


@pytest.fixture(scope="module")
def two_arches(box: Sandbox, repository: int) -> int:
    """A target whose build tag has two arches, of which the one builder has one, and extras; its repository's id."""
    content.add_tag(box.admin, TAG, arches=f"{ARCH} {OTHER}", extra=EXTRA)
    content.inherit(box.admin, TAG, [content.DEST_TAG, content.BOOTSTRAP])
    box.admin.createBuildTarget(TARGET, TAG, content.DEST_TAG)
    groups = {
        group["name"]: [row["package"] for row in group["packagelist"]]
        for group in box.admin.getTagGroups(content.BUILD_TAG)
    }
    content.set_groups(box.admin, TAG, groups)
    return int(box.closed(box.admin.newRepo(TAG))[0])


@pytest.fixture(scope="module")
def both(box: Sandbox, builder: Daemon, two_arches: int) -> Iterator[int]:
    """The builder says that it has the other arch, too; the repository's id."""
    box.admin.editHost(builder.host, arches=f"{ARCH} {OTHER}")
    yield two_arches
    box.admin.editHost(builder.host, arches=ARCH)


def build_task(box: Sandbox, *arguments: str, target: str = content.TARGET) -> int:
    """Ask the client for a build; the task's id."""
    done = box.koji("build", "--nowait", "--noprogress", *arguments[:-1], target, arguments[-1])
    return int(next(line for line in done.stdout.splitlines() if line.startswith("Created task:")).split()[-1])


def build_of(box: Sandbox, task_id: int) -> Dict[str, Any]:
    box.closed(task_id)
    return dict(box.admin.getBuild(box.admin.listBuilds(taskID=task_id)[0]["build_id"], strict=True))


def arch_tasks(box: Sandbox, task_id: int) -> Dict[str, Dict[str, Any]]:
    return {row["label"]: row for row in box.admin.getTaskChildren(task_id) if row["method"] == "buildArch"}


def test_a_draft_with_metadata_is_built_and_promoted_and_waited_for(box: Sandbox, repository: int, srpms: Path) -> None:
    content.add_packages(box.admin, content.DEST_TAG, ["drafted"])
    source = str(samples.noarch(srpms, "drafted", release="1"))
    metadata = '{"ticket": 5, "review": ["a", "b"]}'

    draft = build_of(box, build_task(box, "--draft", "--custom-user-metadata", metadata, source))

    assert (draft["draft"], draft["nvr"]) == (True, f"drafted-1.0-1,draft_{draft['id']}")
    assert draft["extra"]["custom_user_metadata"] == {"ticket": 5, "review": ["a", "b"]}
    assert draft["nvr"] in {row["nvr"] for row in box.admin.listTagged(content.DEST_TAG)}
    drafted = box.build_dir(draft) / "noarch" / "drafted-1.0-1.noarch.rpm"
    assert drafted.is_file()

    assert "has been promoted to drafted-1.0-1\n" in box.koji("promote-build", draft["nvr"]).stdout

    promoted = box.admin.getBuild("drafted-1.0-1", strict=True)
    assert (promoted["id"], promoted["draft"], promoted["promoter_name"]) == (draft["id"], False, "admin")
    assert (box.build_dir(promoted) / "noarch" / "drafted-1.0-1.noarch.rpm").is_file()
    assert drafted.is_file()

    needs = str(samples.noarch(srpms, "waits", requires=["drafted"]))
    waits = ("--wait-repo", "--wait-build", "drafted-1.0-1", "--background", "--no-rebuild-srpm")
    task = build_task(box, "--scratch", *waits, needs)
    box.closed(task)
    waited = box.child(task, "waitrepo")
    assert waited["request"][2] == ["drafted-1.0-1"]
    assert waited["request"][3] > 0
    assert [row["label"] for row in box.admin.getTaskChildren(task)] == ["waitrepo", "noarch"]
    assert box.admin.getTaskInfo(task)["priority"] == koji.PRIO_DEFAULT + 5


def test_metadata_that_is_none_is_the_askers_fault(box: Sandbox, repository: int, srpms: Path) -> None:
    task = box.submit(samples.noarch(srpms, "meta"), custom_user_metadata=["no", "dictionary"], scratch=True)
    fault = box.failed(task)
    assert isinstance(fault, koji.BuildError)
    assert "custom_user_metadata must be serializable to a JSON object" in str(fault)


def test_a_repository_of_the_askers_choice_and_no_tagging(box: Sandbox, two_arches: int, srpms: Path) -> None:
    """The tag takes packages as they were uploaded, so there is no subtask but the one of the arch."""
    content.add_packages(box.admin, content.DEST_TAG, ["chosen"])
    source = str(samples.noarch(srpms, "chosen"))
    task = build_task(box, "--repo-id", str(two_arches), "--skip-tag", source, target=TARGET)
    wrong = build_task(box, "--repo-id", str(two_arches), source)

    build = build_of(box, task)

    assert box.admin.listTags(build=build["id"]) == []
    assert [row["label"] for row in box.admin.getTaskChildren(task)] == ["noarch"]
    root = box.admin.listBuildroots(taskID=box.child(task, "buildArch")["id"])[0]
    assert root["repo_id"] == two_arches
    assert "Repo/Target mismatch" in str(box.failed(wrong))


def test_the_tags_extras_reach_mock_and_rpm_and_choose_the_arch(box: Sandbox, two_arches: int, srpms: Path) -> None:
    checks = """\
test "$ASKED_FOR" = "an environment"
echo '%asked_for' > told
cat told"""
    install = "mkdir -p %{buildroot}/opt\ncp told %{buildroot}/opt"
    text = samples.spec(
        "told", head=["BuildArch: noarch"], build=checks, install=install, files="%files\n/opt/told"
    )  # fmt: skip
    task = build_task(box, "--scratch", "--rebuild-srpm", str(srpm(srpms, "told", text)), target=TARGET)
    box.closed(task)
    assert [row["label"] for row in box.admin.getTaskChildren(task)] == ["srpm", "noarch"]

    row = arch_tasks(box, task)["noarch"]
    assert row["arch"] == ARCH  # not the other one, which nobody here could build on
    assert "100% {{cookiecutter}} {% raw %}" in box.log(row["id"], "build.log")
    config = box.log(row["id"], "mock_config.log")
    for line in (
        "module_hotfixes=1",
        "best=1",
        "releasever'] = '7'",
    ):
        assert line in config


def test_arches_can_be_chosen_and_one_that_fails_ends_the_others(box: Sandbox, both: int, srpms: Path) -> None:
    slow = str(srpm(srpms, "slow-here", samples.spec("slow-here", build="sleep 300")))
    quick = str(srpm(srpms, "quick-here", samples.spec("quick-here", files="%files")))
    repo = ("--repo-id", str(both))
    chosen = build_task(box, "--scratch", "--arch-override", ARCH, *repo, quick, target=TARGET)
    failing = build_task(box, "--scratch", "--fail-fast", *repo, slow, target=TARGET)
    nonsense = build_task(box, "--scratch", "--arch-override", "m68k", *repo, quick, target=TARGET)

    box.closed(chosen)
    assert set(arch_tasks(box, chosen)) == {ARCH}
    # the other arch has a repository without packages: its buildroot can't be made
    assert isinstance(box.failed(failing), koji.GenericError)
    states = {label: koji.TASK_STATES[row["state"]] for label, row in arch_tasks(box, failing).items()}
    assert states == {ARCH: "CANCELED", OTHER: "FAILED"}
    assert "No matching arches were found" in str(box.failed(nonsense))
