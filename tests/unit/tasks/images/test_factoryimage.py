"""The parent task of ImageFactory's images: the policy, the subtasks, what the hub gets."""

from __future__ import annotations

from typing import Any, Dict

import koji
import pytest

from kojid.tasks import parts
from kojid.tasks.images.factoryimage import BuildBaseImageTask
from tests.support.faketask import REPO, TAG, TARGET, ScriptedSession, Subtasks, make_handler

INIT = {"id": 7, "name": "disk", "version": "1", "release": "3", "epoch": 0}
FAULT = {"faultCode": 1000, "faultString": "the guest stood still"}


@pytest.fixture(autouse=True)
def everything_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.Part, "is_here", lambda _part: True)


class Scene:
    def __init__(self, options: Any, results: Dict[str, Any], **answers: Any) -> None:
        self.subtasks = Subtasks({"tag": None, **results})
        self.session = ScriptedSession(
            {
                "getBuildTarget": TARGET,
                "repo.request": {"repo": REPO, "request": None, "duplicate": False},
                "getTag": TAG,
                "getBuildConfig": {**TAG, "arches": "x86_64 aarch64 ppc64le"},
                "getPackageConfig": {"blocked": False},
                "listBuilds": [],
                "host.assertPolicy": None,
                "host.initImageBuild": INIT,
                "host.completeImageBuild": None,
                "host.moveImageBuildToScratch": None,
                "host.failBuild": None,
                "getTaskInfo": {"id": 900, "owner": 5},
                "getNextRelease": "9",
                **self.subtasks.answers(),
                **answers,
            }
        )
        self.options = options

    def run(self, arches: Any, version: str = "1", **opts: Any) -> str:
        params = ["disk", version, arches, "demo", "http://tree/$arch/os", opts]
        words: str = make_handler(BuildBaseImageTask, "image", params, self.session, self.options).run()
        return words


def made(arch: str) -> Dict[str, Any]:
    return {"arch": arch, "task_id": 900, "files": ["it.ks", f"disk.{arch}.raw"], "logs": [], "rpmlist": []}


def test_the_hub_gets_the_images_by_arch_and_the_kickstart_file_once(options: Any) -> None:
    results = {"x86_64": made("x86_64"), "aarch64": made("aarch64"), "ppc64le": FAULT}
    wrappers = {f"wrapper {arch}": {"rpms": [arch]} for arch in ("x86_64", "aarch64")}
    scene = Scene(options, {**results, **wrappers})
    words = scene.run(list(results), optional_arches="ppc64le,s390x", kickstart="work/x/it.ks", specfile="git://spec")

    labels = [row["label"] for row in scene.subtasks.spawned]
    assert labels == [*results, *wrappers, "tag"]
    arguments = [row["arglist"][2:8] for row in scene.subtasks.spawned[:3]]
    assert arguments == [["3", arch, TARGET, 2, REPO, f"http://tree/{arch}/os"] for arch in results]
    ((args, _more),) = scene.session.arguments("host.completeImageBuild")
    assert args[2]["x86_64"]["files"] == ["it.ks", "disk.x86_64.raw"]
    assert args[2]["aarch64"]["files"] == ["disk.aarch64.raw"]
    assert args[2]["aarch64"]["rpmresults"]["rpms"] == ["aarch64"] and args[2]["ppc64le"] == FAULT
    assert words == f"image build results in: {options.topdir}/packages/disk/1/3/images"


def test_the_policy_is_asked_with_the_tasks_own_options(options: Any) -> None:
    scene = Scene(options, {"x86_64": made("x86_64")})
    scene.run(["x86_64"], scratch=True, skip_tag=True, ksurl="git://ks")
    ((args, _more),) = scene.session.arguments("host.assertPolicy")
    assert args == (
        "build_rpm",
        {"user_id": 5, "source": "git://ks", "task_id": 305, "build_tag": 2, "skip_tag": True, "scratch": True,
         "from_scm": False, "repo_id": None, "target": "demo"},
    )  # fmt: skip
    assert scene.subtasks.spawned[0]["arglist"][2] == "9"


def test_what_the_policy_denies_is_not_begun(options: Any) -> None:
    scene = Scene(options, {}, **{"host.assertPolicy": koji.ActionNotAllowed("denied")})
    with pytest.raises(koji.ActionNotAllowed):
        scene.run(["x86_64"])
    assert not scene.session.called("host.initImageBuild")


@pytest.mark.parametrize("opts", [{"version": "1-2"}, {"release": "1-2"}])
def test_hyphens_are_refused(options: Any, opts: Any) -> None:
    scene = Scene(options, {})
    with pytest.raises(koji.ApplianceError, match="may not have a hyphen"):
        scene.run(["x86_64"], **opts)
    assert not scene.session.called("host.initImageBuild")
