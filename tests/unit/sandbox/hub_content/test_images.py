"""Image builds: they begin, fail, and scratch ones are put aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

INFO = {"name": "disk", "version": "1", "release": None, "epoch": 0}


def test_an_image_build_begins_with_the_next_release(
    admin: Caller, builder: Caller, open_task: Callable[..., int]
) -> None:
    task = open_task("image", [])
    build = builder("host.initImageBuild", task, INFO)
    assert (build["release"], build["task_id"], build["state"]) == ("1", task, koji.BUILD_STATES["BUILDING"])
    assert set(admin("getBuildType", build["id"])) == {"image"}
    assert admin("getImageBuild", build["id"]) == {"build_id": build["id"]}
    builder("host.failBuild", task, build["id"])
    assert admin("getBuild", "disk-1-1")["state"] == koji.BUILD_STATES["FAILED"]


def test_a_build_that_is_no_image_says_so(admin: Caller) -> None:
    build = admin("createEmptyBuild", "tiny", "1", "1", None)
    assert admin("getImageBuild", build) is None
    with pytest.raises(koji.GenericError, match="no such image build"):
        admin("getImageBuild", build, strict=True)


def test_only_the_tasks_own_host_may_begin_one(builder: Caller, admin: Caller) -> None:
    task = admin("makeTask", "image", [])
    with pytest.raises(koji.GenericError):
        builder("host.initImageBuild", task, INFO)


def test_a_complete_image_build_has_its_files_logs_and_packages(
    kernel: Kernel,
    admin: Caller,
    builder: Caller,
    open_task: Callable[..., int],
    put: Callable[..., str],
    tmp_path: Path,
    tiny: TinyRpms,
) -> None:
    admin("importRPM", *put(0, tiny.srpm).rsplit("/", 1))
    admin("importRPM", *put(0, tiny.noarch).rsplit("/", 1))
    rpm = koji.parse_NVRA(tiny.noarch.name)
    parent = open_task("image", [])
    build = builder("host.initImageBuild", parent, INFO)
    results: dict[str, Any] = {"ppc64le": {"faultCode": 1000, "faultString": "failed and may"}}
    for arch in ("s390x", "x86_64"):
        child = open_task("createImage", [arch], parent=parent)
        for name in (f"disk.{arch}.qcow2", "oz.log"):
            (tmp_path / name).write_text(arch)
            put(child, tmp_path / name)
        results[arch] = {"task_id": child, "arch": arch, "files": [f"disk.{arch}.qcow2"], "logs": [], "rpmlist": [rpm]}
    builder("host.completeImageBuild", parent, build["id"], results)
    assert admin("getBuild", "disk-1-1")["state"] == koji.BUILD_STATES["COMPLETE"]
    found = admin("listArchives", build["id"], type="image")
    assert [(row["filename"], row["arch"]) for row in found] == [
        ("disk.s390x.qcow2", "s390x"),
        ("disk.x86_64.qcow2", "x86_64"),
    ]
    assert [row["name"] for row in admin("listRPMs", imageID=found[0]["id"])] == [rpm["name"]]
    home = Path(kernel.settings.pathinfo.build(admin("getBuild", "disk-1-1")))
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()) == [
        "data/logs/image/oz.log",
        "data/logs/image/x86_64/oz.log",
        "images/disk.s390x.qcow2",
        "images/disk.x86_64.qcow2",
    ]


def test_logs_of_other_methods_are_kept_by_arch(
    kernel: Kernel, admin: Caller, builder: Caller, open_task: Callable[..., int], put: Callable[..., str],
    tmp_path: Path,
) -> None:  # fmt: skip
    """Only appliance, image, indirectionimage and livecd have their logs in one directory."""
    parent = open_task("livemedia", [])
    build = builder("host.initImageBuild", parent, INFO)
    (tmp_path / "program.log").write_text("log")
    put(parent, tmp_path / "program.log")
    result = {"task_id": parent, "arch": "x86_64", "files": [], "logs": [], "rpmlist": []}
    builder("host.completeImageBuild", parent, build["id"], {"x86_64": result})
    home = Path(kernel.settings.pathinfo.build(admin("getBuild", "disk-1-1")), "data/logs/image")
    assert [path.relative_to(home) for path in home.rglob("*.log")] == [Path("x86_64/program.log")]


def test_packages_are_told_once_and_belong_to_no_description(
    admin: Caller, builder: Caller, open_task: Callable[..., int], put: Callable[..., str], tmp_path: Path,
    tiny: TinyRpms,
) -> None:  # fmt: skip
    for path in (tiny.srpm, tiny.noarch):
        admin("importRPM", *put(0, path).rsplit("/", 1))
    rpm = koji.parse_NVRA(tiny.noarch.name)
    parent = open_task("appliance", [])
    build = builder("host.initImageBuild", parent, INFO)
    for name in ("disk.raw", "disk.xml"):
        (tmp_path / name).write_text(name)
        put(parent, tmp_path / name)
    result = {"task_id": parent, "arch": "x86_64", "files": ["disk.raw", "disk.xml"], "logs": [], "rpmlist": [rpm, rpm]}
    with pytest.raises(koji.GenericError, match="told twice"):
        builder("host.completeImageBuild", parent, build["id"], {"x86_64": result})
    builder("host.completeImageBuild", parent, build["id"], {"x86_64": {**result, "rpmlist": [rpm]}})
    found = {row["filename"]: row["id"] for row in admin("listArchives", build["id"], type="image")}
    assert [len(admin("listRPMs", imageID=found[name])) for name in ("disk.raw", "disk.xml")] == [1, 0]


def test_an_image_with_an_unknown_package_is_not_taken(
    admin: Caller, builder: Caller, open_task: Callable[..., int]
) -> None:
    task = open_task("image", [])
    build = builder("host.initImageBuild", task, INFO)
    rpm = {"name": "unknown", "version": "1", "release": "1", "arch": "noarch", "epoch": None}
    results = {"x86_64": {"task_id": task, "arch": "x86_64", "files": [], "logs": [], "rpmlist": [rpm]}}
    with pytest.raises(koji.GenericError, match="unknown"):
        builder("host.completeImageBuild", task, build["id"], results)
    assert admin("getBuild", build["id"])["state"] == koji.BUILD_STATES["BUILDING"]


def test_scratch_images_are_put_aside_by_subtask(
    kernel: Kernel, builder: Caller, open_task: Callable[..., int], put: Callable[..., str], tmp_path: Path
) -> None:
    parent = open_task("image", [])
    child = open_task("createImage", [], parent=parent)
    (tmp_path / "disk.img").write_text("image")
    (tmp_path / "oz.log").write_text("log")
    for name in ("disk.img", "oz.log"):
        put(child, tmp_path / name)
    results: dict[str, Any] = {
        "x86_64": {"task_id": child, "files": ["disk.img"], "logs": ["oz.log"]},
        "s390x": {"faultCode": 1000, "faultString": "failed and may"},
    }
    builder("host.moveImageBuildToScratch", parent, results)
    home = Path(kernel.settings.pathinfo.scratch(), "admin", f"task_{child}")
    assert sorted(path.name for path in home.iterdir()) == ["disk.img", "oz.log"]


def test_files_of_other_tasks_are_not_taken(
    builder: Caller, open_task: Callable[..., int], put: Callable[..., str], tmp_path: Path
) -> None:
    parent, stranger = open_task("image", []), open_task("createImage", [])
    (tmp_path / "disk.img").write_text("image")
    put(stranger, tmp_path / "disk.img")
    with pytest.raises(koji.GenericError, match="Not in an upload directory"):
        builder("host.moveImageBuildToScratch", parent, {"a": {"task_id": stranger, "files": ["disk.img"], "logs": []}})
