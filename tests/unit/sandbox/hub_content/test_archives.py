"""Archives on the hub, and packages that are built around them."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any, Callable, Dict

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

NVR = {"name": "thing", "version": "1", "release": "2", "epoch": None}
MAVEN = {"group_id": "org.example", "artifact_id": "thing", "version": "1"}
POM = "<project><groupId>org.example</groupId><artifactId>thing</artifactId><version>1</version></project>"
Import = Callable[..., None]


@pytest.fixture
def take(kernel: Kernel, admin: Caller) -> Import:
    """Import a file of this name, with its name as content, as an archive of thing-1-2."""

    numbers = itertools.count()

    def make(name: str, btype: str, info: Dict[str, Any]) -> None:
        relative = f"cli-import/{next(numbers)}/{name}"
        path = Path(kernel.settings.pathinfo.work(), relative)
        path.parent.mkdir(parents=True)
        path.write_text(POM if name.endswith(".pom") else name)
        admin("importArchive", relative, "thing-1-2", btype, info)

    return make


def test_maven_archives_are_filed_and_listed(kernel: Kernel, admin: Caller, take: Import) -> None:
    admin("createMavenBuild", NVR, MAVEN)
    take("thing-1.jar", "maven", MAVEN)
    take("thing-1.pom", "maven", MAVEN)
    build = admin("getBuild", "thing-1-2")
    jar, pom = admin("listArchives", buildID=build["id"], type="maven")
    assert (jar["filename"], jar["type_name"], jar["size"]) == ("thing-1.jar", "jar", 11)
    assert jar["checksum"] == hashlib.sha256(b"thing-1.jar").hexdigest()
    assert {key: pom[key] for key in MAVEN} == MAVEN
    assert "group_id" not in admin("listArchives", build["id"])[0]
    home = kernel.settings.topdir / "packages/thing/1/2/maven/org/example/thing/1"
    assert (home / "thing-1.jar").read_text() == "thing-1.jar"
    assert admin("getArchive", jar["id"])["artifact_id"] == "thing"
    assert admin("getMavenBuild", "thing-1-2") == {"build_id": build["id"], **MAVEN}
    assert admin("getBuildType", build["id"]) == {"maven": {"build_id": build["id"], **MAVEN}}
    assert admin("listArchives", build["id"], typeInfo={"version": "9"}, type="maven") == []
    with pytest.raises(koji.GenericError, match="No archives found"):
        admin("listArchives", build["id"], type="win", strict=True)
    with pytest.raises(koji.GenericError, match="already exists"):
        take("thing-1.jar", "maven", MAVEN)


def test_windows_and_image_archives_say_what_they_are(kernel: Kernel, admin: Caller, take: Import) -> None:
    admin("createWinBuild", NVR, {"platform": "w10"})
    admin("createImageBuild", "thing-1-2")
    take("a.exe", "win", {"relpath": "/bin/x/", "platforms": ["i386", "x86_64"], "flags": ["fre"]})
    take("d.qcow2", "image", {"arch": "x86_64"})
    build = admin("getBuild", "thing-1-2")
    (win,) = admin("listArchives", buildID=build["id"], type="win")
    assert (win["relpath"], win["platforms"], win["flags"]) == ("bin/x", "i386 x86_64", "fre")
    (image,) = admin("listArchives", buildID=build["id"], type="image")
    assert (image["arch"], image["type_name"], image["btype_id"]) == ("x86_64", "qcow2", 4)
    home = kernel.settings.topdir / "packages/thing/1/2"
    assert (home / "win/bin/x/a.exe").is_file()
    assert (home / "images/d.qcow2").is_file()
    assert admin("getWinBuild", build["id"])["platform"] == "w10"
    assert admin("getImageBuild", build["id"]) == {"build_id": build["id"]}


def test_archives_of_tagged_builds(admin: Caller, take: Import) -> None:
    admin("createImageBuild", NVR)
    take("d.raw", "image", {"arch": "x86_64"})
    admin("packageListAdd", "demo", "thing", owner="admin")
    admin("tagBuildBypass", "demo", "thing-1-2")
    archives, builds = admin("listTaggedArchives", "demo", type="image")
    assert [row["filename"] for row in archives] == ["d.raw"]
    assert [row["nvr"] for row in builds] == ["thing-1-2"]


def test_what_is_no_archive_is_refused(admin: Caller, take: Import) -> None:
    admin("createImageBuild", NVR)
    for name, btype, info, told in (
        ("d.strange", "image", {"arch": "x86_64"}, "unsupported file extension"),
        ("d.raw", "image", {}, "without arch"),
        ("a.exe", "win", {"relpath": "", "platforms": ["i386"], "flags": []}, "does not have type win"),
        ("a.x", "sculpture", {}, "unsupported archive type"),
    ):
        with pytest.raises(koji.GenericError, match=told):
            take(name, btype, info)
    admin("createMavenBuild", "thing-1-2", MAVEN)
    with pytest.raises(koji.BuildError, match="group_id mismatch"):
        admin("createMavenBuild", "thing-1-2", {**MAVEN, "group_id": "other"})
    for method, info in (("createMavenBuild", {}), ("createWinBuild", {})):
        with pytest.raises(koji.GenericError, match="mandatory"):
            admin(method, "thing-1-2", info)
    with pytest.raises(koji.GenericError, match="mandatory 'epoch' key"):
        admin("createImageBuild", {"name": "x", "version": "1", "release": "1"})


def test_types_of_archives(admin: Caller) -> None:
    assert admin("getArchiveType", filename="a.tar.gz")["name"] == "tar"
    assert admin("getArchiveType", filename="vmlinuz")["name"] == "kernel-image"
    assert admin("getArchiveType", filename="boot.img")["name"] == "initramfs"
    assert admin("getArchiveType", filename="a.jar")["compression_type"] == "zip"
    assert admin("getArchiveType", filename="a.unheard") is None
    assert admin("getArchiveType", type_name="iso", strict=True) in admin("getArchiveTypes")
    with pytest.raises(koji.GenericError, match="No such archive type"):
        admin("getArchiveType", type_id=10**6, strict=True)


class TestWrappers:
    @pytest.fixture
    def task(self, admin: Caller, builder: Caller, take: Import) -> int:
        """A wrapperRPM task for thing-1-2, open on the builder."""
        admin("createImageBuild", NVR)
        take("d.raw", "image", {"arch": "x86_64"})
        host = builder("host.getHost")["id"]
        admin("addHostToChannel", host, "maven")
        task_id = admin(
            "wrapperRPM", "thing-1-2", "git://localhost/x#HEAD", "demo", opts={"repo_id": 7, "skip_tag": True}
        )
        assert builder("host.openTask", task_id)["id"] == task_id
        return int(task_id)

    def test_the_task_is_asked_for_as_a_hub_does(self, admin: Caller, task: int) -> None:
        info = admin("getTaskInfo", task, request=True)
        url, target, build, of_task, opts = info["request"]
        assert (info["method"], url, of_task, opts) == (
            "wrapperRPM",
            "git://localhost/x#HEAD",
            None,
            {"skip_tag": True},
        )
        assert (target["dest_tag_name"], build["nvr"]) == ("demo", "thing-1-2")
        assert admin("getChannel", info["channel_id"])["name"] == "maven"

    def test_the_packages_become_the_builds_own_once(
        self, kernel: Kernel, admin: Caller, builder: Caller, task: int, put: Any, tiny: TinyRpms, tmp_path: Path
    ) -> None:
        log = tmp_path / "tiny.spec"
        log.write_text("Name: tiny\n")
        for path in (tiny.srpm, tiny.noarch, log):
            put(task, path)
        results = {"buildroot_id": None, "srpm": tiny.srpm.name, "rpms": [tiny.noarch.name], "logs": [log.name]}
        builder("host.importWrapperRPMs", task, admin("getBuild", "thing-1-2")["id"], results)
        build = admin("getBuild", "thing-1-2")
        assert {row["name"] for row in admin("listBuildRPMs", build["id"])} == {"tiny", "tiny-data"}
        home = kernel.settings.topdir / "packages/thing/1/2"
        assert (home / "noarch" / tiny.noarch.name).is_file()
        assert (home / "data/logs/noarch/tiny.spec").is_file()
        with pytest.raises(koji.GenericError, match="have already been imported"):
            builder("host.importWrapperRPMs", task, build["id"], results)
        with pytest.raises(koji.PreBuildError, match="have already been built"):
            admin("wrapperRPM", "thing-1-2", "git://localhost/x#HEAD", "demo")
        assert admin("wrapperRPM", "thing-1-2", "git://localhost/x#HEAD", "demo", opts={"scratch": True})

    def test_a_build_that_is_not_complete_takes_none(
        self, admin: Caller, builder: Caller, task: int, open_task: Any
    ) -> None:
        other = open_task("build", ["tiny.src.rpm", "demo", {}])
        data = {"name": "tiny", "version": "1.0", "release": "1", "epoch": None, "task_id": other}
        build = builder("host.initBuild", data)
        with pytest.raises(koji.GenericError, match="build state is building, not complete"):
            builder("host.importWrapperRPMs", task, build, {})
