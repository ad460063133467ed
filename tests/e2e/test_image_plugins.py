"""Images by the plugins kiwi and dud: the real kiwi-ng, createrepo_c and xorrisofs in a chroot, the real client.

One sandbox serves both. Each build has an optional arch besides, for which there are no packages.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
import xml.etree.ElementTree
from pathlib import Path
from typing import Any, Dict, Iterator, List

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.hub import authority
from kojid.sandbox.layout import BUILDER
from tests.e2e.conftest import ALLOWED_SCMS
from tests.support import imageplugins
from tests.support.imageplugins import ARCH, BARE
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.shopgit import GitShop

pytestmark = [pytest.mark.root, pytest.mark.e2e]

LAME = "lame-images"
DESCRIPTION = """\
<?xml version="1.0" encoding="utf-8"?>
<image schemaversion="7.4" name="tiny">
  <description type="system">
    <author>A Packager</author><contact>packager@example.com</contact><specification>A small root</specification>
  </description>
  <profiles><profile name="small" description="Little in it"/></profiles>
  <preferences>
    <version>1.0.0</version>
    <packagemanager>dnf</packagemanager>
    <type image="tbz"/>
  </preferences>
  <repository type="rpm-md"><source path="https://elsewhere.example.com/repository"/></repository>
  <include from="this://parts/packages.xml"/>
</image>
"""
# What `make prep` writes: the description includes it, and would do so in vain before.
MAKEFILE = """\
prep:
\tsed s/PACKAGE/{package}/ parts/packages.in > parts/packages.xml
"""
PACKAGES = """\
<image schemaversion="7.4" name="tiny">
  <repository type="rpm-md"><source path="https://elsewhere.example.com/included"/></repository>
  <packages type="bootstrap"><package name="filesystem"/><package name="PACKAGE"/></packages>
</image>
"""


@pytest.fixture(scope="module")
def daemon(shop: Sandbox) -> Iterator[Daemon]:
    """The sandbox's builder, with the plugins."""
    made = imageplugins.furnish(shop, allowed_scms=ALLOWED_SCMS)
    content.add_packages(shop.admin, content.DEST_TAG, ["tiny-small", "driver"])
    yield made
    made.stop()


@pytest.fixture(scope="module")
def git(shop: Sandbox) -> Iterator[GitShop]:
    with GitShop.serving(shop.layout.dir / "gitshop") as served:
        yield served


def kiwi_sources(package: str, **more: str) -> Dict[str, str]:
    below = {
        "tiny.kiwi": DESCRIPTION,
        "Makefile": MAKEFILE.format(package=package),
        "parts/packages.in": PACKAGES,
        **more,
    }
    return {f"images/{name}": text for name, text in below.items()}


def created(output: str) -> int:
    """The task that the client has asked for."""
    found = re.search(r"Created task: (\d+)", output)
    assert found, output
    return int(found[1])


def build_of(shop: Sandbox, task: int, state: str) -> Dict[str, Any]:
    (row,) = shop.admin.listBuilds(taskID=task)
    assert koji.BUILD_STATES[row["state"]] == state
    return dict(shop.admin.getBuild(row["build_id"], strict=True))


def children(shop: Sandbox, task: int, method: str) -> Dict[str, Dict[str, Any]]:
    """The subtasks for each arch."""
    found = shop.admin.getTaskChildren(task, request=True)
    return {row["label"]: dict(row) for row in found if row["method"] == method}


def files_of(shop: Sandbox, build: Dict[str, Any]) -> Dict[str, Path]:
    """The build's archives by their names."""
    top = Path(shop.layout.paths.imagebuild(build))
    return {row["filename"]: top / row["filename"] for row in shop.admin.listArchives(buildID=build["id"])}


def components(shop: Sandbox, build: Dict[str, Any], name: str) -> List[str]:
    """What is in an archive, as the hub has it."""
    (row,) = (row for row in shop.admin.listArchives(buildID=build["id"]) if row["filename"] == name)
    return sorted(rpm["nvr"] for rpm in shop.admin.listRPMs(imageID=row["id"]))


@pytest.fixture(scope="module")
def kiwi_build(shop: Sandbox, daemon: Daemon, git: GitShop) -> Dict[str, Any]:
    """The finished build that the client asked for, with the task's id as `task_id`."""
    url = git.put("tiny", kiwi_sources("bash"))
    done = shop.koji(
        "kiwi-build", "--nowait", "--kiwi-profile=small", "--make-prep", f"--arch={ARCH}", f"--arch={BARE}",
        f"--can-fail={BARE}", "--repo-releasever=12", "--buildroot-repo", content.TARGET, url, "images/tiny.kiwi",
    )  # fmt: skip
    task = created(done.stdout)
    assert re.match(r"image build results in: \S+/tiny-small/1\.0\.0/1\b", shop.closed(task, 400))
    return build_of(shop, task, "COMPLETE")


@pytest.fixture(scope="module")
def disk_build(shop: Sandbox, daemon: Daemon, git: GitShop) -> Dict[str, Any]:
    """The finished build that the client asked for, with the task's id as `task_id`."""
    url = git.put("notes", {"README": "what this disk is for\n", "more/notes": "x\n"})
    done = shop.koji(
        "dud-build", "--nowait", "--alldeps", f"--scmurl={url}", f"--arch={ARCH}", f"--arch={BARE}",
        f"--can-fail={BARE}", content.TARGET, "driver", "2.0", "hostname", "sed",
    )  # fmt: skip
    task = created(done.stdout)
    assert re.match(r"image build results in: \S+/driver/2\.0/1\b", shop.closed(task, 400))
    return build_of(shop, task, "COMPLETE")


@pytest.fixture(scope="module")
def disk(shop: Sandbox, disk_build: Dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is on the disk, taken out of it."""
    top = tmp_path_factory.mktemp("disk") / "content"
    iso = files_of(shop, disk_build)[f"dd-driver-2.0-1.{ARCH}.iso"]
    command = ["xorriso", "-indev", str(iso), "-osirrox", "on", "-extract", "/", str(top)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert re.search(r"Volume id +: 'OEMDRV'", done.stdout + done.stderr)
    return top


class TestKiwi:
    def test_makes_a_root_of_the_build_tags_packages(self, shop: Sandbox, kiwi_build: Dict[str, Any]) -> None:
        assert kiwi_build["nvr"] == "tiny-small-1.0.0-1"
        assert [row["nvr"] for row in shop.admin.listTagged(content.DEST_TAG, package="tiny-small")] == [
            kiwi_build["nvr"]
        ]
        files = files_of(shop, kiwi_build)
        assert {name.split("1.0.0-1")[1] for name in files} == {
            ".tar.xz", ".tar.xz.sha256", ".packages", ".verified", ".changes.xz",
        }  # fmt: skip
        (archive,) = (path for name, path in files.items() if name.endswith(".tar.xz"))
        with tarfile.open(archive) as root:
            names = {name.lstrip("./") for name in root.getnames()}
        assert {"usr/bin/bash", "etc/passwd"} <= names
        assert not [name for name in names if name.startswith("usr/bin/kiwi")]

    def test_tells_the_hub_what_is_in_the_image(self, shop: Sandbox, kiwi_build: Dict[str, Any]) -> None:
        files = files_of(shop, kiwi_build)
        (name,) = (name for name in files if name.endswith(".packages"))
        rows = [line.split("|") for line in files[name].read_text().splitlines()]
        listed = sorted(f"{row[0]}-{row[2]}-{row[3]}" for row in rows)
        assert {"bash", "filesystem"} <= {row[0] for row in rows}
        assert components(shop, kiwi_build, name.replace(".packages", ".tar.xz")) == listed

    def test_shows_the_description_that_was_built(self, shop: Sandbox, kiwi_build: Dict[str, Any]) -> None:
        task = children(shop, kiwi_build["task_id"], "createKiwiImage")[ARCH]
        top = xml.etree.ElementTree.fromstring(shop.log(task["id"], f"tiny.{ARCH}.kiwi"))
        urls = [source.get("path") for source in top.iter("source")]
        repo = shop.admin.getRepo(content.BUILD_TAG)["id"]
        assert urls == [f"{shop.hub.urls().topurl}/repos/{content.BUILD_TAG}/{repo}/{ARCH}"]
        assert (top.get("name"), top.findtext("preferences/release-version")) == ("tiny-small", "12")
        assert [one.get("name") for one in top.iter("package")] == ["filesystem", "bash"]
        logs = {path.name for path in Path(shop.build_dir(kiwi_build), "data/logs/image", ARCH).iterdir()}
        assert {f"image-root.{ARCH}.log", f"kiwi-result-bundle.{ARCH}.log", f"checkout-{ARCH}.log"} <= logs

    def test_an_optional_arch_may_fail(self, shop: Sandbox, kiwi_build: Dict[str, Any]) -> None:
        made = children(shop, kiwi_build["task_id"], "createKiwiImage")
        assert {arch: koji.TASK_STATES[row["state"]] for arch, row in made.items()} == {ARCH: "CLOSED", BARE: "FAILED"}
        roots = [root for row in made.values() for root in shop.admin.listBuildroots(taskID=row["id"])]
        assert {koji.BR_STATES[root["state"]] for root in roots} == {"EXPIRED"}

    def test_a_package_that_is_not_there_is_quoted_from_kiwis_log(
        self, shop: Sandbox, daemon: Daemon, git: GitShop
    ) -> None:
        url = git.put("lacking", kiwi_sources("no-such-package-at-all"))
        done = shop.koji(
            "kiwi-build", "--nowait", "--make-prep", "--kiwi-profile=small", "--release=7", f"--arch={ARCH}",
            content.TARGET, url, "images/tiny.kiwi",
        )  # fmt: skip
        fault = str(shop.failed(task := created(done.stdout), 400))
        assert f"see image-root.{ARCH}.log" in fault and "no-such-package-at-all" in fault
        assert build_of(shop, task, "FAILED")["release"] == "7"

    def test_a_description_that_is_wrong_is_the_sources_fault(
        self, shop: Sandbox, daemon: Daemon, git: GitShop
    ) -> None:
        url = git.put("wrong", {"a.kiwi": "<image", "b.kiwi": "<image name='b'/>", "d.kiwi": "-> /x"})
        ask = shop.admin.kiwiBuild
        asked = {
            name: ask(content.TARGET, [ARCH], url, path, scratch=True, profile=None)
            for name, path in {
                "can't be parsed as XML": "a.kiwi",
                "doesn't contain preferences/version": "b.kiwi",
                "can't be used": "d.kiwi",
                "can't be read: No such file": "e.kiwi",
                "does not name a file": "../../x.kiwi",
            }.items()
        }
        for words, task in asked.items():
            assert words in str(shop.failed(task)), words

    def test_needs_the_permission(self, shop: Sandbox, git: GitShop) -> None:
        shop.admin.createUser("visitor")
        authority.ensure(shop.layout.ca_dir, "visitor")
        with shop.session("visitor") as session, pytest.raises(koji.ActionNotAllowed):
            session.kiwiBuild(content.TARGET, [ARCH], "git://127.0.0.1/shop/tiny#HEAD", "tiny.kiwi")


class TestDriverDisks:
    def test_holds_the_packages_as_a_repository(self, shop: Sandbox, disk_build: Dict[str, Any], disk: Path) -> None:
        assert [row["nvr"] for row in shop.admin.listTagged(content.DEST_TAG, package="driver")] == [disk_build["nvr"]]
        assert (disk / "rhdd3").read_bytes() == b"Driver Update Disk version 3"
        assert (disk / "src").is_dir()
        rpms = sorted((disk / "rpms" / ARCH).glob("*.rpm"))
        names = {path.name.rsplit("-", 2)[0] for path in rpms}
        assert {"hostname", "sed", "libc6"} <= names
        query = ["dnf", "-q", "--setopt=reposdir=/nonexistent", f"--setopt=cachedir={disk.parent}/cache"]
        query += [f"--repofrompath=disk,{disk}/rpms/{ARCH}", "--repo=disk", "repoquery", "--qf", "%{name}"]
        found = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split()
        assert set(found) == names

    def test_tells_the_hub_what_is_on_the_disk(self, shop: Sandbox, disk_build: Dict[str, Any], disk: Path) -> None:
        on_it = sorted(path.name.rsplit(".", 2)[0] for path in (disk / "rpms" / ARCH).glob("*.rpm"))
        assert components(shop, disk_build, f"dd-driver-2.0-1.{ARCH}.iso") == on_it

    def test_holds_the_sources_without_their_history(self, disk: Path) -> None:
        assert (disk / "notes" / "README").read_text() == "what this disk is for\n"
        assert (disk / "notes" / "more" / "notes").is_file() and not (disk / "notes" / ".git").exists()

    def test_an_optional_arch_may_fail(self, shop: Sandbox, disk_build: Dict[str, Any]) -> None:
        made = children(shop, disk_build["task_id"], "createDudIso")
        assert {arch: koji.TASK_STATES[row["state"]] for arch, row in made.items()} == {ARCH: "CLOSED", BARE: "FAILED"}

    def test_a_package_that_is_not_there_is_named(self, shop: Sandbox, daemon: Daemon) -> None:
        done = shop.koji(
            "dud-build", "--nowait", "--scratch", f"--arch={ARCH}", content.TARGET, "driver", "2.1", "hostname",
            "no-such-package-at-all",
        )  # fmt: skip
        fault = str(shop.failed(created(done.stdout), 400))
        assert "while getting the involved rpm 'no-such-package-at-all'" in fault
        assert "No package no-such-package-at-all available" in fault

    def test_a_request_that_makes_no_sense_is_the_askers_fault(self, shop: Sandbox, daemon: Daemon) -> None:
        ask = shop.admin.dudBuild
        asked = {
            "may not have a hyphen": ask("driver", "2-0", [ARCH], content.TARGET, ["sed"]),
            "needs a list of packages": ask("driver", "2.0", [ARCH], content.TARGET, []),
            "no package can be named": ask("driver", "2.0", [ARCH], content.TARGET, ["--url"]),
            "Invalid arch for build tag": ask("driver", "2.0", ["s390x"], content.TARGET, ["sed"]),
        }
        for words, task in asked.items():
            assert words in str(shop.failed(task)), words


def test_a_host_that_can_not_do_it_gives_the_task_to_another(shop: Sandbox, daemon: Daemon, git: GitShop) -> None:
    """A host that can't fetch sources refuses kiwiBuild, one without mock the tasks that need a chroot."""
    target = shop.admin.getBuildTarget(content.TARGET, strict=True)
    common = [target, target["build_tag"], shop.admin.getRepo(content.BUILD_TAG)]
    url = git.put("moved", kiwi_sources("bash"))
    lame = shop.daemon(
        LAME, plugin="kiwi dud", allowed_scms=ALLOWED_SCMS, mockpath="/nonexistent/mock", scm_user="no-such-user"
    ).start()
    try:
        tasks = [
            shop.task("kiwiBuild", content.TARGET, [ARCH], url, "nothing.kiwi", {"scratch": True}, channel=LAME),
            shop.task("createDudIso", "driver", "3.0", "1", ARCH, *common, ["sed"], {"scratch": True}, channel=LAME),
            shop.task("createKiwiImage", "tiny", "1", "1", ARCH, *common, url, "nothing.kiwi", {}, channel=LAME),
        ]
        for task in tasks:
            wait_for(lambda task=task: lame.lines(rf"Refusing task {task}"), 120, f"{task}: {lame.log[-3000:]}")
        shop.admin.addHostToChannel(BUILDER, LAME)
        done = shop.closed(tasks[1], 400)
        assert done["files"] == [f"dd-driver-3.0-1.{ARCH}.iso"] and done["rpmlist"] == []
        for task in (tasks[0], tasks[2]):  # what is wrong with them, the other host finds
            assert "nothing.kiwi can't be read" in str(shop.failed(task, 400))
        hosts = {shop.admin.getTaskInfo(task)["host_id"] for task in tasks}
        assert hosts == {shop.admin.getHost(BUILDER)["id"]}
    finally:
        shop.admin.removeHostFromChannel(BUILDER, LAME)
        lame.stop()
