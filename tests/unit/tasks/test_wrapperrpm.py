from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Type

import koji
import pytest
from koji.tasks import RefuseTask

from kojid.buildroot.buildroot import BuildRoot
from kojid.errors import HostFault
from kojid.sources import templates
from kojid.system.files import UnsafeFile
from kojid.tasks import chroots, spectemplate, wrapperrpm
from kojid.tasks.wrapperrpm import WrapperRPMTask
from tests.support.faketask import HOST, REPO, TAG, TARGET, TASK, FakeBuildRoot, ScriptedSession, Subtasks, make_handler

URL = "git://localhost/wrapper#HEAD"
SOURCE = {"source": "git://localhost/wrapper#0123", "url": URL}
BUILD = {
    "id": 7, "name": "image", "package_name": "image", "version": "1", "release": "2", "epoch": None,
    "state": koji.BUILD_STATES["COMPLETE"], "volume_name": "DEFAULT", "draft": False,
}  # fmt: skip
ARTIFACT = "packages/image/1/2/images/disk.raw"
BELOW = "tasks/305/305"


class Broot(FakeBuildRoot):
    """A buildroot whose source package is left by build_srpm, and all packages by build."""

    srpm: ClassVar[Dict[str, Path]] = {}

    def make_tmpdir(self, name: str = "") -> str:
        path = Path(self.tmpdir(), name)
        path.mkdir(parents=True)
        return str(path)

    def path_without_to_within(self, path: str) -> str:
        return "/" + os.path.relpath(path, self.rootdir())

    def build_srpm(self, spec: str, sourcedir: str, source_cmd: Any) -> None:
        beside = sorted(path.name for path in Path(sourcedir).iterdir())
        self._call("build_srpm", Path(spec).name, beside, source_cmd)
        for name, path in self.srpm.items():
            Path(self.resultdir(), name).write_bytes(path.read_bytes())

    def build(self, srpm: str, arch: Any = None) -> None:
        assert not list(Path(self.resultdir()).glob("*.rpm"))
        super().build(srpm, arch)


class Scm:
    """A source that is checked out as two files."""

    def get_source(self) -> Dict[str, str]:
        return SOURCE


@pytest.fixture
def broots(monkeypatch: pytest.MonkeyPatch, packages: Dict[str, Path]) -> Type[Broot]:
    class Fresh(Broot):
        made: ClassVar[List[FakeBuildRoot]] = []
        fail: ClassVar[Dict[str, BaseException]] = {}
        srpm: ClassVar[Dict[str, Path]] = {name: path for name, path in packages.items() if name.endswith("src.rpm")}
        rpms: ClassVar[Dict[str, Path]] = {name: path for name, path in packages.items() if "data" in name}

    Fresh.rpms.update(Fresh.srpm)
    monkeypatch.setattr(chroots, "BuildRoot", Fresh)
    monkeypatch.setattr(wrapperrpm, "allowed_source", lambda handler, url, scratch=None: Scm())
    monkeypatch.setattr(wrapperrpm, "give_to_mock", lambda scmdir, options: None)

    def check_out(handler: Any, scm: Any, scmdir: str, **more: Any) -> str:
        checkout = Path(scmdir, "wrapper")
        (checkout / "spec").mkdir(parents=True)
        (checkout / "spec" / "hello.spec.tmpl").write_text("Name: $name")
        (checkout / "spec" / "hello.spec").symlink_to("/etc/passwd")
        return str(checkout)

    monkeypatch.setattr(wrapperrpm, "check_out", check_out)
    monkeypatch.setattr(templates, "is_available", lambda: True)
    monkeypatch.setattr(templates, "render", lambda text, values, directory: text.replace("$name", values["name"]))
    return Fresh


class Hub(ScriptedSession):
    def __init__(self, **more: Any) -> None:
        self.subtasks = Subtasks({"tag": None})
        answers = {
            "getTaskInfo": TASK,
            "getMavenBuild": None,
            "getWinBuild": None,
            "getImageBuild": {"build_id": 7},
            "listArchives": [{"filename": "disk.raw", "arch": "x86_64"}],
            "getTag": TAG,
            "repo.request": {"repo": REPO, "request": None, "duplicate": False},
            "repoInfo": REPO,
            "getBuildConfig": TAG,
            "host.getHost": HOST,
            "getPackageConfig": {"blocked": False, "extra_arches": None},
            "host.initBuild": 9,
            "host.completeBuild": {"id": 9},
            "host.failBuild": None,
            "host.importWrapperRPMs": None,
            "host.moveBuildToScratch": None,
        }
        super().__init__({**answers, **self.subtasks.answers()}, **more)


def run(hub: Hub, options: Any, *, build: Any = BUILD, task: Any = None, **opts: Any) -> Any:
    target = Path(options.topdir, ARTIFACT)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("raw")
    handler = make_handler(WrapperRPMTask, "wrapperRPM", [URL, TARGET, build, task, opts], hub, options)
    return handler.run()


def expected(**more: Any) -> Dict[str, Any]:
    return {
        "buildroot_id": 16,
        "srpm": "hello-1.0-1.src.rpm",
        "rpms": ["hello-data-1.0-1.noarch.rpm"],
        "logs": ["checkout.log", "hello.spec", "build.log", "root.log"],
        "source": SOURCE,
        **more,
    }


def test_packages_are_added_to_the_build_that_they_wrap(options: Any, broots: Type[Broot]) -> None:
    hub = Hub()
    assert run(hub, options) == expected()
    assert hub.arguments("host.importWrapperRPMs") == [((305, 7, expected()), {})]
    (broot,) = broots.made
    assert broot.more == {"repo_id": 4, "install_group": "wrapper-rpm-build"}
    steps = [call[:3] for call in broot.calls]
    assert steps[:2] == [("init",), ("build_srpm", "hello.spec", ["disk.raw", "hello.spec", "hello.spec.tmpl"])]
    assert broot.expired == 1
    assert hub.uploads[f"{BELOW}/hello.spec"] == b"Name: image"
    assert {f"{BELOW}/hello-1.0-1.src.rpm", f"{BELOW}/hello-data-1.0-1.noarch.rpm"} <= set(hub.uploads)


def test_packages_of_a_build_of_their_own_are_completed_and_tagged(options: Any, broots: Type[Broot]) -> None:
    hub = Hub(listBuilds=[])
    result = run(hub, options, create_build=True, draft=True, custom_user_metadata={"a": 1})
    assert result == expected(custom_user_metadata={"a": 1})
    data = hub.arguments("host.initBuild")[0][0][0]
    assert data == {
        "name": "hello", "version": "1.0", "release": "1", "epoch": None, "task_id": 305, "draft": True,
        "source": SOURCE["source"], "extra": {"source": {"original_url": URL}, "custom_user_metadata": {"a": 1}},
    }  # fmt: skip
    srpm, rpm = f"{BELOW}/hello-1.0-1.src.rpm", f"{BELOW}/hello-data-1.0-1.noarch.rpm"
    logs = {"noarch": [f"{BELOW}/{name}" for name in expected()["logs"]]}
    assert hub.arguments("host.completeBuild") == [((305, 9, srpm, [rpm], {srpm: 16, rpm: 16}), {"logs": logs})]
    assert [one["arglist"] for one in hub.subtasks.spawned] == [[1, 9, False, None, True]]
    assert "host.importWrapperRPMs" not in hub.names


def test_a_second_run_after_the_import_goes_on_to_tagging(options: Any, broots: Type[Broot]) -> None:
    hub = Hub(
        host_initBuild=koji.GenericError("Build already exists"),
        listBuilds=[{"build_id": 8, "state": koji.BUILD_STATES["COMPLETE"]}],
        listRPMs=[{"nvr": "hello-1.0-1", "arch": "src"}, {"nvr": "hello-data-1.0-1", "arch": "noarch"}],
    )
    assert run(hub, options, create_build=True) == expected()
    assert "host.completeBuild" not in hub.names
    assert [one["arglist"][1] for one in hub.subtasks.spawned] == [8]


def test_scratch_packages_are_put_aside(options: Any, broots: Type[Broot]) -> None:
    hub = Hub()
    run(hub, options, scratch=True, create_build=True)
    assert "host.moveBuildToScratch" in hub.names
    assert not {"host.initBuild", "host.completeBuild", "host.importWrapperRPMs"} & set(hub.names)


def test_a_parent_takes_the_packages_itself(options: Any, broots: Type[Broot]) -> None:
    task = {"id": 304, "method": "createImage", "arch": "x86_64", "request": []}
    hub = Hub(listTaskOutput={"disk.raw": ["DEFAULT"]})
    output = Path(options.topdir, "work/tasks/304/304/disk.raw")
    output.parent.mkdir(parents=True)
    output.write_text("raw")
    assert run(hub, options, task=task, repo_id=4) == expected()
    assert "repo.request" not in hub.names
    assert not [name for name in hub.names if name.startswith(("host.import", "host.complete", "host.move"))]


@pytest.mark.parametrize("step", ["build", "take"])
def test_what_fails_after_the_source_package_is_told_and_fails_the_build(
    options: Any, broots: Type[Broot], step: str
) -> None:
    """The stock daemon swallows this where it makes no build, and says "no srpm found"."""
    if step == "build":
        broots.fail["build"] = koji.BuildError("it did not compile")
    else:
        del broots.rpms["hello-data-1.0-1.noarch.rpm"]
    told = "it did not compile" if step == "build" else "no rpms found"
    for opts, fails in (({}, []), ({"create_build": True}, [((305, 9), {})])):
        hub = Hub()
        with pytest.raises(koji.BuildError, match=told):
            run(hub, options, **opts)
        assert hub.arguments("host.failBuild") == fails
        (broot,) = broots.made
        assert broot.expired == 1
        broots.made.clear()
        shutil.rmtree(options.mockdir)


def test_a_package_that_the_tag_does_not_take(options: Any, broots: Type[Broot]) -> None:
    hub = Hub(getPackageConfig=None)
    with pytest.raises(koji.BuildError, match="package hello not in list for tag demo"):
        run(hub, options, create_build=True)
    assert "host.initBuild" not in hub.names


def test_a_second_run_finds_what_the_first_has_imported(options: Any, broots: Type[Broot]) -> None:
    hub = Hub(
        host_importWrapperRPMs=koji.GenericError("wrapper rpms for image-1-2 have already been imported"),
        listRPMs=[{"buildroot_id": 15}, {"buildroot_id": None}],
        getBuildroot={"task_id": 305},
    )
    assert run(hub, options) == expected()


def test_packages_of_another_task_are_in_the_way(options: Any, broots: Type[Broot]) -> None:
    hub = Hub(
        host_importWrapperRPMs=koji.GenericError("already been imported"),
        listRPMs=[{"buildroot_id": 15}],
        getBuildroot={"task_id": 299},
    )
    with pytest.raises(koji.GenericError, match="already been imported"):
        run(hub, options)


def test_metadata_that_is_none_is_refused_before_anything_is_built(options: Any, broots: Type[Broot]) -> None:
    with pytest.raises(koji.BuildError, match="custom_user_metadata"):
        run(Hub(), options, create_build=True, custom_user_metadata=["x"])
    assert broots.made == []


def test_a_host_without_cheetah_refuses(options: Any, broots: Type[Broot], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "is_available", lambda: False)
    hub = Hub()
    with pytest.raises(RefuseTask, match=r"needs the Python package Cheetah \(CT3\)"):
        run(hub, options)
    assert hub.names == []


@pytest.mark.parametrize(("arches", "suits"), [("x86_64", True), ("s390x", False)])
def test_a_host_suits_if_it_has_an_arch_of_the_build_tag(options: Any, arches: str, suits: bool) -> None:
    handler = make_handler(WrapperRPMTask, "wrapperRPM", [URL, TARGET, BUILD, None], Hub(), options)
    assert handler.checkHost({**HOST, "arches": arches}) is suits
    assert make_handler(WrapperRPMTask, "wrapperRPM", [URL], Hub(), options).checkHost(HOST)


def test_the_buildroot_has_what_the_task_needs() -> None:
    assert {"make_tmpdir", "path_without_to_within", "build_srpm", "build", "results"} <= set(dir(BuildRoot))


class TestTheTemplate:
    def test_of_several_directories_the_last_counts(self, tmp_path: Path) -> None:
        for name in ("b.spec.tmpl", "a.spec.tmpl", "x/c.spec.tmpl", "x/y.spec"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        assert spectemplate.find(str(tmp_path), URL) == "x/c.spec.tmpl"
        (tmp_path / "x/c.spec.tmpl").unlink()
        assert spectemplate.find(str(tmp_path), URL) == "a.spec.tmpl"

    def test_none_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(koji.BuildError, match="no spec file template found at URL: git:"):
            spectemplate.find(str(tmp_path), URL)

    def test_files_of_one_name_keep_apart_and_links_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("content")
        directory = tmp_path / "spec"
        directory.mkdir()
        (directory / "b.jar").symlink_to(tmp_path / "planted")
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            for relative in ("a/b.jar", "c/d.jar"):
                spectemplate.put_beside(descriptor, [(str(tmp_path / "file"), relative)])
            with pytest.raises(koji.BuildError, match=r"a/b\.jar has no name of its own"):
                spectemplate.put_beside(descriptor, [(str(tmp_path / "file"), "a/b.jar")])
            with pytest.raises(HostFault, match="can't be put into the buildroot"):
                spectemplate.put_beside(descriptor, [(str(tmp_path / "gone"), "a/c.jar")])
        finally:
            os.close(descriptor)
        assert sorted(path.name for path in directory.iterdir()) == ["a-b.jar", "b.jar", "d.jar"]
        assert not (tmp_path / "planted").exists()

    @pytest.mark.parametrize("kind", ["link", "directory", "other bytes", "vendor"])
    def test_what_is_none_is_refused(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(templates, "render", lambda text, values, directory: text)
        path = tmp_path / "a.spec.tmpl"
        if kind == "link":
            path.symlink_to("/etc/passwd")
        elif kind == "directory":
            path.mkdir()
        else:
            path.write_bytes(b"\xff\xfe" if kind == "other bytes" else b"Name: x\nVendor: Me\n")
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            with pytest.raises((koji.BuildError, UnsafeFile)):
                spectemplate.fill(descriptor, path.name, {})
        finally:
            os.close(descriptor)
