"""Repositories on hubs up to 1.34: other words for the options, no requests, EXPIRED repositories of events."""

from __future__ import annotations

import time
from typing import Any, Iterator

import koji
import pytest

from tests.support.reposcene import Repo, Scene, running_scene

pytestmark = pytest.mark.e2e

TINY, DATA, SOURCE = "tiny-1.0-1.x86_64", "tiny-data-1.0-1.noarch", "tiny-1.0-1.src"


@pytest.fixture(scope="module", params=["1.30.1", "1.34.1"])
def scene(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    options = {"copy_old_repodata": "true"}
    with running_scene(tmp_path_factory.mktemp("older"), options, version=request.param) as made:
        yield made
        assert "Invalid method" not in made.hub.log()


@pytest.fixture(scope="module")
def first(scene: Scene) -> Repo:
    return scene.regenerate(scene.tag("old", "x86_64 aarch64", scene.tiny))


def test_what_has_not_changed_is_taken_over_and_noted_where_hubs_note_it(scene: Scene, first: Repo) -> None:
    assert first.packages("x86_64") == {TINY, DATA}
    second = scene.regenerate("old")
    assert second.packages("aarch64") == {DATA}
    assert scene.children(second.info["task_id"]) == {}
    noted = scene.hub.settings.version.startswith("1.34")
    assert ("cloned_archs" in second.json) is noted


def test_options_and_the_tags_wish_for_debuginfo_are_told_in_their_words(scene: Scene) -> None:
    debuginfo = scene.package("prog-debuginfo")
    tag = scene.tag("wishing", "x86_64", scene.tiny, debuginfo, with_debuginfo=True)
    repo = scene.regenerate(tag, "--separate-source")
    assert repo.packages("src") == {SOURCE, "prog-debuginfo-1.0-1.src"}
    assert "prog-debuginfo-1.0-1.x86_64" in repo.packages("x86_64")
    assert (repo.json["with_separate_src"], repo.json["with_debuginfo"]) == (True, True)


def test_a_repository_of_an_event_does_not_pass_for_the_latest(scene: Scene, first: Repo) -> None:
    event = first.info["create_event"]
    repo = scene.repo_of(scene.new_repo("old", event=event))
    assert repo.info["create_event"] == event
    assert repo.info["state"] == koji.REPO_EXPIRED
    assert (repo.path.parent / "latest").resolve() != repo.path


def test_external_repositories_are_merged(scene: Scene) -> None:
    far = scene.package("far")
    scene.web.repository("far", *far.rpms)
    tag = scene.tag("outside", "x86_64", scene.tiny)
    url = scene.external(tag, "far", "far").rstrip("/")
    assert scene.regenerate(tag).origins("x86_64") == {
        TINY: {"own"},
        DATA: {"own"},
        "far-1.0-1.x86_64": {url},
        "far-data-1.0-1.noarch": {url},
    }


def test_a_newer_repository_or_one_with_builds_is_waited_for_by_looking(scene: Scene, first: Repo) -> None:
    newer = scene.admin.makeTask("waitrepo", ["old", time.time()])
    tagged = scene.admin.makeTask("waitrepo", ["old", None, ["later-1.0-1"]])
    scene.add("old", scene.package("later"))
    repo = scene.regenerate("old")
    assert scene.closed(newer)["id"] == repo.id
    assert scene.closed(tagged)["id"] == repo.id


def test_a_tag_that_nothing_is_built_from_is_not_waited_for(scene: Scene) -> None:
    scene.admin.createTag("targetless", arches="x86_64")
    fault = scene.failed(scene.admin.makeTask("waitrepo", ["targetless"]))
    assert "no repo (and no target) for tag targetless" in fault
