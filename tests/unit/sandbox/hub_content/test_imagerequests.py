"""The calls by which the client asks for images of ImageFactory (contract 6.9)."""

from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller

IMAGE = ("disk", "1.0", ["x86_64"], "demo", "http://tree/$arch")


def task_of(admin: Caller, task: int) -> Any:
    info = admin("getTaskInfo", task, request=True)
    assert admin("getChannel", info["channel_id"])["name"] == "image"
    return info


def test_an_image_is_asked_for_as_it_was_said(admin: Caller) -> None:
    info = task_of(admin, admin("buildImageOz", *IMAGE, {"format": ["qcow2"]}))
    assert (info["method"], info["arch"]) == ("image", "noarch")
    assert info["request"] == [*IMAGE, {"format": ["qcow2"]}]


def test_an_image_of_two_others_has_its_arch(admin: Caller) -> None:
    info = task_of(admin, admin("buildImageIndirection", {"arch": "x86_64", "scratch": True}))
    assert (info["method"], info["arch"]) == ("indirectionimage", "x86_64")
    with pytest.raises(koji.ActionNotAllowed, match="must provide url"):
        admin("buildImageIndirection", {"arch": "x86_64"})


def test_what_can_not_be_is_refused(admin: Caller, kernel: Kernel) -> None:
    with pytest.raises(koji.ParameterError):
        admin("buildImageOz", 7, *IMAGE[1:])
    admin("createUser", "somebody")
    somebody = Caller(kernel, "somebody")
    for name, words in (("buildImageOz", IMAGE), ("buildImageIndirection", ({"scratch": True},))):
        with pytest.raises(koji.ActionNotAllowed):
            somebody(name, *words)
