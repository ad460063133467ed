"""Maven in a buildroot, for the handlers and plugins that use it (contract 7.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable
from xml.etree import ElementTree

import koji
import pytest

from kojid.buildroot.buildroot import BuildRoot
from tests.support.fakebuildroot import FakeMock, FakeSession

NS = "{http://maven.apache.org/POM/4.0.0}"


@pytest.fixture
def broot(make: Callable[..., BuildRoot], session: FakeSession) -> BuildRoot:
    session.answers["host.updateMavenBuildRootList"] = None
    made = make(topurl="http://files.example.com/koji")
    made.session.calls.clear()
    return made


def settings(broot: BuildRoot) -> ElementTree.Element:
    broot.writeMavenSettings("/builddir/.m2/settings.xml", f"{broot.rootdir()}/maven/output")
    return ElementTree.fromstring(Path(broot.rootdir(), "builddir/.m2/settings.xml").read_text())


def texts(top: ElementTree.Element, path: str) -> list[str]:
    return [str(found.text) for found in top.findall("/".join(NS + part for part in path.split("/")))]


def test_the_settings_name_the_repo_as_the_mirror_of_everything(broot: BuildRoot) -> None:
    top = settings(broot)
    assert texts(top, "mirrors/mirror/id") == ["koji-maven-repo-demo-build-4"]
    assert texts(top, "mirrors/mirror/url") == ["http://files.example.com/koji/repos/demo-build/4/maven"]
    assert texts(top, "mirrors/mirror/mirrorOf") == ["*"]
    assert texts(top, "interactiveMode") == ["false"]
    assert texts(top, "activeProfiles/activeProfile") == texts(top, "profiles/profile/id") == ["koji-task-306"]
    assert texts(top, "profiles/profile/properties/altDeploymentRepository") == [
        "koji-output::default::file:///maven/output"
    ]


def test_dependencies_are_repositories_that_the_mirror_leaves_alone(broot: BuildRoot) -> None:
    broot.options.topurl = "https://files.example.com/koji"
    broot.deps = [12345, "group-artifact-1.0-1"]
    top = settings(broot)
    assert texts(top, "mirrors/mirror/mirrorOf") == ["*,!koji-task-12345-repo,!koji-build-group-artifact-1.0-1-repo"]
    for kind in ("repositories/repository", "pluginRepositories/pluginRepository"):
        assert texts(top, f"profiles/profile/{kind}/url") == [
            "https://files.example.com/koji/work/tasks/2345/12345",
            "https://files.example.com/koji/packages/group-artifact/1.0/1/maven",
        ]
        assert texts(top, f"profiles/profile/{kind}/snapshots/enabled") == ["true", "false"]


def test_dependencies_over_plain_http_are_mirrors_of_themselves(broot: BuildRoot) -> None:
    """Maven uses no others without encryption."""
    broot.deps = [7]
    top = settings(broot)
    assert texts(top, "mirrors/mirror/mirrorOf") == ["*,!koji-task-7-repo", "koji-task-7-repo"]
    assert texts(top, "mirrors/mirror/url")[1] == "http://files.example.com/koji/work/tasks/7/7"


def test_settings_do_not_follow_a_link_of_the_chroot(broot: BuildRoot, tmp_path: Path) -> None:
    target = tmp_path / "host"
    target.write_text("kept")
    m2 = Path(broot.rootdir(), "builddir/.m2")
    m2.mkdir(parents=True)
    (m2 / "settings.xml").symlink_to(target)
    with pytest.raises(OSError, match="no regular file"):
        settings(broot)
    assert target.read_text() == "kept"


def build(broot: BuildRoot) -> None:
    root = Path(broot.rootdir())
    for place, name in (("builddir/.m2/repository/org/a/b/1.0", "b-1.0.jar"), ("maven/output/org/own/c/2", "c-2.jar")):
        (root / place).mkdir(parents=True)
        (root / place / name).write_bytes(b"12345")
    (root / "maven/output/scm-sources.zip").write_bytes(b"")
    (root / "builddir/.m2/repository/org/a/b/1.0/b-1.0.jar.sha1").write_bytes(b"")
    (root / "builddir/.m2/repository/org/a/b/1.0/planted.jar").symlink_to("/etc/hostname")
    broot.mavenBuild(
        f"{root}/maven/build", f"{root}/maven/output", f"{root}/builddir/.m2/repository",
        props={"a": "b", "c": None}, profiles=["p", "q"], options=["-X"], goals=["test"],
    )  # fmt: skip


def test_a_build_runs_mvn_and_records_what_it_took(broot: BuildRoot, mock: FakeMock, session: FakeSession) -> None:
    build(broot)
    words = "--no-clean --chroot --unpriv --cwd /maven/build -- /usr/bin/mvn -C -X -Pp,q -Da=b -Dc test deploy"
    assert mock.calls[-1][2:] == words.split()
    [(_name, args, options)] = [call for call in session.calls if call[0] == "host.updateMavenBuildRootList"]
    info = {"group_id": "org.a", "artifact_id": "b", "version": "1.0"}
    file = {"path": "org/a/b/1.0", "filename": "b-1.0.jar", "size": 5}
    assert args == (16, 306, [{"maven_info": info, "files": [file]}])
    assert [found["maven_info"]["artifact_id"] for found in options.pop("ignore")] == ["c"]
    assert options == {"project": True, "ignore_unknown": False, "extra_deps": None}
    assert session.states() == ["BUILDING"]


def test_a_failed_build_is_recorded_and_told(broot: BuildRoot, mock: FakeMock, session: FakeSession) -> None:
    mock.does("sys.exit(1)")
    with pytest.raises(
        koji.BuildrootError, match="error building Maven package, mock exited with status 1; see root.log"
    ):
        build(broot)
    [options] = [call[2] for call in session.calls if call[0] == "host.updateMavenBuildRootList"]
    assert options["ignore_unknown"]
    assert session.states() == ["BUILDING", "EXPIRED"]


def test_a_link_in_the_repositorys_place_is_not_followed(broot: BuildRoot, tmp_path: Path) -> None:
    """What mvn runs owns the directory above it."""
    (tmp_path / "host/repository/org/a/1").mkdir(parents=True)
    (tmp_path / "host/repository/org/a/1/a-1.jar").touch()
    home = Path(broot.rootdir(), "builddir")
    home.mkdir(parents=True)
    assert broot.getMavenPackageList(f"{home}/.m2/repository") == []
    (home / ".m2").symlink_to(tmp_path / "host")
    with pytest.raises(koji.BuildrootError, match="can't be listed"):
        broot.getMavenPackageList(f"{home}/.m2/repository")


def test_a_file_where_no_artifact_lies_is_an_error(broot: BuildRoot, tmp_path: Path) -> None:
    (tmp_path / "repo/too").mkdir(parents=True)
    (tmp_path / "repo/too/high.jar").touch()
    with pytest.raises(koji.BuildrootError, match=r"too \(high.jar\)"):
        broot.getMavenPackageList(str(tmp_path / "repo"))


STOCK: dict[str, Any] = {
    "methods": "init mock build build_srpm rebuild_srpm rootdir resultdir tmpdir path_without_to_within getPackageList"
    " markExternalRPMs mapInternalRPMs getUploadPath expire _mockResult incremental_log single_log writeMavenSettings"
    " mavenBuild getMavenPackageList get_repo_dir repo_draft_rpms",
    "attributes": "id name logs workdir config repo_info repoid tag_id tag_name br_arch target_arch event_id task_id"
    " install_group setup_dns bind_opts maven_opts maven_envs deps internal_dev_setup mockcfg session options logger",
}


def test_every_name_of_the_stock_buildroot_is_there(broot: BuildRoot) -> None:
    assert [name for name in STOCK["methods"].split() if not callable(getattr(broot, name, None))] == []
    assert [name for name in STOCK["attributes"].split() if not hasattr(broot, name)] == []
    assert broot.get_repo_dir() == "/repos/demo-build/4"
    assert broot.repo_draft_rpms() == []
