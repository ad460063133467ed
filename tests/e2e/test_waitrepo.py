"""Waiting for a repository: one that is there, one that has to be made first, one that never comes."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator

import pytest

from tests.support.reposcene import Scene, running_scene

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("waiting"), content={"repo_retries": 0}) as made:
        made.tag("waited", "x86_64", made.tiny)
        yield made


@pytest.fixture(scope="module")
def first(scene: Scene) -> int:
    """The first repository's id."""
    return scene.regenerate("waited").id


def wait(scene: Scene, *arguments: Any) -> Dict[str, Any]:
    found: Dict[str, Any] = scene.closed(scene.admin.makeTask("waitrepo", list(arguments)))
    return found


def change(scene: Scene, mark: str) -> int:
    """Change the tag; the event."""
    scene.koji("edit-tag", "-x", f"mark={mark}", "waited")
    return int(scene.admin.tagLastChangeEvent("waited"))


def test_a_repository_that_is_there_is_the_answer(scene: Scene, first: int) -> None:
    found = wait(scene, "waited")
    assert (found["id"], found["tag_name"]) == (first, "waited")
    assert wait(scene, scene.admin.getTag("waited")["id"], None, ["tiny-1.0-1"])["id"] == first


@pytest.mark.parametrize("form", ["now", "event", "time"])
def test_a_change_of_the_tag_is_waited_for(scene: Scene, first: int, form: str) -> None:
    before = wait(scene, "waited")
    began = time.time()
    event = change(scene, form)
    arguments = {"now": ["now"], "event": [None, None, event], "time": [began]}[form]
    found = wait(scene, "waited", *arguments)
    assert found["id"] > before["id"]
    assert found["create_event"] >= event


def test_a_time_before_all_changes_is_met_by_what_is_there(scene: Scene, first: int) -> None:
    """A parent of before 1.35 asks so: with a number of seconds, which the hub takes no event dictionary for."""
    change(scene, "earlier")
    newer = wait(scene, "waited", None, None, "last")
    assert wait(scene, "waited", time.time())["id"] == newer["id"]


def test_builds_are_waited_for_until_they_are_tagged(scene: Scene, first: int) -> None:
    task = scene.admin.makeTask("waitrepo", ["waited", None, ["later-1.0-1"]])
    scene.add("waited", scene.package("later"))
    found = scene.closed(task)
    assert found["id"] > first
    assert "later-1.0-1.x86_64" in scene.repo(found["id"]).packages("x86_64")


def test_the_client_waits_for_its_request(scene: Scene, first: int) -> None:
    change(scene, "asked")
    said = scene.koji("request-repo", "--nowait", "--current", "waited")
    request = scene.admin.repo.queryQueue(None, None, {"order": "-id", "limit": 1})[0]["id"]
    assert str(request) in said
    scene.koji("wait-repo-request", str(request))
    assert scene.admin.repo.checkRequest(request)["repo"]["id"] > first
    assert "Got repo" in scene.koji("wait-repo", "waited")


def test_a_request_that_is_given_up_fails_it(scene: Scene) -> None:
    package = scene.package("lost")
    tag = scene.tag("losing", "x86_64", package)
    place = scene.hub.topdir / "packages/lost/1.0/1/x86_64/lost-1.0-1.x86_64.rpm"
    place.rename(place.with_suffix(".away"))
    fault = scene.failed(scene.admin.makeTask("waitrepo", [tag]), 120)
    assert "Repo request inactive" in fault


@pytest.mark.parametrize(("arguments", "text"), [
    (["waited", "now", None, 5], "newer_than and min_event args conflict"),
    (["waited", "yesterday"], "Invalid value for newer_than: yesterday"),
    (["nowhere"], "nowhere"),
])  # fmt: skip
def test_a_question_that_makes_no_sense_fails_it(scene: Scene, arguments: Any, text: str) -> None:
    assert text in scene.failed(scene.admin.makeTask("waitrepo", arguments))
