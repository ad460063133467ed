"""The calls kiwiBuild and dudBuild as the stock hub's plugins answer them (contract 6.13)."""

from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller

URL = "git://example.com/images#main"


def request(admin: Caller, task: int) -> Any:
    info = admin("getTaskInfo", task, request=True)
    assert admin("getChannel", info["channel_id"])["name"] == "image"
    return info["request"]


def test_a_kiwi_task_has_what_is_set_and_no_more(admin: Caller) -> None:
    task = admin("kiwiBuild", "demo", ["x86_64", "s390x"], URL, "a.kiwi", optional_arches=["s390x"], profile="small",
                 scratch=True, make_prep=False, repos=["http://a/"])  # fmt: skip
    wanted = {
        "scratch": True, "optional_arches": ["s390x"], "profile": "small", "repos": ["http://a/"],
        "use_buildroot_repo": True,
    }  # fmt: skip
    assert request(admin, task) == ["demo", ["x86_64", "s390x"], URL, "a.kiwi", wanted]
    assert request(admin, admin("kiwiBuild", "demo", "", URL, "a.kiwi", use_buildroot_repo=False))[1:] == [
        [], URL, "a.kiwi", {}
    ]  # fmt: skip


def test_a_driver_disk_task_has_all_its_options(admin: Caller) -> None:
    task = admin("dudBuild", "driver", "1.0", ["x86_64"], "demo", ["hello"], alldeps=True)
    opts = {"scratch": False, "alldeps": True, "scmurl": None, "optional_arches": None}
    assert request(admin, task) == ["driver", "1.0", ["x86_64"], "demo", ["hello"], opts]


@pytest.mark.parametrize(
    ("args", "more"),
    [
        (["nowhere", [], URL, "a.kiwi"], {}),
        (["demo", ["x86;64"], URL, "a.kiwi"], {}),
        (["demo", [], 7, "a.kiwi"], {}),
        (["demo", [], URL, "a.kiwi"], {"repos": "http://a/"}),
        (["demo", [], URL, "a.kiwi"], {"no_such_option": True}),
    ],
)
def test_what_can_not_be_is_refused(admin: Caller, args: Any, more: Any) -> None:
    with pytest.raises(koji.GenericError):
        admin("kiwiBuild", *args, **more)


def test_both_want_the_permission_and_an_admin_for_haste(kernel: Kernel, admin: Caller) -> None:
    admin("createUser", "somebody")
    somebody = Caller(kernel, "somebody")
    kiwi, disk = ("kiwiBuild", "demo", [], URL, "a.kiwi"), ("dudBuild", "driver", "1.0", [], "demo", ["hello"])
    for call in (kiwi, disk):
        with pytest.raises(koji.ActionNotAllowed, match="image permission required"):
            somebody(*call)
    admin("grantPermission", "somebody", "image")
    for call in (kiwi, disk):
        assert admin("getTaskInfo", somebody(*call, priority=5))["priority"] == 25
        with pytest.raises(koji.ActionNotAllowed, match="only admins"):
            somebody(*call, priority=-1)
        assert admin("getTaskInfo", admin(*call, priority=-1))["priority"] == 19
