"""Waiting for a repository: one that is there, and one that must first be made because the tag has changed."""

from __future__ import annotations

import pytest

from kojid.sandbox import content
from tests.support.sandbox import Daemon, Sandbox

pytestmark = [pytest.mark.root, pytest.mark.e2e]


def test_a_repository_that_is_there_is_the_answer(box: Sandbox, builder: Daemon, repository: int) -> None:
    found = box.closed(box.task("waitrepo", content.BUILD_TAG))
    assert found["tag_name"] == content.BUILD_TAG
    assert found["id"] >= repository


def test_a_change_of_the_tag_is_waited_for(box: Sandbox, builder: Daemon, repository: int) -> None:
    before = box.closed(box.task("waitrepo", content.BUILD_TAG))
    box.koji("edit-tag", "-x", "mark=new", content.BUILD_TAG)
    found = box.closed(box.task("waitrepo", content.BUILD_TAG, None, None, "last"))
    assert found["id"] > before["id"]
    assert found["create_event"] >= box.admin.tagLastChangeEvent(content.BUILD_TAG)
