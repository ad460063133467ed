"""Maven builds with the real mvn in the chroot: from the sources to the tag, chains, wrappers, what goes wrong."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import koji
import pytest

from kojid.sandbox import content, distro, maven
from kojid.sandbox.layout import BUILDER
from tests.support.sandbox import Daemon, Sandbox, kojid_command, wait_for
from tests.support.shopgit import GitShop

pytestmark = [pytest.mark.root, pytest.mark.e2e]
pytest.importorskip("Cheetah", reason="needs Cheetah (CT3), the extra wrapper")
ALLOWED = "127.0.0.1*:/shop/*:no:"

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>{name}</artifactId><version>{version}</version>
<properties><maven.compiler.source>8</maven.compiler.source><maven.compiler.target>8</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies>{dependencies}</dependencies></project>
"""
DEPENDENCY = "<dependency><groupId>org.example</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


def project(name: str, code: str, version: str = "1.0", **needs: str) -> Dict[str, str]:
    """The files of a project with one class, that needs others in these versions."""
    dependencies = "".join(DEPENDENCY.format(*need) for need in needs.items())
    return {
        "pom.xml": POM.format(name=name, version=version, dependencies=dependencies),
        f"src/main/java/org/example/{name.title()}.java": f"package org.example;\n{code}\n",
    }


@pytest.fixture(scope="module")
def store(shop: Sandbox) -> Iterator[GitShop]:
    with GitShop.serving(shop.layout.dir / "gitshop") as made:
        yield made


@pytest.fixture(scope="module")
def worker(shop: Sandbox) -> Daemon:
    """The builder."""
    return shop.daemon(BUILDER, allowed_scms=ALLOWED, buildroot_basic_cleanup_delay=86400).start()


@pytest.fixture(scope="module")
def mvn(shop: Sandbox, worker: Daemon) -> Sandbox:
    """The sandbox when its build tag can make Maven builds."""
    done = kojid_command("sandbox", "maven", "--dir", str(shop.layout.dir), timeout=600)
    if "missing Debian packages" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "regen-repo" in done.stdout
    shop.regenerate()
    return shop


PATCH = """--- a/src/main/java/org/example/Parser.java
+++ b/src/main/java/org/example/Parser.java
@@ -1,2 +1,2 @@
 package org.example;
-public class Parser { broken }
+public class Parser { public static String parse(String text) { return text.trim(); } }
"""
TEMPLATE = """\
Name: $name-wrapper
Version: $version
Release: $release
Summary: $maven_info['group_id']:$maven_info['artifact_id']:$maven_info['version']
License: LGPL-2.1-or-later
BuildArch: noarch
#for $number, $file in $enumerate($artifacts['.jar'])
Source$number: $file
#end for

%description
Wrapper of $name.

%install
install -D -m 0644 %{SOURCE0} %{buildroot}%{_datadir}/java/$artifacts['.jar'][0]

%files
%{_datadir}/java/*
"""


def archives(box: Sandbox, build: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    """The Maven archives of a build by name."""
    return {row["filename"]: row for row in box.admin.listArchives(buildID=build["id"], type="maven")}


def used(box: Sandbox, buildroot_id: int) -> Set[str]:
    """The artifacts that a buildroot has used, as the hub knows them."""
    return {row["artifact_id"] for row in box.admin.listArchives(componentBuildrootID=buildroot_id, type="maven")}


def test_patched_sources_become_archives_and_packages_in_the_tag(mvn: Sandbox, store: GitShop) -> None:
    content.add_packages(mvn.admin, content.DEST_TAG, ["org.example-parser"])
    url = store.put("parser", project("parser", "public class Parser { broken }"))
    patches = store.put("parser-patches", {"0001-mend.patch": PATCH, "README": "no patch"})
    wrapper = store.put("parser-wrapper", {"parser.spec.tmpl": TEMPLATE})

    options = ["--patches", patches, "--specfile", wrapper, "--goal", "validate", "-M", "--batch-mode"]
    settings = ["-D", "who=tester", "-D", "flag", "-E", "COLOUR=blue", "-J", "-Xmx512m", "-P", "nobody"]
    mvn.koji("maven-build", "--wait", *options, *settings, "-p", "zstd", content.TARGET, url, timeout=600)

    build = mvn.admin.getBuild("org.example-parser-1.0-1", strict=True)
    assert koji.BUILD_STATES[build["state"]] == "COMPLETE"
    assert build["nvr"] in {row["nvr"] for row in mvn.admin.listTagged(content.DEST_TAG, type="maven")}
    made = archives(mvn, build)
    names = ["parser-1.0.jar", "parser-1.0.pom", "parser-1.0-scm-sources.zip", "parser-1.0-patches.zip"]
    assert set(made) == set(names)
    (root,) = {row["buildroot_id"] for row in made.values()}
    assert {"maven-compiler-plugin", "maven-jar-plugin"} < used(mvn, root)
    top = Path(mvn.layout.paths.mavenbuild(build))
    jar = top / "org/example/parser/1.0/parser-1.0.jar"
    assert "org/example/Parser.class" in zipfile.ZipFile(jar).namelist()
    assert jar.with_name("parser-1.0.jar.sha1").exists() and (top / "org/example/parser/maven-metadata.xml").exists()
    with zipfile.ZipFile(jar.with_name("parser-1.0-scm-sources.zip")) as sources:
        assert b"broken" in sources.read("parser/src/main/java/org/example/Parser.java")
        assert not [name for name in sources.namelist() if ".git" in name]
    assert {f"{row['nvr']}.{row['arch']}" for row in mvn.admin.listBuildRPMs(build["id"])} == {
        "org.example-parser-wrapper-1.0-1.src",
        "org.example-parser-wrapper-1.0-1.noarch",
    }
    task = mvn.child(build["task_id"], "buildMaven")
    logs = {row["name"] for row in mvn.admin.getBuildLogs(build["id"]) if row["dir"] == "maven"}
    assert {"checkout.log", "patches.log", "root.log", "mock_output.log"} <= logs
    assert "patching file src/main/java/org/example/Parser.java" in mvn.log(task["id"], "patches.log")
    command = re.search(r"/usr/bin/mvn -C .*", mvn.log(task["id"], "mock_output.log") + mvn.log(task["id"], "root.log"))
    assert command is not None, mvn.log(task["id"], "root.log")[-3000:]
    for word in ("--batch-mode", "-Pnobody", "-Dwho=tester", "-Dflag", "validate"):
        assert word in command.group()
    assert re.search(
        rf"{build['nvr']} +{content.DEST_TAG} +org.example +parser",
        mvn.koji("list-tagged", "--type=maven", content.DEST_TAG).stdout,
    )
    assert "Maven support?: yes" in mvn.koji("taginfo", content.BUILD_TAG).stdout
    info = mvn.koji("buildinfo", build["nvr"]).stdout
    assert "Maven groupId: org.example" in info and "parser-1.0.jar" in info


def test_what_does_not_compile_fails_on_the_host_that_can_try(mvn: Sandbox, worker: Daemon, store: GitShop) -> None:
    """A host without mock gives the build to another."""
    url = store.put("wrong", project("wrong", "public class Wrong { int x = missing(); }"))
    lame = mvn.daemon("lame", allowed_scms=ALLOWED, mockpath="/nonexistent/mock").start()
    mvn.admin.addHostToChannel(lame.host, "maven")
    mvn.admin.removeHostFromChannel(worker.host, "maven")
    try:
        task = mvn.admin.mavenBuild(url, content.TARGET, {"scratch": True})
        child = wait_for(lambda: mvn.admin.getTaskChildren(task), 180, "the subtask")[0]["id"]
        wait_for(lambda: lame.lines(rf"Refusing task {child}"), 180, "the refusal")
    finally:
        mvn.admin.addHostToChannel(worker.host, "maven")
        mvn.admin.removeHostFromChannel(lame.host, "maven")
    fault = mvn.failed(task, 600)

    assert isinstance(fault, koji.BuildrootError)
    assert "error building Maven package, mock exited with status" in str(fault)
    assert "Wrong.java:[2," in str(fault) and "cannot find symbol" in str(fault)
    assert mvn.admin.getTaskInfo(child)["host_id"] == mvn.admin.getHost(worker.host)["id"]
    assert {koji.BR_STATES[root["state"]] for root in mvn.admin.listBuildroots(taskID=child)} == {"EXPIRED"}


def test_a_tag_whose_chroots_have_no_maven_is_named(mvn: Sandbox, store: GitShop) -> None:
    admin = mvn.admin
    content.add_tag(admin, "bare", arches=content.machine_arch(), extra={"mock.use_bootstrap": False})
    content.inherit(admin, "bare", [content.BOOTSTRAP])
    content.set_groups(admin, "bare", {maven.GROUP: distro.make(mvn.layout.distro).groups["srpm-build"]})
    admin.createBuildTarget("bare", "bare", content.DEST_TAG)
    url = store.put("homeless", project("homeless", "public class Homeless {}"))
    none = admin.mavenBuild(url, "bare", {"scratch": True})
    assert "no repo for tag bare" in str(mvn.failed(none))
    mvn.closed(admin.newRepo("bare"), 300)

    fault = mvn.failed(admin.mavenBuild(url, "bare", {"scratch": True}), 600)

    assert isinstance(fault, koji.BuildError)
    assert "/usr/bin/mvn was not found in the buildroot: the group maven-build of the tag bare" in str(fault)


def test_snapshots_are_for_scratch_builds(mvn: Sandbox, store: GitShop) -> None:
    url = store.put("early", project("early", "public class Early {}", "2.0-SNAPSHOT"))
    refused = mvn.admin.mavenBuild(url, content.TARGET, {})
    done = mvn.koji("maven-build", "--wait", "--scratch", content.TARGET, url, timeout=600)

    task = int(done.stdout.split("Created task: ")[1].split()[0])
    home = Path(mvn.layout.paths.scratch()) / "admin" / f"task_{task}"
    names = {path.name for path in home.rglob("*") if path.is_file()}
    assert "early-2.0-SNAPSHOT-scm-sources.zip" in names and "checkout.log" in names
    assert any(re.fullmatch(r"early-2\.0-\d{8}\.\d{6}-1\.jar", name) for name in names), names
    assert "-SNAPSHOT versions are only supported in scratch builds" in str(mvn.failed(refused, 300))
    assert mvn.admin.listBuilds(taskID=refused) == []


def test_a_chain_without_an_order_is_not_begun(mvn: Sandbox) -> None:
    url = "git://127.0.0.1:1/shop/none#HEAD"
    builds = {"a": {"scmurl": url, "buildrequires": ["b"]}, "b": {"scmurl": url, "buildrequires": ["a"]}}
    task = mvn.admin.chainMaven(builds, content.TARGET, {"scratch": True})
    assert "unable to run chain build, circular dependencies" in str(mvn.failed(task))
    unlisted = mvn.admin.chainMaven({"unlisted": {"scmurl": url}}, content.TARGET, {})
    assert f"package unlisted not in list for tag {content.DEST_TAG}" in str(mvn.failed(unlisted))
    assert mvn.admin.getTaskChildren(task) == mvn.admin.getTaskChildren(unlisted) == []


def test_a_chain_builds_what_needs_what_and_only_once(mvn: Sandbox, store: GitShop, tmp_path: Path) -> None:
    content.add_packages(mvn.admin, content.DEST_TAG, ["org.example-base", "org.example-top", "top-wrapper"])
    base = store.put("base", project("base", "public class Base {}"))
    top = store.put("top", project("top", "public class Top extends Base {}", base="1.0"))
    wrapper = store.put("top-wrapper", {"top.spec.tmpl": TEMPLATE.replace("$name-wrapper", "top-wrapper")})
    config = tmp_path / "chain.ini"
    config.write_text(
        f"[org.example-base]\nscmurl={base}\n[org.example-top]\nscmurl={top}\nbuildrequires=org.example-base\n"
        f"[top-wrapper]\ntype=wrapper\nscmurl={wrapper}\nbuildrequires=org.example-top\n"
    )

    def chain() -> List[str]:
        done = mvn.koji("maven-chain", "--wait", content.TARGET, str(config), timeout=900)
        result: List[str] = mvn.admin.getTaskResult(int(done.stdout.split("Created task: ")[1].split()[0]))
        return result

    assert chain() == [
        f"org.example-base-1.0-1 built from {base}",
        f"org.example-top-1.0-1 built from {top}",
        f"top-wrapper-1.0-1 built from {wrapper}",
    ]
    (root,) = {row["buildroot_id"] for row in archives(mvn, mvn.admin.getBuild("org.example-top-1.0-1")).values()}
    assert "base" in used(mvn, root)
    assert [line.split(" ", 1)[1].split(" from")[0] for line in chain()] == ["previously built"] * 3
