"""Draft builds on the hub: several of one name, and the one that becomes the regular build."""

from __future__ import annotations

from typing import Any, Callable, Dict

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from kojid.sandbox.hub.settings import HostSetting
from tests.support import sandboxhub
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

pytest.importorskip("rpm", reason="rpm's Python bindings are not on this machine")

Make = Callable[..., int]
Put = Callable[..., str]


@pytest.fixture
def draft(builder: Caller, open_task: Make, put: Put, tiny: TinyRpms) -> Callable[[], Dict[str, Any]]:
    """Build a draft of tiny; the build."""

    def make() -> Dict[str, Any]:
        task = open_task("build", ["tiny.src.rpm", "demo", {"draft": True}])
        data = {"name": "tiny", "version": "1.0", "release": "1", "epoch": None, "task_id": task, "draft": True}
        build = builder("host.initBuild", data)
        srpm, *rpms = [put(task, path) for path in (tiny.srpm, *tiny.rpms)]
        return dict(builder("host.completeBuild", task, build, srpm, rpms, {}, {}))

    return make


def test_drafts_of_one_name_stand_side_by_side_and_one_is_promoted(
    kernel: Kernel, admin: Caller, builder: Caller, open_task: Make, draft: Any, tiny: TinyRpms
) -> None:
    first, second = draft(), draft()
    assert first["nvr"] == f"tiny-1.0-1,draft_{first['id']}" != second["nvr"]
    assert len(admin("getRPM", tiny.noarch.name[: -len(".rpm")], multi=True)) == 2
    admin("tagBuildBypass", "demo", first["nvr"])
    before = admin("tagLastChangeEvent", "demo")
    old = kernel.settings.topdir / f"packages/tiny/1.0/1,draft_{first['id']}"

    promoted = admin("promoteBuild", first["nvr"])

    assert (promoted["nvr"], promoted["draft"], promoted["id"]) == ("tiny-1.0-1", False, first["id"])
    assert promoted["promoter_name"] == "admin"
    assert promoted["promotion_ts"] >= first["completion_ts"]
    assert (kernel.settings.topdir / "packages/tiny/1.0/1/src" / tiny.srpm.name).is_file()
    assert old.is_symlink()
    assert (old / "src" / tiny.srpm.name).is_file()
    assert {row["draft"] for row in admin("listRPMs", buildID=first["id"])} == {False}
    assert admin("tagLastChangeEvent", "demo") > before
    assert admin("listBuilds", draft=True)[0]["nvr"] == second["nvr"]

    with pytest.raises(koji.GenericError, match="Not a draft build"):
        admin("promoteBuild", "tiny-1.0-1")
    with pytest.raises(koji.GenericError, match=r"Target build exists: tiny-1\.0-1\(#"):
        admin("promoteBuild", second["id"])
    with pytest.raises(koji.GenericError, match="Target build already exists"):
        draft()


def test_a_draft_that_is_not_complete_stays_one(admin: Caller, builder: Caller, open_task: Make) -> None:
    task = open_task("build", ["tiny.src.rpm", "demo", {"draft": True}])
    data = {"name": "tiny", "version": "1.0", "release": "1", "epoch": None, "task_id": task, "draft": True}
    build = builder("host.initBuild", data)
    with pytest.raises(koji.GenericError, match=r"state \(BUILDING\) is not COMPLETE"):
        admin("promoteBuild", build)


def test_the_policy_says_who_may(kernel: Kernel, admin: Caller, draft: Any) -> None:
    made = draft()
    admin("createUser", "somebody")
    with pytest.raises(koji.ActionNotAllowed, match="draft_promotion"):
        Caller(kernel, "somebody")("promoteBuild", made["id"])


def test_older_hubs_know_no_drafts(tmp_path: Any) -> None:
    kernel = sandboxhub.kernel_for_tests(tmp_path, version="1.33.2", hosts=(HostSetting("builder"),))
    try:
        with pytest.raises(koji.GenericError, match="Invalid method: promoteBuild"):
            Caller(kernel, "admin")("promoteBuild", 1)
    finally:
        kernel.store.close()
