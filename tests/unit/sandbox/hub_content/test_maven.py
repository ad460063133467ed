"""Maven on the sandbox's hub: builds, repositories, and what buildroots have used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller

POM = "<project><groupId>org.example</groupId><artifactId>{}</artifactId><version>{}</version></project>"


def label(name: str, version: str) -> Dict[str, str]:
    return {"group_id": "org.example", "artifact_id": name, "version": version}


class Shelf:
    """Imports Maven builds: NAME-VERSION-RELEASE with a jar of its own."""

    def __init__(self, kernel: Kernel, admin: Caller) -> None:
        self.kernel, self.admin = kernel, admin

    def put(self, name: str, version: str, release: str = "1", tag: str = "demo", content: str = "jar") -> int:
        info = {"name": f"org.example-{name}", "version": version, "release": release, "epoch": None}
        self.admin("createMavenBuild", info, label(name, version))
        build: Dict[str, Any] = self.admin("getBuild", info)
        for suffix, text in ((".jar", content), (".pom", POM.format(name, version))):
            relative = f"cli-import/{build['nvr']}/{name}-{version}{suffix}"
            path = Path(self.kernel.settings.pathinfo.work(), relative)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            self.admin("importArchive", relative, build["nvr"], "maven", label(name, version))
        self.admin("packageListAdd", tag, info["name"], owner="admin")
        self.admin("tagBuildBypass", tag, build["nvr"])
        return int(build["id"])


@pytest.fixture
def shelf(kernel: Kernel, admin: Caller) -> Shelf:
    return Shelf(kernel, admin)


def artifacts(admin: Caller, tag: str = "demo-build") -> List[str]:
    found = admin("getLatestMavenArchives", tag)
    return sorted(f"{row['build_name']} {row['filename']}" for row in found if row["filename"].endswith(".jar"))


def test_the_version_tagged_last_counts_unless_the_tag_takes_all(admin: Caller, shelf: Shelf) -> None:
    shelf.put("a", "2")
    shelf.put("a", "1")
    assert artifacts(admin) == ["org.example-a a-1.jar"]
    admin("editTag2", "demo", maven_include_all=True)
    assert artifacts(admin) == ["org.example-a a-1.jar", "org.example-a a-2.jar"]
    assert artifacts(admin, "demo") == artifacts(admin)
    admin("packageListBlock", "demo-build", "org.example-a")
    assert artifacts(admin) == []


def test_one_version_comes_from_one_build(admin: Caller, shelf: Shelf) -> None:
    shelf.put("a", "1", "1")
    newer = shelf.put("a", "1", "2")
    assert {row["build_id"] for row in admin("getLatestMavenArchives", "demo")} == {newer}


def test_lists_tell_what_is_maven(admin: Caller, shelf: Shelf) -> None:
    build = shelf.put("a", "1")
    admin("createEmptyBuild", "other", "1", "1", None)
    named = {f"maven_{key}": value for key, value in label("a", "1").items()}
    for rows in (
        admin("listTagged", "demo", type="maven"),
        admin("listBuilds", type="maven"),
        admin("listBuilds", type="maven", typeInfo={"artifact_id": "a"}),
        admin("listTaggedArchives", "demo", type="maven")[0],
    ):
        assert {row["build_id"] for row in rows} == {build}
        assert named.items() <= rows[0].items()
    assert admin("listBuilds", type="maven", typeInfo={"version": "2"}) == []


def test_a_repo_comes_with_the_artifacts_where_the_tag_has_maven(
    kernel: Kernel, admin: Caller, builder: Caller, shelf: Shelf
) -> None:
    shelf.put("a", "1.9")
    shelf.put("a", "1.10")
    admin("editTag2", "demo", maven_include_all=True)
    plain = builder("host.repoInit", "demo-build")[0]
    admin("editTag2", "demo-build", maven_support=True)
    repo = builder("host.repoInit", "demo-build")[0]
    top = kernel.settings.topdir / "repos/demo-build"
    assert not (top / str(plain) / "maven").exists()
    home = top / str(repo) / "maven/org/example/a"
    assert (home / "1.9/a-1.9.jar").read_text() == "jar"
    assert (home / "1.9/a-1.9.jar.md5").exists() and (home / "maven-metadata.xml.sha1").exists()
    text = (home / "maven-metadata.xml").read_text()
    assert "<release>1.10</release>" in text
    assert text.index("<version>1.9</version>") < text.index("<version>1.10</version>")
    assert json.loads((top / str(repo) / "repo.json").read_text())["opts"]["maven"] is True


def test_a_repo_can_be_asked_to_have_them(kernel: Kernel, builder: Caller, shelf: Shelf) -> None:
    shelf.put("a", "1")
    repo = builder("host.repoInit", "demo-build", opts={"maven": True})[0]
    assert (kernel.settings.topdir / f"repos/demo-build/{repo}/maven/org/example/a/1/a-1.pom").exists()


def test_a_pom_has_to_be_called_what_it_is(shelf: Shelf) -> None:
    info = {"name": "org.example-b", "version": "1", "release": "1", "epoch": None}
    shelf.admin("createMavenBuild", info, label("b", "1"))
    path = Path(shelf.kernel.settings.pathinfo.work(), "cli-import/other.pom")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(POM.format("b", "1"))
    for version, text in (
        ("1", "can't be the name of the POM"),
        ("2", "is of org.example-b-1, not of org.example-b-2"),
    ):
        with pytest.raises(koji.BuildError, match=text):
            shelf.admin("importArchive", "cli-import/other.pom", "org.example-b-1-1", "maven", label("b", version))


# -- builds


@pytest.fixture
def results(
    kernel: Kernel, builder: Caller, open_task: Callable[..., int], put: Callable[..., str], tmp_path: Path
) -> Dict[str, Any]:
    """An open maven task, and what its buildMaven has made."""
    parent = open_task("maven", [])
    child = open_task("buildMaven", [], parent=parent)
    names = {
        "org/example/a/1/a-1.jar": "jar",
        "org/example/a/1/a-1.pom": POM.format("a", "1"),
        "root.log": "log",
        "org/example/a/maven-metadata.xml": "<x/>",
        "org/example/a/1/a-1.jar.sha1": "x",
        "a-1-sources.zip": "z",
    }
    for number, (name, text) in enumerate(names.items()):
        (tmp_path / str(number)).write_text(text)
        put(child, tmp_path / str(number), name)
    files = {
        "": ["a-1-sources.zip"],
        "org/example/a": ["maven-metadata.xml"],
        "org/example/a/1": ["a-1.jar", "a-1.pom", "a-1.jar.sha1"],
    }
    root = _root(builder, child)
    made = {"maven_info": label("a", "1"), "buildroot_id": root, "logs": ["root.log"], "files": files, "task_id": child}
    return {"parent": parent, "made": made}


def _root(builder: Caller, task: int) -> int:
    repo = builder("host.repoInit", "demo-build")[0]
    builder("host.repoDone", repo, {})
    root = int(builder("host.newBuildRoot", repo, "x86_64", task_id=task))
    builder("host.setBuildRootState", root, "BUILDING")
    return root


def _begin(builder: Caller, task: int) -> Dict[str, Any]:
    made: Dict[str, Any] = builder(
        "host.initMavenBuild", task, koji.maven_info_to_nvr(label("a", "1")), label("a", "1")
    )
    return made


def test_a_build_is_begun_and_taken_in(kernel: Kernel, admin: Caller, builder: Caller, results: Dict[str, Any]) -> None:
    build = _begin(builder, results["parent"])
    assert (build["release"], admin("getBuild", build["id"])["state"]) == ("1", koji.BUILD_STATES["BUILDING"])
    builder("host.completeMavenBuild", results["parent"], build["id"], results["made"], None)
    assert admin("getBuild", build["id"])["state"] == koji.BUILD_STATES["COMPLETE"]
    found = admin("listArchives", build["id"], type="maven")
    assert {row["filename"] for row in found} == {"a-1.jar", "a-1.pom", "a-1-sources.zip"}
    assert {row["buildroot_id"] for row in found} == {results["made"]["buildroot_id"]}
    home = kernel.settings.topdir / "packages/org.example-a/1/1"
    assert (home / "maven/org/example/a/1/a-1.jar.sha1").read_text() != "x"
    assert (home / "maven/org/example/a/maven-metadata.xml.md5").exists()
    assert (home / "data/logs/maven/root.log").read_text() == "log"
    assert _begin(builder, results["parent"])["release"] == "2"


def test_a_directory_with_two_poms_is_not_taken(builder: Caller, results: Dict[str, Any], admin: Caller) -> None:
    build = _begin(builder, results["parent"])
    results["made"]["files"]["org/example/a/1"].append("b-1.pom")
    with pytest.raises(koji.BuildError, match="multiple .pom files in org/example/a/1"):
        builder("host.completeMavenBuild", results["parent"], build["id"], results["made"], None)
    assert admin("getBuild", build["id"])["state"] == koji.BUILD_STATES["BUILDING"]


def test_scratch_builds_are_put_aside(kernel: Kernel, builder: Caller, results: Dict[str, Any]) -> None:
    builder("host.moveMavenBuildToScratch", results["parent"], results["made"], None)
    home = Path(kernel.settings.pathinfo.scratch(), "admin", f"task_{results['parent']}")
    assert (home / "org/example/a/1/a-1.jar").read_text() == "jar"
    assert (home / "root.log").exists() and (home / "a-1-sources.zip").exists()


# -- what buildroots have used


def entry(name: str, version: str, filename: str, size: int) -> Dict[str, Any]:
    path = f"org/example/{name}/{version}"
    return {"maven_info": label(name, version), "files": [{"path": path, "filename": filename, "size": size}]}


def test_artifacts_of_the_tag_are_recorded(
    admin: Caller, builder: Caller, shelf: Shelf, open_task: Callable[..., int]
) -> None:
    shelf.put("a", "1")
    task = open_task("buildMaven", [])
    root = _root(builder, task)
    used = [entry("a", "1", "a-1.jar", 3)]
    builder("host.updateMavenBuildRootList", root, task, used, ignore=[], project=True)
    builder("host.updateMavenBuildRootList", root, task, used, ignore=[], project=True)
    assert [row["filename"] for row in admin("listArchives", componentBuildrootID=root)] == ["a-1.jar"]


def test_what_nobody_knows_fails_the_build_unless_it_has_failed_or_made_it(
    admin: Caller, builder: Caller, shelf: Shelf, open_task: Callable[..., int]
) -> None:
    shelf.put("a", "1")
    task = open_task("buildMaven", [])
    root = _root(builder, task)
    for wrong in (entry("a", "1", "a-1.jar", 4), entry("b", "1", "b-1.jar", 3)):
        with pytest.raises(koji.BuildrootError, match=r"No such file in build environment: .*/1/[ab]-1.jar, size: "):
            builder("host.updateMavenBuildRootList", root, task, [wrong], ignore=[])
        builder("host.updateMavenBuildRootList", root, task, [wrong], ignore=[], ignore_unknown=True)
        builder("host.updateMavenBuildRootList", root, task, [wrong], ignore=[wrong])
    made = [entry("c", "1-SNAPSHOT", "c-1-20260101.010101-1.jar", 3)]
    builder("host.updateMavenBuildRootList", root, task, [entry("c", "1-SNAPSHOT", "c-1-SNAPSHOT.jar", 3)], ignore=made)
    assert admin("listArchives", componentBuildrootID=root) == []


def test_dependencies_count_too(
    admin: Caller, builder: Caller, shelf: Shelf, open_task: Callable[..., int], put: Callable[..., str], tmp_path: Path
) -> None:
    admin("createTag", "elsewhere")
    shelf.put("d", "1", tag="elsewhere")
    other, task = open_task("buildMaven", []), open_task("buildMaven", [])
    (tmp_path / "e.jar").write_text("12345")
    put(other, tmp_path / "e.jar", "org/example/e/1/e-1.jar")
    root = _root(builder, task)
    used = [entry("d", "1", "d-1.jar", 3), entry("e", "1", "e-1.jar", 5)]
    builder("host.updateMavenBuildRootList", root, task, used, extra_deps=[other, "org.example-d-1-1"])
    assert [row["filename"] for row in admin("listArchives", componentBuildrootID=root)] == ["d-1.jar"]


def test_tasks_are_asked_for(admin: Caller) -> None:
    task = admin("mavenBuild", "git://host/x#1", "demo", {"scratch": True})
    assert admin("getTaskInfo", task, request=True)["request"] == ["git://host/x#1", "demo", {"scratch": True}]
    chain = admin("getTaskInfo", admin("chainMaven", {"a": {}}, "demo"), request=True)
    assert (chain["method"], chain["request"]) == ("chainmaven", [{"a": {}}, "demo", None])
    assert admin("getChannel", chain["channel_id"])["name"] == "maven"
    for method, first in (("mavenBuild", 1), ("chainMaven", ["a"])):
        with pytest.raises(koji.ParameterError, match="Invalid type"):
            admin(method, first, "demo")
