"""Chains of builds, each level with what the levels before have put into the repository."""

from __future__ import annotations

import koji
import pytest

from kojid.sandbox import content
from tests.support.sandbox import Sandbox, wait_for
from tests.support.shopgit import GitShop

pytestmark = [pytest.mark.root, pytest.mark.e2e]


def test_the_client_has_a_package_built_with_the_one_before_it(box: Sandbox, repository: int, gitshop: GitShop) -> None:
    content.add_packages(box.admin, content.DEST_TAG, ["chain-a", "chain-b"])
    first = gitshop.package("chain-a")
    second = gitshop.package("chain-b", requires="chain-a", build="grep -qx chain-a %{_datadir}/chain-a/words")

    box.koji("chain-build", "--wait", content.TARGET, first, ":", second, timeout=300)

    build = box.admin.getBuild("chain-b-1.0-1", strict=True)
    chain = box.admin.getTaskInfo(box.admin.getTaskInfo(build["task_id"])["parent"])
    assert chain["method"] == "chainbuild"
    children = box.admin.getTaskChildren(chain["id"])
    assert [(row["method"], row["label"]) for row in children] == [
        ("build", "build 0,0"),
        ("waitrepo", "wait 1"),
        ("build", "build 1,0"),
    ]
    assert box.admin.getTaskResult(chain["id"]) is None


def test_a_chain_whose_host_is_gone_goes_on_elsewhere_with_the_tasks_it_had(
    box: Sandbox, repository: int, gitshop: GitShop
) -> None:
    """What a hub does with the tasks of a host that is not heard of any more: it frees them."""
    content.add_packages(box.admin, content.DEST_TAG, ["chain-c"])
    there = box.admin.listTagged(content.BOOTSTRAP)[0]["nvr"]
    task_id = box.admin.chainBuild([[there], [gitshop.package("chain-c", build="sleep 2")]], content.TARGET)
    wait_for(lambda: any(row["label"] == "build 1,0" for row in box.admin.getTaskChildren(task_id)), 120, "the build")

    box.admin.freeTask(task_id)

    box.closed(task_id)
    labels = [row["label"] for row in box.admin.getTaskChildren(task_id)]
    assert labels == ["wait 1", "build 1,0"]
    assert len(box.admin.listBuilds(packageID="chain-c")) == 1


def test_a_package_that_does_not_build_ends_the_chain(box: Sandbox, repository: int, gitshop: GitShop) -> None:
    content.add_packages(box.admin, content.DEST_TAG, ["chain-bad", "chain-never"])
    bad = gitshop.package("chain-bad", build="echo chained and broken >&2; exit 1")

    done = box.koji("chain-build", "--wait", content.TARGET, bad, ":", gitshop.package("chain-never"), check=False)

    assert done.returncode == 1
    chain = box.admin.listTasks({"method": "chainbuild"}, {"order": "-id", "limit": 1})[0]["id"]
    fault = box.failed(chain)
    assert isinstance(fault, koji.BuildError)
    assert "chained and broken" in str(fault)
    assert [row["label"] for row in box.admin.getTaskChildren(chain)] == ["build 0,0"]


def test_a_chain_of_scratch_builds_makes_no_sense(box: Sandbox, repository: int, gitshop: GitShop) -> None:
    task_id = box.admin.chainBuild([["a-1-1"], ["b-1-1"]], content.TARGET, {"scratch": True})
    assert "--scratch is not allowed with chain-builds" in str(box.failed(task_id))
