"""Repositories made by a real daemon at the real client's request: all forms of newRepo, and what goes wrong."""

from __future__ import annotations

import shutil
from typing import Iterator

import pytest

from tests.support.reposcene import Repo, Scene, running_scene

pytestmark = pytest.mark.e2e

ARCHES = "x86_64 aarch64 ppc64le"
TINY, DATA, SOURCE = "tiny-1.0-1.x86_64", "tiny-data-1.0-1.noarch", "tiny-1.0-1.src"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("scene"), {"copy_old_repodata": "true"}) as made:
        yield made


@pytest.fixture(scope="module")
def first(scene: Scene) -> Repo:
    """The first repository of a tag of several arches."""
    return scene.regenerate(scene.tag("several", ARCHES, scene.tiny))


def test_each_arch_has_its_own_packages_and_the_noarch_ones(scene: Scene, first: Repo) -> None:
    assert first.packages("x86_64") == {TINY, DATA}
    assert first.packages("aarch64") == first.packages("ppc64le") == {DATA}
    task = first.info["task_id"]
    assert sorted(scene.children(task)) == sorted(ARCHES.split())
    assert scene.closed(task) == [first.id, first.info["create_event"]]
    assert (first.path.parent / "latest").resolve() == first.path
    assert "createrepo_c" in scene.log(scene.children(task)["aarch64"]["id"], "createrepo.log")


def test_what_has_not_changed_is_taken_over_arch_by_arch(scene: Scene, first: Repo) -> None:
    second = scene.regenerate("several", "--make-task")
    assert second.id != first.id
    assert second.json["cloned_from_repo_id"] == first.id
    assert sorted(second.json["cloned_archs"]) == sorted(ARCHES.split())
    for arch in ARCHES.split():
        assert (second.repodata(arch) / "repomd.xml").read_bytes() == (first.repodata(arch) / "repomd.xml").read_bytes()
        assert second.packages(arch) == first.packages(arch)
    assert scene.children(second.info["task_id"]) == {}


def test_an_arch_that_has_changed_is_updated(scene: Scene) -> None:
    tag = scene.tag("changing", "x86_64 aarch64", scene.tiny)
    before = scene.regenerate(tag)
    other = scene.package("other")
    scene.add(tag, other)
    after = scene.regenerate(tag)
    assert "cloned_archs" not in after.json
    assert after.packages("x86_64") - before.packages("x86_64") == {"other-1.0-1.x86_64", "other-data-1.0-1.noarch"}
    said = scene.log(scene.children(after.info["task_id"])["x86_64"]["id"], "createrepo.log")
    assert said.splitlines()[0].startswith("2 packages are new and 0 gone")
    assert "The metadata of 2 packages has been taken over." in said


def test_databases_are_made_for_buildroots_that_yum_fills(scene: Scene) -> None:
    without = scene.regenerate(scene.tag("of-dnf", "x86_64", scene.tiny))
    assert not [path.name for path in without.repodata("x86_64").glob("*.sqlite*")]
    assert without.packages("x86_64") == {TINY, DATA}
    extra = {"mock.package_manager": "yum"}
    made = scene.regenerate(scene.tag("of-yum", "x86_64", scene.tiny, scene.package("other"), **extra))
    assert len(list(made.repodata("x86_64").glob("*.sqlite*"))) == 3
    scene.koji("untag-pkg", "of-yum", "other-1.0-1")
    again = scene.regenerate("of-yum")
    said = scene.log(scene.children(again.info["task_id"])["x86_64"]["id"], "createrepo.log")
    assert "--update --skip-stat" in said.splitlines()[0]
    assert len(list(again.repodata("x86_64").glob("*.sqlite*"))) == 3


def test_an_empty_repository_says_so(scene: Scene) -> None:
    repo = scene.regenerate(scene.tag("empty", "x86_64"))
    assert repo.packages("x86_64") == set()
    assert (repo.repodata("x86_64") / "EMPTY_REPO").exists()


def test_sources_lie_in_a_repository_of_their_own(scene: Scene) -> None:
    repo = scene.regenerate(scene.tag("sources", "x86_64", scene.tiny), "--separate-source")
    assert repo.packages("src") == {SOURCE}
    assert repo.packages("x86_64") == {TINY, DATA}
    assert repo.json["opts"]["separate_src"] is True
    together = scene.regenerate("sources", "--source")
    assert together.packages("x86_64") == {TINY, DATA, SOURCE}
    assert not (together.path / "src").exists()


def test_debuginfo_is_left_out_unless_it_is_wanted(scene: Scene) -> None:
    tag = scene.tag("debug", "x86_64", scene.tiny, scene.package("prog-debuginfo"))
    assert scene.regenerate(tag).packages("x86_64") == {TINY, DATA}
    assert "prog-debuginfo-1.0-1.x86_64" in scene.regenerate(tag, "--debuginfo").packages("x86_64")


def test_a_repository_of_an_event_shows_the_tag_as_it_was(scene: Scene) -> None:
    tag = scene.tag("past", "x86_64", scene.tiny)
    event = scene.admin.getLastEvent()["id"]
    scene.koji("untag-pkg", tag, "tiny-1.0-1")
    said = scene.koji("request-repo", "--wait", "--at-event", str(event), tag)
    repo = Repo(scene, int(said.split("Got repo ")[1].split()[0]))
    assert (repo.info["create_event"], repo.packages("x86_64")) == (event, {TINY, DATA})
    assert scene.repo_of(scene.new_repo(tag)).packages("x86_64") == set()
    assert scene.repo_of(scene.new_repo(tag, event=event)).packages("x86_64") == {TINY, DATA}


@pytest.mark.parametrize("related", ["hint", "parent"])
def test_another_tags_repository_spares_reading_all_packages_anew(scene: Scene, first: Repo, related: str) -> None:
    extra = {"repo.oldrepo_hint": ["no-such-tag", "several"]} if related == "hint" else {}
    tag = scene.tag(f"related-{related}", "x86_64", scene.tiny, scene.package("other"), **extra)
    if related == "parent":
        scene.koji("add-tag-inheritance", tag, "several")
    repo = scene.regenerate(tag)
    said = scene.log(scene.children(repo.info["task_id"])["x86_64"]["id"], "createrepo.log")
    assert "The metadata of 2 packages has been taken over." in said
    assert len(repo.packages("x86_64")) == 4


def test_the_older_form_of_the_request_still_works(scene: Scene) -> None:
    tag = scene.tag("older-form", "x86_64", scene.tiny)
    task = scene.admin.makeTask("newRepo", [tag, None, False, False, True], channel="createrepo")
    assert scene.repo_of(task).packages("src") == {SOURCE}
    both = scene.admin.makeTask("newRepo", [tag, None, True, None, None, {"src": False}], channel="createrepo")
    assert "cannot be combined with legacy options" in scene.failed(both)


def test_a_package_that_is_missing_on_the_volume_fails_it_by_name(scene: Scene) -> None:
    package = scene.package("lost")
    tag = scene.tag("losing", "x86_64", package)
    place = scene.hub.topdir / "packages/lost/1.0/1/x86_64/lost-1.0-1.x86_64.rpm"
    place.rename(place.with_suffix(".away"))
    task = scene.new_repo(tag)
    fault = scene.failed(task)
    assert "failed to create repo: createrepo_c exited with status 2; see createrepo.log" in fault
    assert "lost-1.0-1.x86_64.rpm" in fault
    assert scene.finish(scene.children(task)["x86_64"]["id"]) == "FAILED"


def test_a_tag_that_is_not_there_fails_it(scene: Scene) -> None:
    task = scene.admin.makeTask("newRepo", ["nowhere"], channel="createrepo")
    assert "nowhere" in scene.failed(task)
    task = scene.admin.makeTask("createrepo", [999, "x86_64", None], channel="createrepo")
    assert "No such repo: 999" in scene.failed(task)


def test_a_repository_that_is_ready_is_not_made_again(scene: Scene, first: Repo) -> None:
    task = scene.admin.makeTask("createrepo", [first.id, "x86_64", None], channel="createrepo")
    assert "not in INIT state" in scene.failed(task)


@pytest.fixture(scope="module")
def web(scene: Scene) -> str:
    """Served: a newer tiny and the package far, for two arches."""
    far, newer = scene.package("far"), scene.package("tiny", "2.0")
    for arch in ("x86_64", "aarch64"):
        scene.web.repository(f"far/{arch}", *far.rpms, *newer.rpms)
    return scene.web.url


class TestExternalRepositories:
    @pytest.mark.parametrize("mode", ["koji", "simple", "bare"])
    def test_are_merged_in_each_mode(self, scene: Scene, web: str, mode: str) -> None:
        tag = scene.tag(f"ext-{mode}", "x86_64 aarch64", scene.tiny)
        scene.external(tag, f"far-{mode}", "far/$arch", "-m", mode)
        repo = scene.regenerate(tag)
        own = {TINY: {"own"}, DATA: {"own"}}
        theirs = {"far-1.0-1.x86_64", "far-data-1.0-1.noarch"}
        if mode != "koji":  # where packages of a name that the tag has are left out
            theirs |= {"tiny-2.0-1.x86_64", "tiny-data-2.0-1.noarch"}
        assert repo.origins("x86_64") == {**own, **{name: {f"{web}/far/x86_64"} for name in theirs}}
        assert repo.packages("x86_64") == set(own) | theirs
        assert repo.origins("aarch64")["far-data-1.0-1.noarch"] == {f"{web}/far/aarch64"}
        assert not [name for name in repo.packages("aarch64") if name.endswith("x86_64")]
        said = scene.log(scene.children(repo.info["task_id"])["x86_64"]["id"], "mergerepos.log").splitlines()[0]
        assert {"koji": "--koji -b", "simple": "--koji --simple", "bare": "--pkgorigins --all"}[mode] in said
        assert "--arch-expand" in said

    def test_can_be_for_some_arches_only(self, scene: Scene, web: str) -> None:
        tag = scene.tag("ext-arches", "x86_64 aarch64", scene.tiny)
        scene.external(tag, "far-arches", "far/$arch", "-a", "x86_64")
        repo = scene.regenerate(tag)
        assert "far-1.0-1.x86_64" in repo.packages("x86_64")
        assert repo.origins("aarch64") == {DATA: {"own"}}
        scene.koji("edit-external-repo", "--tag", tag, "-a", "aarch64", "far-arches")
        assert scene.regenerate(tag).packages("x86_64") == {TINY, DATA}
        scene.koji("remove-external-repo", "far-arches", tag)
        repo = scene.regenerate(tag)
        assert not [name for name in repo.repodata("x86_64").iterdir() if "pkgorigins" in name.name]

    def test_of_an_empty_tag_are_all_that_it_has(self, scene: Scene, web: str) -> None:
        tag = scene.tag("ext-empty", "x86_64")
        scene.external(tag, "far-empty", "far/$arch")
        repo = scene.regenerate(tag)
        assert len(repo.packages("x86_64")) == 4
        assert not (repo.repodata("x86_64") / "EMPTY_REPO").exists()

    def test_rule_out_that_metadata_is_taken_over(self, scene: Scene, web: str) -> None:
        before, after = scene.regenerate("ext-koji"), scene.regenerate("ext-koji", "--make-task")
        assert "cloned_archs" not in after.json
        assert after.origins("x86_64") == before.origins("x86_64")

    def test_of_different_modes_are_refused(self, scene: Scene, web: str) -> None:
        tag = scene.tag("ext-mixed", "x86_64", scene.tiny)
        scene.external(tag, "far-one", "far/$arch", "-m", "koji")
        scene.external(tag, "far-two", "far/$arch", "-m", "bare", "-a", "aarch64")
        assert "different merge modes: bare, koji" in scene.failed(scene.new_repo(tag))

    def test_that_can_not_be_had_fail_it(self, scene: Scene) -> None:
        tag = scene.tag("ext-gone", "x86_64", scene.tiny)
        url = scene.external(tag, "gone", "gone")
        fault = scene.failed(scene.new_repo(tag))
        assert "failed to merge repos: mergerepo_c exited with status 1; see mergerepos.log" in fault
        assert url in fault

    def test_that_can_not_be_read_fail_it_although_the_program_does_not(self, scene: Scene) -> None:
        """mergerepo_c goes on without them and ends with status 0: a repository that lacks half its packages."""
        tag = scene.tag("ext-broken", "x86_64", scene.tiny)
        scene.external(tag, "broken", "broken")
        directory = scene.web.repository("broken", *scene.package("far").rpms)
        (primary,) = directory.glob("repodata/*-primary.xml.*")
        primary.write_bytes(primary.read_bytes()[:300])
        fault = scene.failed(scene.new_repo(tag))
        assert "failed to merge repos: one can't be read; see mergerepos.log" in fault
        shutil.rmtree(directory)
