"""The calls runroot and saveFailedTree as the stock hub's plugins answer them (contract 6.13)."""

from __future__ import annotations

from typing import Any, Callable

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller


@pytest.fixture
def channel(admin: Caller) -> None:
    admin("addHostToChannel", "builder", "runroot", create=True)


@pytest.mark.usefixtures("channel")
def test_a_runroot_task_has_its_channel_priority_and_arguments(admin: Caller) -> None:
    task_id = admin("runroot", "demo-build", "x86_64", ["true"], packages=["a"], weight=None)
    info = admin("getTaskInfo", task_id, request=True)
    assert (info["method"], info["priority"], info["arch"]) == ("runroot", 15, "x86_64")
    assert admin("getChannel", info["channel_id"])["name"] == "runroot"
    params, opts = koji.decode_args(*info["request"])
    assert list(params) == ["demo-build", "x86_64", ["true"]] and opts == {"packages": ["a"], "weight": None}


@pytest.mark.usefixtures("channel")
def test_noarch_is_handed_out_where_the_tags_arches_are(admin: Caller) -> None:
    assert admin("getTaskInfo", admin("runroot", "demo-build", "noarch", "true"))["arch"] == "noarch"
    admin("addHost", "elsewhere", ["s390x"])
    assert admin("getTaskInfo", admin("runroot", "demo-build", "noarch", "true"))["arch"] == "x86_64"
    admin("createTag", "other", arches="ppc64le")
    with pytest.raises(koji.GenericError, match="no common arches for tag/channel: other/runroot"):
        admin("runroot", "other", "noarch", "true")
    with pytest.raises(koji.GenericError, match="no arches defined for tag demo"):
        admin("runroot", "demo", "noarch", "true")


def test_what_can_not_be_is_refused(admin: Caller) -> None:
    with pytest.raises(koji.GenericError, match="runroot"):
        admin("runroot", "demo-build", "x86_64", "true")  # no such channel
    with pytest.raises(koji.GenericError, match="Invalid type"):
        admin("runroot", "demo-build", "x86_64", {"a": 1})
    with pytest.raises(koji.GenericError):
        admin("runroot", "demo-build", "", "true")


@pytest.mark.usefixtures("channel")
def test_runroot_wants_its_permission(kernel: Kernel, admin: Caller) -> None:
    admin("createUser", "somebody")
    with pytest.raises(koji.ActionNotAllowed, match="runroot permission required"):
        Caller(kernel, "somebody")("runroot", "demo-build", "x86_64", "true")
    admin("grantPermission", "somebody", "runroot", create=True)
    assert Caller(kernel, "somebody")("runroot", "demo-build", "x86_64", "true")


@pytest.fixture
def buildroot(kernel: Kernel, admin: Caller, builder: Caller, open_task: Callable[..., int]) -> Callable[[str], int]:
    """A buildroot of a task that has failed; by the task's method."""

    def make(method: str) -> int:
        task_id = open_task(method, [])
        repo_id, _ = builder("host.repoInit", "demo-build", task_id=task_id)
        made = int(builder("host.newBuildRoot", repo_id, "x86_64", task_id=task_id))
        fault = koji.xmlrpcplus.dumps(koji.xmlrpcplus.Fault(1005, "it failed"))
        builder("host.failTask", task_id, fault)
        return made

    return make


def test_a_failed_tasks_tree_is_asked_of_its_host(admin: Caller, buildroot: Callable[[str], int]) -> None:
    made = buildroot("buildArch")
    info = admin("getTaskInfo", admin("saveFailedTree", made, True), request=True)
    assert info["request"] == [made, True] and info["method"] == "saveFailedTree"
    assert info["host_id"] == admin("getHost", "builder")["id"]
    assert info["state"] == koji.TASK_STATES["ASSIGNED"]


def test_only_failed_builds_of_ones_own_are_saved(
    kernel: Kernel, admin: Caller, buildroot: Callable[[str], int], open_task: Callable[..., int]
) -> None:
    def refused(broot: Any, fault: Any, text: str, user: str = "admin") -> None:
        with pytest.raises(fault, match=text):
            Caller(kernel, user)("saveFailedTree", broot)

    admin("createUser", "somebody")
    made = buildroot("buildArch")
    refused(buildroot("newRepo"), koji.PreBuildError, r"Only buildArch tasks .* is newRepo")
    refused(made, koji.ActionNotAllowed, "Only owner of failed task or 'admin'", "somebody")
    refused(9999, koji.GenericError, "No such buildroot")
    admin("disableHost", "builder")
    refused(made, koji.PreBuildError, "Host is disabled")
