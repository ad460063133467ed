"""Packages around the archives of Maven, Windows and image builds; their spec files come from templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import koji
import pytest

from kojid.sandbox import content
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.shopgit import GitShop

pytestmark = [pytest.mark.root, pytest.mark.e2e]
pytest.importorskip("Cheetah", reason="needs Cheetah (CT3), the extra wrapper")

TEMPLATE = """\
#import os
#import getpass
Name: $name
Version: $version
Release: $release
Summary: Wrapper of $name
License: LGPL-2.1-or-later
BuildArch: noarch
#for $number, $file in $enumerate($all_artifacts)
Source$number: $file
#end for

%description
$KIND
rendered by $os.getuid() in $len($open('note.txt').read()) characters

%install
#for $file in $all_artifacts
install -D -m 0644 %{_sourcedir}/$file %{buildroot}%{_datadir}/$name/$file
#end for

%files
%{_datadir}/$name
"""
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>parser</artifactId><version>1.2</version></project>
"""
KINDS = {
    "maven": "$maven_info['group_id']:$maven_info['artifact_id']:$maven_info['version']",
    "win": "$win_info['platform'] $all_artifacts_with_path[0]",
    "image": "$len($artifacts['.ks']) $image_info['build_id']",
}


def template(kind: str) -> Dict[str, str]:
    text = TEMPLATE.replace("$KIND", KINDS[kind])
    return {"wrapper.spec.tmpl": text, "note.txt": "12345", "nested/README": "no template"}


@pytest.fixture(scope="module")
def archives(box: Sandbox, repository: int) -> Dict[str, str]:
    """One imported build of each type: kind to name-version-release."""
    directory = box.layout.dir / "archives"
    directory.mkdir()
    files = {"parser-1.2.pom": POM, "parser-1.2.jar": "jar", "setup.exe": "exe", "disk.raw": "raw", "disk.ks": "ks"}
    for name, text in files.items():
        (directory / name).write_text(text)
    info = {"maven": str(directory / "parser-1.2.pom"), "win": "bin/x86:i386 x86_64:fre", "image": "x86_64"}
    names = {"maven": ["parser-1.2.pom", "parser-1.2.jar"], "win": ["setup.exe"], "image": ["disk.raw", "disk.ks"]}
    nvrs = {"maven": "org.example-parser-1.2-1", "win": "driver-3.0-1", "image": "disk-4.0-2"}
    for kind, nvr in nvrs.items():
        paths = [str(directory / name) for name in names[kind]]
        box.koji(
            "import-archive", "--noprogress", "--create-build", "--type", kind, "--type-info", info[kind], nvr, *paths
        )
    return nvrs


def description(path: Path) -> Any:
    return koji.get_header_fields(str(path), ["description", "name"])["description"].split("\n")


def test_packages_of_a_maven_build_are_added_to_it(box: Sandbox, archives: Dict[str, str], gitshop: GitShop) -> None:
    url = gitshop.put("wrap-maven", template("maven"))

    box.koji("wrapper-rpm", "--wait", content.TARGET, archives["maven"], url, timeout=180)

    build = box.admin.getBuild(archives["maven"], strict=True)
    rpms = {f"{row['nvr']}.{row['arch']}": row for row in box.admin.listBuildRPMs(build["id"])}
    assert set(rpms) == {f"{archives['maven']}.src", f"{archives['maven']}.noarch"}
    assert all(row["buildroot_id"] for row in rpms.values())
    made = box.build_dir(build) / "noarch" / f"{archives['maven']}.noarch.rpm"
    lines = description(made)
    assert lines[0] == "org.example:parser:1.2"
    assert lines[1].startswith("rendered by ") and "rendered by 0 " not in lines[1] and "in 5 characters" in lines[1]
    logs = {row["name"] for row in box.admin.getBuildLogs(build["id"])}
    assert {"checkout.log", "wrapper.spec", "build.log", "root.log"} <= logs
    assert set(box.admin.getBuildType(build["id"])) == {"maven", "rpm"}

    again = box.koji("wrapper-rpm", "--wait", content.TARGET, archives["maven"], url, check=False)
    assert "have already been built" in again.stderr + again.stdout


def test_packages_of_an_image_build_become_a_build_of_their_own(
    box: Sandbox, archives: Dict[str, str], gitshop: GitShop
) -> None:
    files = template("image")
    files["wrapper.spec.tmpl"] = files["wrapper.spec.tmpl"].replace("$name", "${name}-wrapper")
    url = gitshop.put("wrap-image", files)
    content.add_packages(box.admin, content.DEST_TAG, ["disk-wrapper"])

    box.koji("wrapper-rpm", "--wait", "--create-build", content.TARGET, archives["image"], url, timeout=180)

    build = box.admin.getBuild("disk-wrapper-4.0-2", strict=True)
    assert koji.BUILD_STATES[build["state"]] == "COMPLETE"
    assert build["nvr"] in {row["nvr"] for row in box.admin.listTagged(content.DEST_TAG)}
    assert build["source"].startswith(url.rsplit("#", 1)[0])
    assert build["extra"]["source"]["original_url"] == url
    assert box.admin.listBuildRPMs(box.admin.getBuild(archives["image"])["id"]) == []
    made = box.build_dir(build) / "noarch" / "disk-wrapper-4.0-2.noarch.rpm"
    assert description(made)[0] == f"1 {box.admin.getBuild(archives['image'])['id']}"
    result = box.admin.getTaskResult(build["task_id"])
    assert result["rpms"] == ["disk-wrapper-4.0-2.noarch.rpm"]
    assert set(result) == {"buildroot_id", "srpm", "rpms", "logs", "source"}


def test_scratch_packages_of_a_windows_build_are_put_aside(
    box: Sandbox, archives: Dict[str, str], gitshop: GitShop
) -> None:
    url = gitshop.put("wrap-win", template("win"))
    box.koji("wrapper-rpm", "--wait", "--scratch", content.TARGET, archives["win"], url, timeout=180)

    task = box.admin.listTasks({"method": "wrapperRPM"}, {"order": "-id", "limit": 1})[0]["id"]
    home = Path(box.layout.paths.scratch()) / "admin" / f"task_{task}"
    names = {path.name for path in home.rglob("*.rpm")}
    assert names == {f"{archives['win']}.noarch.rpm", f"{archives['win']}.src.rpm"}
    assert description(home / f"{archives['win']}.noarch.rpm")[0] == "import bin/x86/setup.exe"
    assert box.admin.listBuildRPMs(box.admin.getBuild(archives["win"])["id"]) == []


def test_a_template_that_is_wrong_is_the_packages_fault(
    box: Sandbox, archives: Dict[str, str], gitshop: GitShop
) -> None:
    files = template("win")
    files["wrapper.spec.tmpl"] += "$not_there_at_all\n"
    task = box.admin.wrapperRPM(archives["win"], gitshop.put("wrap-wrong", files), content.TARGET)
    none = box.admin.wrapperRPM(archives["win"], gitshop.put("wrap-none", {"README": "x"}), content.TARGET)

    fault = box.failed(task)
    assert isinstance(fault, koji.BuildError)
    assert "the spec file template can't be rendered" in str(fault)
    assert "not_there_at_all" in str(fault)
    assert "no spec file template found at URL" in str(box.failed(none))
    roots = [root for one in (task, none) for root in box.admin.listBuildroots(taskID=one)]
    assert {koji.BR_STATES[root["state"]] for root in roots} == {"EXPIRED"}


def test_a_build_without_archives_is_the_askers_fault(box: Sandbox, repository: int, gitshop: GitShop) -> None:
    nvr = box.admin.createEmptyBuild("hollow", "1", "1", None) and "hollow-1-1"
    task = box.admin.wrapperRPM(nvr, "git://127.0.0.1:1/shop/none#HEAD", content.TARGET)
    assert "unsupported build type" in str(box.failed(task))


def test_a_host_that_can_not_do_it_gives_the_task_to_another(
    box: Sandbox, builder: Daemon, archives: Dict[str, str], gitshop: GitShop
) -> None:
    lame = box.daemon("lame", allowed_scms=builder.options["allowed_scms"], mockpath="/nonexistent/mock").start()
    box.admin.addHostToChannel(lame.host, "maven")
    box.admin.removeHostFromChannel(builder.host, "maven")
    try:
        url = gitshop.put("wrap-lame", template("win"))
        task = box.admin.wrapperRPM(archives["win"], url, content.TARGET, opts={"scratch": True})
        wait_for(lambda: lame.lines(rf"Refusing task {task}"), 120, "the refusal")
    finally:
        box.admin.addHostToChannel(builder.host, "maven")
        box.admin.removeHostFromChannel(lame.host, "maven")
    box.closed(task)
    assert box.admin.getTaskInfo(task)["host_id"] == box.admin.getHost(builder.host)["id"]
