"""Repos and buildroots as a builder makes them: the files that repoInit writes, the states, the requests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable, Dict, List

import koji
import pytest

from kojid.sandbox.hub.content import bootstrap
from kojid.sandbox.hub.kernel import Kernel, Request, Session
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

Make = Callable[..., int]
Put = Callable[..., str]
INIT, READY, EXPIRED, DELETED = 0, 1, 2, 3


@pytest.fixture
def stocked(kernel: Kernel, admin: Caller, tiny: TinyRpms) -> Caller:
    """The hub with the build tiny-1.0-1 in the tag demo, and a group there."""
    with kernel.transaction(Request(), Session(0, 1, "admin", koji.AUTHTYPES["SSL"], permissions=["admin"])) as ctx:
        rpms = [tiny.srpm, *tiny.rpms]
        assert bootstrap.import_distribution(ctx, rpms, "demo", {"build": ["tiny-data"]}) == ["tiny-1.0-1"]
        assert bootstrap.import_distribution(ctx, rpms, "demo", {"build": ["tiny-data"]}) == ["tiny-1.0-1"]
    return admin


@pytest.fixture
def new_repo(kernel: Kernel, stocked: Caller, builder: Caller, open_task: Make) -> Callable[..., Path]:
    """Have the builder begin a repo of demo-build; the repo's directory."""

    def make(*args: Any, **kwargs: Any) -> Path:
        task = open_task("newRepo", ["demo-build"])
        repo_id, event = builder("host.repoInit", "demo-build", *args, task_id=task, **kwargs)
        assert builder("repoInfo", repo_id)["create_event"] == event
        return Path(kernel.settings.pathinfo.repo(repo_id, "demo-build"))

    return make


def test_an_imported_distribution_is_linked_into_place(kernel: Kernel, stocked: Caller, tiny: TinyRpms) -> None:
    home = kernel.settings.topdir / "packages/tiny/1.0/1"
    assert (home / "noarch" / tiny.noarch.name).stat().st_ino == tiny.noarch.stat().st_ino
    assert [row["nvr"] for row in stocked("listTagged", "demo")] == ["tiny-1.0-1"]
    assert len(stocked("listRPMs")) == 3


def test_a_new_repo_holds_what_a_builder_makes_repodata_from(new_repo: Callable[..., Path], stocked: Caller) -> None:
    home = new_repo(opts={})
    assert sorted(path.name for path in home.iterdir()) == ["groups", "repo.json", "x86_64"]
    lines = (home / "x86_64/pkglist").read_text().splitlines()
    assert sorted(lines) == [
        "toplink/packages/tiny/1.0/1/noarch/tiny-data-1.0-1.noarch.rpm",
        "toplink/packages/tiny/1.0/1/x86_64/tiny-1.0-1.x86_64.rpm",
    ]
    assert all((home / "x86_64" / line).is_file() for line in lines)
    assert os.readlink(home / "x86_64/toplink") == "../../../.."
    rows = [json.loads(line) for line in (home / "x86_64/rpmlist.jsonl").read_text().splitlines()]
    assert {row["id"] for row in rows} == {row["id"] for row in stocked("listRPMs") if row["arch"] != "src"}
    assert "tiny-data" in (home / "groups/comps.xml").read_text()
    info = json.loads((home / "repo.json").read_text())
    assert {"id", "tag", "tag_id", "task_id", "event_id", "opts", "custom_opts", "with_src"} <= set(info)
    assert (home / "x86_64/blocklist").read_text() == ""


def test_sources_are_listed_only_where_asked_for(new_repo: Callable[..., Path]) -> None:
    home = new_repo(opts={"separate_src": True})
    assert (home / "src/pkglist").read_text().split() == ["toplink/packages/tiny/1.0/1/src/tiny-1.0-1.src.rpm"]
    assert "src.rpm" not in (home / "x86_64/pkglist").read_text()
    assert "src.rpm" in (new_repo(opts={"src": True}) / "x86_64/pkglist").read_text()


def test_the_older_form_of_repo_init_is_understood(
    builder: Caller, stocked: Caller, open_task: Make, new_repo: Callable[..., Path]
) -> None:
    task = open_task("newRepo", ["demo-build"])
    repo_id, _event = builder("host.repoInit", 2, task, True, False, None, True)
    assert builder("repoInfo", repo_id)["custom_opts"] == {"src": True, "separate_src": True}
    home = new_repo(with_src=False, with_debuginfo=False, event=stocked("getLastEvent")["id"], with_separate_src=True)
    assert (home / "src").is_dir()


def test_blocked_packages_are_listed_and_left_out(new_repo: Callable[..., Path], stocked: Caller) -> None:
    stocked("packageListBlock", "demo-build", "tiny")
    home = new_repo()
    assert (home / "x86_64/blocklist").read_text() == "tiny\n"
    assert (home / "x86_64/pkglist").read_text() == ""


def test_a_repo_of_an_event_shows_the_tag_as_it_was(new_repo: Callable[..., Path], stocked: Caller) -> None:
    before = stocked("getLastEvent")["id"]
    stocked("untagBuild", "demo", "tiny-1.0-1")
    assert (new_repo(event=before) / "x86_64/pkglist").read_text().count("\n") == 2
    assert (new_repo() / "x86_64/pkglist").read_text() == ""
    with pytest.raises(koji.GenericError, match="No such event"):
        new_repo(event=9999)


class Finished:
    """A repo with its createrepo subtask's uploads, ready for repoDone."""

    def __init__(self, kernel: Kernel, builder: Caller, open_task: Make, put: Put, directory: Path) -> None:
        self.task = open_task("newRepo", ["demo-build"])
        self.id, self.event = builder("host.repoInit", "demo-build", task_id=self.task)
        self.child = open_task("createrepo", [self.id, "x86_64", None], parent=self.task, label="x86_64")
        for name in ("repomd.xml", "x86_64-pkglist"):
            (directory / name).write_text(name)
            put(self.child, directory / name)
        self.uploads = f"tasks/{self.child}/{self.child}"
        self.home = Path(kernel.settings.pathinfo.repo(self.id, "demo-build"))


@pytest.fixture
def finished(
    kernel: Kernel, stocked: Caller, builder: Caller, open_task: Make, put: Put, tmp_path: Path
) -> Callable[[], Finished]:
    return lambda: Finished(kernel, builder, open_task, put, tmp_path)


def test_a_done_repo_is_ready_with_its_repodata_in_place(
    stocked: Caller, builder: Caller, finished: Callable[[], Finished]
) -> None:
    repo = finished()
    data = {"x86_64": [repo.uploads, ["repomd.xml", "x86_64-pkglist"]]}
    builder("host.repoDone", repo.id, data, repo_json_updates={"cloned_from_repo_id": 7})
    assert (repo.home / "x86_64/repodata/repomd.xml").read_text() == "repomd.xml"
    assert (repo.home / "x86_64/x86_64-pkglist").is_file()
    assert json.loads((repo.home / "repo.json").read_text())["cloned_from_repo_id"] == 7
    assert os.readlink(repo.home.parent / "latest") == str(repo.id)
    found = stocked("getRepo", "demo-build")
    assert (found["id"], found["state"], found["task_id"]) == (repo.id, READY, repo.task)
    with pytest.raises(koji.GenericError, match="not in INIT state"):
        builder("host.repoDone", repo.id, data)


def test_repodata_that_is_missing_or_somebody_elses_is_refused(
    builder: Caller, finished: Callable[[], Finished], open_task: Make, put: Put, tmp_path: Path
) -> None:
    repo = finished()
    stranger = open_task("sleep", [1])
    put(stranger, tmp_path / "repomd.xml")
    wrong: List[Dict[str, Any]] = [
        {"x86_64": [repo.uploads, ["gone.xml"]]},
        {"x86_64": [f"tasks/{stranger}/{stranger}", ["repomd.xml"]]},
        {"ppc64le": [repo.uploads, ["repomd.xml"]]},
    ]
    for data in wrong:
        with pytest.raises(koji.GenericError, match=r"No such file|upload directory|arch directory missing"):
            builder("host.repoDone", repo.id, data)
    assert builder("repoInfo", repo.id)["state"] == INIT
    assert not (repo.home / "x86_64/repodata").exists()


def test_repos_expire_and_are_deleted_when_no_buildroot_needs_them(
    stocked: Caller, builder: Caller, finished: Callable[[], Finished]
) -> None:
    repo = finished()
    builder("host.repoDone", repo.id, {})
    root = builder("host.newBuildRoot", repo.id, "x86_64", task_id=repo.task)
    stocked("repoExpire", repo.id)
    assert stocked("getRepo", "demo-build") is None
    assert stocked("repoDelete", repo.id) == 1
    builder("host.setBuildRootState", root, "EXPIRED")
    assert stocked("repoDelete", repo.id) == 0
    assert stocked("repoInfo", repo.id)["state"] == DELETED
    with pytest.raises(koji.GenericError, match="deleted"):
        stocked("repoExpire", repo.id)


def test_a_request_makes_one_task_and_is_answered_by_its_repo(
    stocked: Caller, builder: Caller, finished: Callable[[], Finished]
) -> None:
    first = stocked("repo.request", "demo-build", min_event="last")
    assert (first["repo"], first["duplicate"]) == (None, False)
    task = stocked("getTaskInfo", first["request"]["task_id"], request=True)
    assert task["method"] == "newRepo"
    assert task["request"] == [{"id": 2, "name": "demo-build"}, {"opts": {}, "__starstar": True}]
    second = stocked("repo.request", "demo-build", min_event="last")
    assert (second["request"]["id"], second["duplicate"]) == (first["request"]["id"], True)
    waiting = stocked("repo.checkRequest", first["request"]["id"])
    assert (waiting["repo"], waiting["task"]["id"]) == (None, task["id"])
    repo = finished()
    builder("host.repoDone", repo.id, {})
    answered = stocked("repo.checkRequest", first["request"]["id"])
    assert (answered["repo"]["id"], answered["request"]["active"]) == (repo.id, False)
    again = stocked("repo.request", "demo-build", min_event="last")
    assert (again["repo"]["id"], again["request"]) == (repo.id, None)
    stocked("packageListAdd", "demo", "other", owner="admin")
    assert stocked("repo.request", "demo-build", min_event="last")["repo"] is None
    assert stocked("repo.request", "demo-build")["repo"]["id"] == repo.id  # changes within the lag are let pass
    stocked("editTag2", "demo-build", extra={"repo.lag": 0})
    assert stocked("repo.request", "demo-build")["repo"] is None


def test_a_request_for_other_options_is_not_answered_by_a_usual_repo(
    stocked: Caller, builder: Caller, finished: Callable[[], Finished]
) -> None:
    builder("host.repoDone", finished().id, {})
    assert stocked("repo.request", "demo-build", opts={"src": False})["repo"] is not None
    assert stocked("repo.request", "demo-build", opts={"src": True})["repo"] is None
    with pytest.raises(koji.ParameterError, match="Invalid repo option"):
        stocked("repo.request", "demo-build", opts={"unheard": True})
    with pytest.raises(koji.ParameterError, match="conflict"):
        stocked("repo.request", "demo-build", min_event="last", at_event=1)


def test_the_task_of_a_request_is_made_again_when_it_failed(stocked: Caller, builder: Caller) -> None:
    request = stocked("repo.request", "demo-build")["request"]
    builder("host.openTask", request["task_id"])
    builder("host.failTask", request["task_id"], koji.xmlrpcplus.dumps(koji.xmlrpcplus.Fault(1000, "broken")))
    again = stocked("repo.checkRequest", request["id"])["request"]
    assert again["task_id"] != request["task_id"]
    assert (again["tries"], again["active"]) == (2, True)


class Root:
    """A buildroot of an open task."""

    def __init__(self, builder: Caller, open_task: Make, repo_id: int) -> None:
        self.task = open_task("buildArch", ["x", 2, "x86_64", True, {}])
        self.id = builder("host.newBuildRoot", repo_id, "x86_64", task_id=self.task)


def _listed(caller: Caller, root: int) -> Dict[str, bool]:
    return {row["name"]: row["is_update"] for row in caller("listRPMs", componentBuildrootID=root)}


def test_a_buildroot_goes_through_its_states(
    stocked: Caller, builder: Caller, finished: Callable[[], Finished], open_task: Make
) -> None:
    repo = finished()
    root = Root(builder, open_task, repo.id)
    known = [row for row in stocked("listRPMs") if row["arch"] != "src"]
    first = [{key: row[key] for key in ("name", "version", "release", "epoch", "arch")} for row in known[:1]]
    with pytest.raises(koji.GenericError, match="wrong state"):
        builder("host.updateBuildRootList", root.id, first)
    builder("host.setBuildRootList", root.id, first)
    builder("host.setBuildRootState", root.id, "BUILDING")
    with pytest.raises(koji.GenericError, match="wrong state"):
        builder("host.setBuildRootList", root.id, first)
    builder("host.updateBuildRootList", root.id, [{"id": row["id"]} for row in known])
    assert _listed(stocked, root.id) == {known[0]["name"]: False, known[1]["name"]: True}
    with pytest.raises(koji.GenericError, match="to INIT"):
        builder("host.setBuildRootState", root.id, 0)
    builder("host.setBuildRootState", root.id, "EXPIRED")
    builder("host.setBuildRootState", root.id, koji.BR_STATES["EXPIRED"])
    with pytest.raises(koji.GenericError, match="is EXPIRED"):
        builder("host.setBuildRootState", root.id, "BUILDING")
    assert builder("listBuildroots", hostID=1, state=[0, 1, 2]) == []
    (row,) = builder("listBuildroots", buildrootID=[root.id])
    assert (row["state"], row["task_id"], row["tag_name"], row["host_name"]) == (3, root.task, "demo-build", "builder")
    assert [entry["name"] for entry in stocked("getBuildrootListing", root.id)] == [row["name"] for row in known]


def test_unknown_and_changed_rpms_are_refused(
    stocked: Caller, builder: Caller, finished: Callable[[], Finished], open_task: Make
) -> None:
    repo = finished()
    stocked("createExternalRepo", "far", "http://far.example.com/")
    rpm: Dict[str, Any] = {"name": "bash", "version": "5", "release": "1", "epoch": None, "arch": "x86_64"}
    with pytest.raises(koji.GenericError, match="No such rpm"):
        builder("host.setBuildRootList", Root(builder, open_task, repo.id).id, [rpm])
    rpm.update(payloadhash="ab", size=1, buildtime=2, location="far")
    builder("host.setBuildRootList", Root(builder, open_task, repo.id).id, [rpm])
    builder("host.setBuildRootList", Root(builder, open_task, repo.id).id, [rpm])
    assert stocked("getRPM", "bash-5-1.x86_64")["external_repo_name"] == "far"
    changed = {**rpm, "payloadhash": "cd"}
    with pytest.raises(koji.GenericError, match="hash changed for external rpm"):
        builder("host.setBuildRootList", Root(builder, open_task, repo.id).id, [changed])
    incomplete = {**rpm, "version": "6", "size": None}
    with pytest.raises(koji.GenericError, match="Invalid value for size"):
        builder("host.setBuildRootList", Root(builder, open_task, repo.id).id, [incomplete])


def test_new_repo_is_asked_for_with_a_permission(kernel: Kernel, stocked: Caller) -> None:
    task = stocked("getTaskInfo", stocked("newRepo", "demo-build"), request=True)
    assert (task["method"], task["request"], task["priority"]) == ("newRepo", ["demo-build"], 15)
    with pytest.raises(koji.ActionNotAllowed):
        Caller(kernel, "user")("newRepo", "demo-build")
    with pytest.raises(koji.GenericError, match="No such tag"):
        stocked("newRepo", "nothing")
