"""Source packages go in; packages, logs and recorded buildroots come out on the hub. They are built side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from tests.support.sandbox import Daemon, Sandbox

pytestmark = [pytest.mark.root, pytest.mark.e2e]

ARCH = content.machine_arch()


@pytest.fixture(scope="module")
def tasks(box: Sandbox, repository: int, srpms: Path) -> Dict[str, int]:
    """The module's builds, all under way at once: name to task id."""
    return {
        "greeter": box.submit(samples.c_program(srpms, "greeter"), "greeter"),
        "words": box.submit(samples.noarch(srpms, "words"), "words"),
        "scratchy": box.submit(samples.c_program(srpms, "scratchy"), scratch=True),
    }


def built(box: Sandbox, task_id: int) -> Dict[str, Any]:
    box.closed(task_id)
    builds = box.admin.listBuilds(taskID=task_id)
    assert len(builds) == 1 and builds[0]["state"] == koji.BUILD_STATES["COMPLETE"]
    return dict(builds[0])


def header(path: Path, *names: str) -> Dict[str, Any]:
    fields: Dict[str, Any] = koji.get_header_fields(str(path), names)
    return fields


def test_a_build_leaves_its_packages_and_logs_where_a_hub_keeps_them(box: Sandbox, tasks: Dict[str, int]) -> None:
    build = built(box, tasks["greeter"])
    directory = box.build_dir(build)

    binary = next((directory / ARCH).glob("greeter-1.0-1*.rpm"))
    source = next((directory / "src").glob("greeter-1.0-1*.src.rpm"))
    logs = {path.name: path.stat().st_size for path in (directory / "data" / "logs" / ARCH).iterdir()}
    assert {"build.log", "root.log", "state.log", "mock_output.log", "hw_info.log", "installed_pkgs.log"} <= set(logs)
    assert all(logs[name] > 0 for name in ("build.log", "root.log", "mock_output.log"))
    assert "gcc -O2 -o greeter" in (directory / "data" / "logs" / ARCH / "build.log").read_text()

    listed = {f"{rpm['nvr']}.{rpm['arch']}.rpm" for rpm in box.admin.listBuildRPMs(build["nvr"])}
    assert listed == {binary.name, source.name}


def test_the_headers_carry_what_the_configuration_says(box: Sandbox, tasks: Dict[str, int]) -> None:
    directory = box.build_dir(built(box, tasks["greeter"]))
    path = next((directory / ARCH).glob("greeter-1.0-1*.rpm"))
    found = header(path, "vendor", "packager", "distribution", "buildhost", "arch")
    assert found["vendor"] == found["packager"] == found["distribution"] == "kojid sandbox"
    assert found["arch"] == ARCH


def test_the_buildroot_is_recorded_with_the_ids_of_its_packages(box: Sandbox, tasks: Dict[str, int]) -> None:
    build = built(box, tasks["greeter"])
    arch_task = box.child(tasks["greeter"], "buildArch")
    roots = box.admin.listBuildroots(taskID=arch_task["id"])
    assert [koji.BR_STATES[root["state"]] for root in roots] == ["EXPIRED"]

    rpm = next(row for row in box.admin.listBuildRPMs(build["build_id"]) if row["arch"] == ARCH)
    assert rpm["buildroot_id"] == roots[0]["id"]
    installed = box.admin.listRPMs(componentBuildrootID=roots[0]["id"])
    names = {row["name"] for row in installed}
    assert {"bash", "gcc", "rpm", "coreutils"} <= names
    distribution = box.admin.listTagged(content.BOOTSTRAP)[0]["build_id"]
    assert {row["build_id"] for row in installed} == {distribution}


def test_the_build_is_tagged_at_its_end(box: Sandbox, tasks: Dict[str, int]) -> None:
    build = built(box, tasks["greeter"])
    assert build["nvr"] in {row["nvr"] for row in box.admin.listTagged(content.DEST_TAG)}
    assert box.child(tasks["greeter"], "tagBuild")["state"] == koji.TASK_STATES["CLOSED"]


def test_the_tasks_run_on_the_host_under_their_labels(box: Sandbox, builder: Daemon, tasks: Dict[str, int]) -> None:
    box.closed(tasks["greeter"])
    children = box.admin.getTaskChildren(tasks["greeter"], request=True)
    assert {(row["method"], row["label"]) for row in children} == {
        ("rebuildSRPM", "srpm"),
        ("buildArch", ARCH),
        ("tagBuild", "tag"),
    }
    host = box.admin.getHost(builder.host)["id"]
    assert {row["host_id"] for row in children} == {host}


def test_a_noarch_build_hands_in_the_hashes_of_its_packages(box: Sandbox, tasks: Dict[str, int]) -> None:
    build = built(box, tasks["words"])
    directory = box.build_dir(build)
    rpm = next((directory / "noarch").glob("words-1.0-1*.noarch.rpm"))
    arch_task = box.child(tasks["words"], "buildArch")
    found = list((directory / "data" / "logs").rglob("noarch_rpmdiff.json"))
    assert [path.parent.name for path in found] == ["noarch"]

    hashes = json.loads(found[0].read_text())
    assert list(hashes) == [str(arch_task["id"])]
    assert list(hashes[str(arch_task["id"])]) == [rpm.name]
    assert len(hashes[str(arch_task["id"])][rpm.name]) >= 32


def test_a_scratch_build_is_kept_apart_and_makes_no_build(box: Sandbox, tasks: Dict[str, int]) -> None:
    box.closed(tasks["scratchy"])
    directory = Path(box.layout.paths.scratch()) / "admin" / f"task_{tasks['scratchy']}"
    names = {path.name for path in directory.rglob("*.rpm")}
    assert {name.rsplit(".", 2)[1] for name in names} == {ARCH, "src"}
    assert any(path.name == "build.log" for path in directory.rglob("*.log"))
    assert box.admin.listBuilds(taskID=tasks["scratchy"]) == []
    assert box.admin.getPackageID("scratchy") is None


def test_nothing_of_a_finished_build_is_left_running(box: Sandbox, builder: Daemon, tasks: Dict[str, int]) -> None:
    for task_id in tasks.values():
        box.closed(task_id)
    roots = [root["id"] for task in tasks.values() for root in _roots_below(box, task)]
    assert roots
    assert not [line for line in box.processes() if any(f"-{root}-" in line for root in roots)]
    assert box.mounts() == []
    assert not list(builder.lines(r"Traceback|\[ERROR\]"))


def _roots_below(box: Sandbox, task_id: int) -> Any:
    for _, node in box.tree(task_id).walk():
        yield from box.admin.listBuildroots(taskID=node.id)
