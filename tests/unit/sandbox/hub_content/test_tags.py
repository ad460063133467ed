"""Tags, their inheritance and history, package lists, groups, targets and external repositories."""

from __future__ import annotations

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller


def test_a_tag_is_given_as_it_was_at_an_event(admin: Caller) -> None:
    before = admin("getLastEvent")["id"]
    admin("editTag2", "demo-build", arches="x86_64 i686", extra={"mock.package_manager": "dnf"})
    assert admin("getTag", "demo-build")["arches"] == "x86_64 i686"
    assert admin("getTag", "demo-build")["extra"] == {"mock.package_manager": "dnf"}
    then = admin("getTag", "demo-build", event=before)
    assert (then["arches"], then["extra"], then["query_event"]) == ("x86_64", {}, before)


def test_an_edit_that_changes_nothing_makes_no_event(admin: Caller) -> None:
    admin("editTag2", "demo-build", extra={"a": 1})
    before = admin("getLastEvent")
    admin("editTag2", "demo-build", extra={"a": 1}, arches="x86_64")
    assert admin("getLastEvent") == before


def test_extra_is_inherited_blocked_and_removed(admin: Caller) -> None:
    admin("editTag2", "demo", extra={"shared": 1, "hidden": 2})
    admin("editTag2", "demo-build", extra={"own": 3}, block_extra=["hidden"])
    config = admin("getBuildConfig", "demo-build")
    assert config["extra"] == {"shared": 1, "own": 3}
    assert config["config_inheritance"]["extra"] == {"shared": {"id": 1, "name": "demo"}}
    assert admin("getTag", "demo-build", blocked=True)["extra"] == {"own": [False, 3], "hidden": [True, None]}
    admin("editTag2", "demo-build", remove_extra=["hidden"])
    assert admin("getBuildConfig", "demo-build")["extra"]["hidden"] == 2
    with pytest.raises(koji.GenericError, match="doesn't have extra: gone"):
        admin("editTag2", "demo-build", remove_extra=["gone"])


def test_a_deleted_tag_is_found_again_with_event_auto(admin: Caller) -> None:
    admin("deleteTag", "demo-build")
    assert admin("getTag", "demo-build") is None
    assert admin("getTag", "demo-build", event="auto")["arches"] == "x86_64"
    assert admin("getBuildTarget", "demo") is None
    assert admin("createTag", "demo-build") == 2


def test_only_who_holds_the_permission_changes_tags(kernel: Kernel, admin: Caller) -> None:
    user = Caller(kernel, "user")
    with pytest.raises(koji.ActionNotAllowed):
        user("createTag", "mine")
    admin("grantPermission", "user", "tag")
    assert Caller(kernel, "user")("createTag", "mine") == 3


def test_names_with_odd_characters_are_refused(admin: Caller) -> None:
    with pytest.raises(koji.GenericError, match="characters other than"):
        admin("createTag", "no spaces please")


def _link(parent_id: int, priority: int, **other: object) -> dict[str, object]:
    base = {"maxdepth": None, "intransitive": False, "noconfig": False, "pkg_filter": ""}
    return {**base, "parent_id": parent_id, "priority": priority, **other}


def test_inheritance_goes_depth_first_in_order_of_priority(admin: Caller) -> None:
    ids = {name: admin("createTag", name) for name in ("top", "left", "right", "base")}
    admin("setInheritanceData", "top", [_link(ids["right"], 20), _link(ids["left"], 10)])
    admin("setInheritanceData", "left", [_link(ids["base"], 0)])
    admin("setInheritanceData", "right", [_link(ids["base"], 0)])
    links = admin("getFullInheritance", "top")
    assert [(link["name"], link["currdepth"]) for link in links] == [("left", 1), ("base", 2), ("right", 1)]
    with pytest.raises(koji.GenericError, match="same priority"):
        admin("setInheritanceData", "top", [_link(ids["base"], 10)])
    admin("setInheritanceData", "top", [{"parent_id": ids["left"], "delete link": True}])
    assert [link["name"] for link in admin("getFullInheritance", "top")] == ["right", "base"]
    below = admin("getFullInheritance", "base", reverse=True)
    assert [link["name"] for link in below] == ["left", "right", "top"]


def test_maxdepth_and_loops_end_the_walk(admin: Caller) -> None:
    ids = [admin("createTag", name) for name in ("one", "two", "three")]
    admin("setInheritanceData", "one", [_link(ids[1], 0, maxdepth=0)])
    admin("setInheritanceData", "two", [_link(ids[2], 0)])
    admin("setInheritanceData", "three", [_link(ids[0], 0)])
    assert [link["name"] for link in admin("getFullInheritance", "one")] == ["two"]
    assert [link["name"] for link in admin("getFullInheritance", "two")] == ["three", "one"]


def test_package_lists_are_inherited_and_blocked(admin: Caller) -> None:
    assert admin("getPackageConfig", "demo-build", "tiny")["tag_name"] == "demo"
    assert admin("checkTagPackage", "demo-build", "tiny")
    admin("packageListBlock", "demo-build", "tiny")
    assert admin("getPackageConfig", "demo-build", "tiny")["blocked"]
    assert not admin("checkTagPackage", "demo-build", "tiny")
    with pytest.raises(koji.GenericError, match="is blocked in tag"):
        admin("packageListAdd", "demo-build", "tiny", owner="admin", block=False)
    admin("packageListUnblock", "demo-build", "tiny")
    assert admin("checkTagPackage", "demo-build", "tiny")
    assert [row["package_name"] for row in admin("listPackages", tagID="demo")] == ["tiny"]


def test_a_package_without_an_owner_is_refused(admin: Caller) -> None:
    with pytest.raises(koji.GenericError, match="owner not specified"):
        admin("packageListAdd", "demo", "other")


def test_groups_are_inherited_with_their_packages(admin: Caller) -> None:
    admin("groupListAdd", "demo", "build")
    admin("groupPackageListAdd", "demo", "build", "bash")
    admin("groupPackageListAdd", "demo-build", "build", "make")
    (group,) = admin("getTagGroups", "demo-build")
    assert sorted(row["package"] for row in group["packagelist"]) == ["bash", "make"]
    admin("groupPackageListBlock", "demo-build", "build", "bash")
    (group,) = admin("getTagGroups", "demo-build")
    assert [row["package"] for row in group["packagelist"]] == ["make"]
    admin("groupListAdd", "demo-build", "later")
    with pytest.raises(koji.GenericError, match="not present in tag"):
        admin("groupPackageListAdd", "demo", "later", "bash")


def test_external_repos_come_from_the_whole_inheritance(admin: Caller) -> None:
    repo = admin("createExternalRepo", "far", "http://far.example.com/$arch")
    assert repo["url"] == "http://far.example.com/$arch/"
    admin("addExternalRepoToTag", "demo", "far", 5)
    (found,) = admin("getExternalRepoList", "demo-build")
    assert (found["external_repo_name"], found["merge_mode"], found["arches"]) == ("far", "koji", None)
    with pytest.raises(koji.GenericError, match="already associated"):
        admin("addExternalRepoToTag", "demo", "far", 6)
    assert admin("editTagExternalRepo", "demo", "far", merge_mode="bare", arches="x86_64") is True
    assert admin("editTagExternalRepo", "demo", "far", priority=5) is False
    (found,) = admin("getExternalRepoList", "demo-build")
    assert (found["priority"], found["merge_mode"], found["arches"]) == (5, "bare", "x86_64")
    assert admin("listExternalRepos", queryOpts={"countOnly": True}) == 1
    admin("removeExternalRepoFromTag", "demo", "far")
    with pytest.raises(koji.GenericError, match="far not associated with tag demo"):
        admin("editTagExternalRepo", "demo", "far", priority=7)
    assert admin("getExternalRepoList", "demo-build") == []


def test_the_change_of_a_parent_changes_the_tag(admin: Caller) -> None:
    before = admin("tagLastChangeEvent", "demo-build")
    admin("packageListAdd", "demo", "other", owner="admin")
    after = admin("tagLastChangeEvent", "demo-build")
    assert after > before
    assert admin("tagFirstChangeEvent", "demo-build", after=before) == after
    assert admin("tagLastChangeEvent", "demo-build", before=after) == before
    assert admin("tagLastChangeEvent", "demo-build", inherit=False) < after
    assert admin("tagChangedSinceEvent", before, [1])
    assert not admin("tagChangedSinceEvent", after, [1, 2])


def test_targets_are_edited_and_deleted(admin: Caller) -> None:
    with pytest.raises(koji.GenericError, match="already exists"):
        admin("createBuildTarget", "demo", "demo-build", "demo")
    with pytest.raises(koji.GenericError, match="does not exist"):
        admin("createBuildTarget", "new", "nothing", "demo")
    admin("editBuildTarget", "demo", "renamed", "demo-build", "demo-build")
    assert admin("getBuildTarget", "renamed")["dest_tag_name"] == "demo-build"
    admin("deleteBuildTarget", "renamed")
    assert admin("getBuildTargets") == []
