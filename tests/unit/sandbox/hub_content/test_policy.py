"""Policies: the rules that ship, rules from the settings, and the channel of a task."""

from __future__ import annotations

from pathlib import Path

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support import sandboxhub
from tests.support.sandboxhub import Caller


def test_the_policy_for_srpms_looks_at_the_user_that_the_host_names(kernel: Kernel, builder: Caller) -> None:
    people = {name: builder("getUser", name)["id"] for name in ("admin", "user")}
    data = {"source": "cli-build/1/x.src.rpm", "target": "demo", "scratch": None, "from_scm": False}
    builder("host.assertPolicy", "build_from_srpm", {**data, "user_id": people["admin"]})
    with pytest.raises(koji.ActionNotAllowed, match=r"policy violation \(build_from_srpm\)"):
        builder("host.assertPolicy", "build_from_srpm", {**data, "user_id": people["user"]})
    builder("host.assertPolicy", "build_rpm", {**data, "user_id": people["user"]})
    assert builder("host.checkPolicy", "build_from_srpm", {**data, "user_id": people["user"]})[0] is False
    builder("host.assertPolicy", "no_such_policy", {})
    with pytest.raises(koji.GenericError, match="no such policy"):
        builder("evalPolicy", "no_such_policy", {})


def test_only_hosts_ask_for_a_hosts_policies(admin: Caller) -> None:
    with pytest.raises(koji.AuthError):
        admin("host.assertPolicy", "build_rpm", {})


def test_rules_of_the_settings_take_the_place_of_those_that_ship(tmp_path: Path) -> None:
    rules = {
        "build_rpm": "package kernel :: deny not here\nbuildtag demo-* :: allow",
        "channel": "method newRepo :: use createrepo\nsource *.src.rpm :: use special\nall :: use default",
    }
    kernel = sandboxhub.kernel_for_tests(tmp_path, policies=rules)
    admin, builder = Caller(kernel, "admin"), Caller(kernel, "builder", exclusive=True)
    admin("createTag", "demo-build", arches="x86_64")
    admin("addChannel", "special")
    builder("host.assertPolicy", "build_rpm", {"build_tag": "demo-build", "package": "tiny"})
    with pytest.raises(koji.ActionNotAllowed, match="not here"):
        builder("host.assertPolicy", "build_rpm", {"build_tag": "demo-build", "package": "kernel"})
    channels = {row["id"]: row["name"] for row in admin("listChannels")}
    task = admin("getTaskInfo", admin("build", "cli-build/1/x.src.rpm", "demo"))
    assert channels[task["channel_id"]] == "special"
    task = admin("getTaskInfo", admin("build", "git://example.com/x#HEAD", "demo"))
    assert channels[task["channel_id"]] == "default"
    kernel.store.close()


def test_a_subtask_goes_to_its_parents_channel(admin: Caller, builder: Caller) -> None:
    channels = {row["name"]: row["id"] for row in admin("listChannels")}
    parent = admin("makeTask", "sleep", [1], channel="createrepo")
    builder("host.openTask", parent)
    child = builder("host.subtask", "sleep", [1], parent)
    assert admin("getTaskInfo", child)["channel_id"] == channels["createrepo"]
    with pytest.raises(koji.GenericError, match="No such channel"):
        admin("makeTask", "sleep", [1], channel="nowhere")


def test_only_admins_ask_for_urgent_tasks(kernel: Kernel, admin: Caller) -> None:
    with pytest.raises(koji.ActionNotAllowed, match="high-priority"):
        Caller(kernel, "user")("build", "x.src.rpm", "demo", priority=-5)
    assert admin("getTaskInfo", admin("build", "x.src.rpm", "demo", priority=-5))["priority"] == 15
    assert admin("getTaskInfo", admin("chainBuild", [["x"], ["y"]], "demo"), request=True)["method"] == "chainbuild"
