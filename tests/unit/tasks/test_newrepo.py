from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import koji
import koji.tasks
import pytest

from kojid.tasks.newrepo import NewRepoTask
from tests.support.faketask import REPO, TAG, ScriptedSession, Subtasks, make_handler, sequence

OPTS = {"src": False, "debuginfo": False, "separate_src": False, "maven": False}


def lay_out(options: Any, repo_id: int, tag: str = "demo-build", arches: str = "x86_64", **content: str) -> Path:
    """A repository's directory as the hub makes it."""
    top = Path(options.topdir, "repos", tag, str(repo_id))
    (top / "groups").mkdir(parents=True)
    (top / "groups" / "comps.xml").write_text("<comps/>")
    (top / "repo.json").write_text(json.dumps({"id": repo_id, "opts": OPTS, "with_src": False}))
    for arch in arches.split():
        (top / arch).mkdir()
        (top / arch / "pkglist").write_text(content.get(arch, ""))
        (top / arch / "blocklist").write_text("")
    return top


def finish(top: Path, arches: str = "x86_64") -> None:
    for arch in arches.split():
        (top / arch / "repodata").mkdir()
        (top / arch / "repodata" / "repomd.xml").write_text(f"<repomd {arch}/>")


class Hub(ScriptedSession):
    def __init__(self, arches: str = "x86_64", **more: Any) -> None:
        self.subtasks = Subtasks(
            {arch: [f"tasks/90{n}/90{n}", ["repomd.xml"]] for n, arch in enumerate(arches.split())}
        )
        answers = {"getTag": TAG, "host.repoInit": [6, 344], "getRepo": REPO, "host.repoDone": None}
        super().__init__({**answers, "getExternalRepoList": [], **self.subtasks.answers()}, **more)

    @property
    def done(self) -> Any:
        return self.arguments("host.repoDone")[0]


def run(hub: Hub, options: Any, *params: Any, **named: Any) -> Any:
    args = list(params) or [2]
    if named:
        args.append({**named, "__starstar": True})
    return make_handler(NewRepoTask, "newRepo", args, hub, options, task_id=406).run()


@pytest.mark.parametrize(("arches", "old"), [("x86_64", REPO), ("i386 x86_64", REPO)])
def test_each_arch_is_made_by_a_subtask(options: Any, arches: str, old: Any) -> None:
    lay_out(options, 6, arches=arches)
    hub = Hub(arches)
    assert tuple(run(hub, options)) == (6, 344)
    assert hub.arguments("host.repoInit") == [((2,), {"opts": None, "task_id": 406})]
    for spawned, arch in zip(hub.subtasks.spawned, arches.split()):
        assert spawned == {
            "method": "createrepo",
            "arglist": [6, arch, old],
            "label": arch,
            "parent": 406,
            "arch": "noarch",
        }
    assert hub.done == ((6, hub.subtasks.results), {})


def test_the_hub_is_asked_as_recorded(options: Any) -> None:
    lay_out(options, 6)
    hub = Hub()
    run(hub, options)
    assert hub.names == sequence("newRepo")
    hub = Hub(getRepo=None, getFullInheritance=[{"parent_id": 1, "name": "demo", "currdepth": 1}])
    run(hub, options)
    assert hub.names == sequence("newRepo-inherited")
    assert hub.subtasks.spawned[0]["arglist"] == [6, "x86_64", None]


def test_an_event_is_handed_on(options: Any) -> None:
    lay_out(options, 6)
    hub = Hub()
    run(hub, options, "demo-build", 300, opts={"src": True})
    assert hub.arguments("getTag") == [(("demo-build",), {"strict": True, "event": 300})]
    assert hub.arguments("host.repoInit") == [((2,), {"opts": {"src": True}, "task_id": 406, "event": 300})]


def test_parameters_of_old_callers_become_options(options: Any) -> None:
    lay_out(options, 6)
    hub = Hub()
    run(hub, options, 2, None, True, False, None)
    assert hub.arguments("host.repoInit")[0][1]["opts"] == {"src": True, "debuginfo": False}


def test_old_parameters_and_options_together_are_refused(options: Any) -> None:
    hub = Hub()
    with pytest.raises(koji.ParameterError, match="cannot be combined"):
        run(hub, options, 2, None, True, opts={})
    assert "host.repoInit" not in hub.names


def test_a_host_without_the_volume_leaves_it_to_another(options: Any) -> None:
    hub = Hub()
    with pytest.raises(koji.tasks.RefuseTask, match="No access to repos dir"):
        run(hub, options)
    assert "host.repoInit" not in hub.names


def test_a_directory_that_is_not_to_be_seen_here_is_named(options: Any) -> None:
    Path(options.topdir, "repos").mkdir()
    with pytest.raises(koji.GenericError, match="Repo directory missing: .*/repos/demo-build/6"):
        run(Hub(), options)


def test_an_arch_that_fails_fails_the_repository(options: Any) -> None:
    lay_out(options, 6)
    hub = Hub()
    hub.subtasks.results["x86_64"] = koji.GenericError("failed to create repo")
    with pytest.raises(koji.GenericError, match="failed to create repo"):
        run(hub, options)
    assert "host.repoDone" not in hub.names


class TestOlderHubs:
    def asked(self, options: Any, *params: Any, version: Any = (1, 33, 2), **tag_extra: Any) -> Hub:
        lay_out(options, 6)
        hub = Hub(getTag={**TAG, "extra": tag_extra})
        hub.hub_version = version
        run(hub, options, *params)
        return hub

    def test_options_are_told_one_by_one(self, options: Any) -> None:
        hub = self.asked(options, 2, None, True, False, None)
        assert hub.arguments("host.repoInit") == [((2,), {"with_src": True, "task_id": 406})]

    def test_the_tags_wish_for_debuginfo_is_the_builders_to_see(self, options: Any) -> None:
        hub = self.asked(options, with_debuginfo=True)
        assert hub.arguments("host.repoInit") == [((2,), {"with_debuginfo": True, "task_id": 406})]

    def test_a_repository_of_an_event_expires_at_once(self, options: Any) -> None:
        hub = self.asked(options, 2, 300)
        assert hub.arguments("host.repoInit") == [((2,), {"task_id": 406, "event": 300})]
        assert hub.done[1] == {"expire": True}

    @pytest.mark.parametrize(("version", "noted"), [((1, 33, 2), False), ((1, 34, 3), True)])
    def test_what_was_taken_over_is_told_to_those_that_note_it(self, options: Any, version: Any, noted: bool) -> None:
        options.copy_old_repodata = True
        finish(lay_out(options, REPO["id"]))
        assert ("repo_json_updates" in self.asked(options, version=version).done[1]) is noted


class TestTheOldRepository:
    def found(self, options: Any, hub: Hub) -> Any:
        lay_out(options, 6)
        run(hub, options)
        return hub.subtasks.spawned[0]["arglist"][2]

    def test_is_not_looked_for_when_it_would_not_be_used(self, options: Any) -> None:
        options.createrepo_update = False
        hub = Hub()
        assert self.found(options, hub) is None
        assert "getRepo" not in hub.names

    @pytest.mark.parametrize("hint", ["other-build", ["no-such-tag", "other-build"]])
    def test_can_be_that_of_a_tag_named_as_a_hint(self, options: Any, hint: Any) -> None:
        tags = {"other-build": {"id": 50, "name": "other-build"}, 2: {**TAG, "extra": {"repo.oldrepo_hint": hint}}}
        repos = {50: {"id": 3, "create_event": 5}}
        hub = Hub(getTag=lambda tag, **_more: tags.get(tag), getRepo=lambda tag: repos.get(tag))
        assert self.found(options, hub) == {"id": 3, "create_event": 5, "tag_id": 50}

    def test_can_be_that_of_the_nearest_parent_that_has_one(self, options: Any) -> None:
        parents = [
            {"parent_id": 11, "name": "far", "currdepth": 2},
            {"parent_id": 10, "name": "near", "currdepth": 1},
        ]
        repos = {10: {"id": 3, "create_event": 5}, 11: {"id": 4, "create_event": 6}}
        hub = Hub(getRepo=lambda tag: repos.get(tag), getFullInheritance=parents)
        assert self.found(options, hub)["id"] == 3


class TestCopiedRepodata:
    @pytest.fixture(autouse=True)
    def _enabled(self, options: Any) -> None:
        options.copy_old_repodata = True

    def lay_out_both(self, options: Any, old: Dict[str, str], new: Dict[str, str]) -> Path:
        arches = " ".join(old)
        before = lay_out(options, 4, arches=arches, **old)
        finish(before, arches)
        lay_out(options, 6, arches=arches, **new)
        return before

    def test_each_arch_gets_its_own(self, options: Any) -> None:
        """In one directory on the hub the repomd.xml of one arch would replace the other's."""
        content = {"i386": "a\n", "x86_64": "b\n"}
        self.lay_out_both(options, content, content)
        hub = Hub("i386 x86_64")
        run(hub, options)
        (_repo, data), updates = hub.done
        assert {arch: tuple(files) for arch, files in data.items()} == {
            "i386": ("tasks/406/406/i386", ["repomd.xml"]),
            "x86_64": ("tasks/406/406/x86_64", ["repomd.xml"]),
        }
        for arch in content:
            assert hub.uploads[f"tasks/406/406/{arch}/repomd.xml"] == f"<repomd {arch}/>".encode()
        assert updates == {"repo_json_updates": {"cloned_from_repo_id": 4, "cloned_archs": ["i386", "x86_64"]}}
        assert hub.subtasks.spawned == []

    def test_an_arch_that_has_changed_is_made_anew(self, options: Any) -> None:
        self.lay_out_both(options, {"i386": "a\n", "x86_64": "b\n"}, {"i386": "a\n", "x86_64": "c\n"})
        hub = Hub("x86_64")
        run(hub, options)
        assert [spawned["label"] for spawned in hub.subtasks.spawned] == ["x86_64"]
        assert hub.done[1]["repo_json_updates"]["cloned_archs"] == ["i386"]
        assert sorted(hub.done[0][1]) == ["i386", "x86_64"]

    def test_what_can_not_be_copied_is_made_anew(self, options: Any) -> None:
        content = {"x86_64": "b\n"}
        self.lay_out_both(options, content, content)
        hub = Hub("x86_64", rawUpload=koji.GenericError("disk full"))
        run(hub, options)
        assert [spawned["label"] for spawned in hub.subtasks.spawned] == ["x86_64"]
        assert hub.done[1] == {}

    def test_external_repos_rule_it_out(self, options: Any) -> None:
        content = {"x86_64": "b\n"}
        self.lay_out_both(options, content, content)
        external: List[Any] = [{"url": "http://x/"}]
        hub = Hub("x86_64", getExternalRepoList=external)
        run(hub, options)
        assert len(hub.subtasks.spawned) == 1
