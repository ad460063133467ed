"""Packages that can't be built: each fails with the right fault, the log that holds the cause, and its last lines."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import koji
import pytest

from kojid.sandbox.distro.sources import samples
from tests.support.sandbox import Daemon, Sandbox

pytestmark = [pytest.mark.root, pytest.mark.e2e]


@pytest.fixture(scope="module")
def tasks(box: Sandbox, repository: int, srpms: Path) -> Dict[str, int]:
    """The module's builds, all under way at once: name to task id."""
    makers = {
        "fails-in-prep": samples.fails_in_prep,
        "fails-in-build": samples.fails_in_build,
        "wants-the-impossible": samples.missing_requirement,
        "without-files": samples.without_files,
        "elsewhere": samples.other_architecture,
        "broken": samples.broken,
    }
    return {name: box.submit(make(srpms), name) for name, make in makers.items()}


def state_of_build(box: Sandbox, task_id: int) -> str:
    builds = box.admin.listBuilds(taskID=task_id)
    return str(koji.BUILD_STATES[builds[0]["state"]]) if builds else "none"


def arch_log(box: Sandbox, task_id: int, name: str) -> str:
    return box.log(box.child(task_id, "buildArch")["id"], name)


def test_a_failing_prep_is_told_with_the_line_that_says_why(box: Sandbox, tasks: Dict[str, int]) -> None:
    fault = box.failed(tasks["fails-in-prep"])
    assert isinstance(fault, koji.BuildError)
    assert "error building package (arch" in str(fault)
    assert "build.log" in str(fault)
    assert "the patch does not apply" in str(fault)
    assert "the patch does not apply" in arch_log(box, tasks["fails-in-prep"], "build.log")
    assert state_of_build(box, tasks["fails-in-prep"]) == "FAILED"


def test_a_compiler_error_is_quoted(box: Sandbox, tasks: Dict[str, int]) -> None:
    fault = box.failed(tasks["fails-in-build"])
    assert isinstance(fault, koji.BuildError)
    assert "mock exited with status 1; see build.log" in str(fault)
    assert "undeclared_name" in str(fault)
    assert state_of_build(box, tasks["fails-in-build"]) == "FAILED"


def test_a_missing_requirement_names_the_root_log_and_the_package(box: Sandbox, tasks: Dict[str, int]) -> None:
    fault = box.failed(tasks["wants-the-impossible"])
    assert isinstance(fault, (koji.BuildError, koji.BuildrootError))
    assert "status 30; see root.log" in str(fault)
    assert "no-such-package-anywhere" in str(fault)
    assert "no-such-package-anywhere" in arch_log(box, tasks["wants-the-impossible"], "root.log")


def test_a_spec_without_files_is_a_build_of_its_source_package_alone(box: Sandbox, tasks: Dict[str, int]) -> None:
    """mock calls that a success, and so does a hub: there is nothing that failed."""
    box.closed(tasks["without-files"])
    build = box.admin.listBuilds(taskID=tasks["without-files"])[0]
    assert [row["arch"] for row in box.admin.listBuildRPMs(build["nvr"])] == ["src"]
    assert {path.name for path in box.build_dir(build).rglob("*.rpm")} == {f"{build['nvr']}.src.rpm"}


def test_a_package_for_another_architecture_is_told_so_before_any_build(box: Sandbox, tasks: Dict[str, int]) -> None:
    fault = box.failed(tasks["elsewhere"])
    assert isinstance(fault, koji.BuildError)
    assert "No matching arches were found" in str(fault)
    assert [row["method"] for row in box.admin.getTaskChildren(tasks["elsewhere"])] in ([], ["rebuildSRPM"])
    assert state_of_build(box, tasks["elsewhere"]) == "none"


def test_a_broken_source_package_is_no_build_at_all(box: Sandbox, tasks: Dict[str, int]) -> None:
    fault = box.failed(tasks["broken"])
    assert isinstance(fault, koji.BuildError)
    assert "broken-1.0-1.src.rpm" in str(fault) or "see root.log" in str(fault) or "mock_output.log" in str(fault)
    assert state_of_build(box, tasks["broken"]) == "none"


def test_the_buildroots_of_failed_builds_are_expired(box: Sandbox, builder: Daemon, tasks: Dict[str, int]) -> None:
    for task_id in tasks.values():
        box.finish(task_id)
    roots = [
        root
        for task_id in tasks.values()
        for _, node in box.tree(task_id).walk()
        for root in box.admin.listBuildroots(taskID=node.id)
    ]
    assert roots
    assert {koji.BR_STATES[root["state"]] for root in roots} == {"EXPIRED"}


def test_failures_of_packages_are_no_errors_of_the_daemon(box: Sandbox, builder: Daemon, tasks: Dict[str, int]) -> None:
    for task_id in tasks.values():
        box.finish(task_id)
    assert builder.lines(r"\[ERROR\]") == []
    assert box.admin.getHost(builder.host)["enabled"]
