from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Type

import koji
import pytest

from kojid.tasks.srpm import RebuildSRPM
from tests.support.faketask import HOST, REPO, TAG, FakeBuildRoot, ScriptedSession, make_handler, sequence

UPLOADED = "cli-build/1.e2e/hello-1.0-1.src.rpm"


def hub(**more: Any) -> ScriptedSession:
    answers = {"repoInfo": REPO, "getTag": TAG, "host.getHost": HOST, "getBuildConfig": TAG}
    return ScriptedSession(answers, **more)


@pytest.fixture(autouse=True)
def volume(options: Any, packages: Dict[str, Path]) -> Path:
    path = Path(options.topdir, "work", UPLOADED)
    path.parent.mkdir(parents=True)
    path.write_bytes(packages["hello-1.0-1.src.rpm"].read_bytes())
    return path


@pytest.fixture(autouse=True)
def _results(broots: Type[FakeBuildRoot], packages: Dict[str, Path]) -> None:
    broots.rpms["hello-1.0-1.src.rpm"] = packages["hello-1.0-1.src.rpm"]


def run(session: ScriptedSession, options: Any, **opts: Any) -> Any:
    params = [UPLOADED, 2, opts or {"repo_id": 4, "scratch": None}]
    handler = make_handler(RebuildSRPM, "rebuildSRPM", params, session, options, task_id=306)
    handler.taskinfo = {"arch": "noarch"}
    return handler.run()


def test_a_package_is_made_anew(options: Any, broots: Type[FakeBuildRoot], packages: Dict[str, Path]) -> None:
    session = hub()
    assert run(session, options) == {
        "srpm": "tasks/306/306/hello-1.0-1.src.rpm",
        "logs": ["tasks/306/306/build.log", "tasks/306/306/root.log"],
        "brootid": 16,
        "source": {"source": "hello-1.0-1.src.rpm", "url": "hello-1.0-1.src.rpm"},
    }
    content = packages["hello-1.0-1.src.rpm"].read_bytes()
    assert session.uploads == {"tasks/306/306/hello-1.0-1.src.rpm": content}
    (broot,) = broots.made
    assert broot.more == {"repo_id": 4, "install_group": "srpm-build"}
    assert broot.calls == [("init",), ("rebuild_srpm", "/chroot_tmpdir/srpm/hello-1.0-1.src.rpm")]
    inside = Path(broot.rootdir(), "chroot_tmpdir/srpm/hello-1.0-1.src.rpm")
    assert inside.read_bytes() == content
    assert broot.expired == 1


def test_the_hub_is_asked_as_recorded(options: Any, broots: Any) -> None:
    session = hub()
    run(session, options)
    recorded = sequence("rebuildSRPM")
    assert session.names == recorded[: recorded.index("getBuildConfig") + 1]
    assert session.arguments("getTag") == [((2,), {"strict": True, "event": 186})]


def test_the_input_is_put_into_the_chroot_through_no_link(
    options: Any, broots: Type[FakeBuildRoot], tmp_path: Path
) -> None:
    outside = tmp_path / "host"
    outside.mkdir()
    original = FakeBuildRoot.init

    def init(self: FakeBuildRoot) -> None:
        original(self)
        os.symlink(outside, Path(self.rootdir(), "chroot_tmpdir"))

    broots.init = init  # type: ignore[method-assign]
    with pytest.raises(koji.BuildrootError, match="can't be made in the buildroot"):
        run(hub(), options)
    assert list(outside.iterdir()) == []
    assert broots.made[0].expired == 1


class TestWhatFails:
    def test_no_repository(self, options: Any) -> None:
        with pytest.raises(koji.BuildError, match="A repo id must be provided"):
            run(hub(), options, scratch=True)

    def test_a_broken_package_is_told_before_a_buildroot_is_made(
        self, options: Any, broots: Type[FakeBuildRoot], volume: Path
    ) -> None:
        volume.write_bytes(b"not a package")
        with pytest.raises(koji.BuildError, match=r"hello-1\.0-1\.src\.rpm is not an rpm package or is damaged"):
            run(hub(), options)
        assert broots.made == []

    def test_a_binary_package(self, options: Any, volume: Path, packages: Dict[str, Path]) -> None:
        volume.write_bytes(packages["hello-data-1.0-1.noarch.rpm"].read_bytes())
        with pytest.raises(koji.BuildError, match="is not a source package"):
            run(hub(), options)

    def test_nothing_came_out(self, options: Any, broots: Type[FakeBuildRoot]) -> None:
        broots.rpms.clear()
        with pytest.raises(koji.BuildError, match="No srpms found in .*/result"):
            run(hub(), options)
        assert broots.made[0].expired == 1

    def test_too_much_came_out(self, options: Any, broots: Type[FakeBuildRoot]) -> None:
        broots.rpms["b.src.rpm"] = broots.rpms["hello-1.0-1.src.rpm"]
        with pytest.raises(koji.BuildError, match=r"Multiple srpms found in .*: b\.src\.rpm, hello"):
            run(hub(), options)

    def test_a_name_that_is_not_the_headers(self, options: Any, broots: Type[FakeBuildRoot]) -> None:
        broots.rpms["renamed-1.0-1.src.rpm"] = broots.rpms.pop("hello-1.0-1.src.rpm")
        with pytest.raises(koji.BuildError, match=r"srpm name mismatch: hello-1\.0-1\.src\.rpm != renamed"):
            run(hub(), options)
