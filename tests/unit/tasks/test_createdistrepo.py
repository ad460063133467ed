from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Dict, List

import koji
import koji.plugin
import koji.tasks
import pytest

from kojid.tasks.createdistrepo import createDistRepoTask
from tests.support.faketask import ScriptedSession, make_handler

REPO = {"id": 3, "tag_id": 1, "tag_name": "demo", "state": koji.REPO_INIT, "dist": True}
BUILD = {"id": 4, "name": "hello", "version": "1.0", "release": "1", "volume_name": "DEFAULT", "nvr": "hello-1.0-1"}
OPTS: Dict[str, Any] = {
    "arch": ["x86_64"], "comps": None, "delta": [], "event": 74, "volume": None, "inherit": True, "latest": True,
    "multilib": None, "split_debuginfo": False, "skip_missing_signatures": False, "allow_missing_signatures": False,
    "zck": False, "zck_dict_dir": None, "write_signed_rpms": False,
}  # fmt: skip


class Site:
    """A volume with a build, a dist-repo in the making and the hub that knows of both."""

    def __init__(self, options: Any, packages: Dict[str, Path]) -> None:
        self.options = options
        self.top = Path(options.topdir)
        self.paths = koji.PathInfo(options.topdir)
        (self.top / "repos-dist/demo/3/x86_64").mkdir(parents=True)
        self.rpms = [self.row(number, name) for number, name in enumerate(sorted(packages), 7) if ".src." not in name]
        self.files = packages
        for rpm in self.rpms:
            self.put(rpm, "data/signed/aaaa/")
        self.hub = ScriptedSession(
            repoInfo=REPO, getRepo=None, getTaskInfo={"id": 210}, listTaggedRPMS=[self.rpms, [BUILD]]
        )

    def row(self, number: int, name: str) -> Dict[str, Any]:
        return {**koji.parse_NVRA(name), "id": number, "build_id": 4, "sigkey": "aaaa"}

    def put(self, rpm: Dict[str, Any], below: str) -> Path:
        name = f"{rpm['name']}-{rpm['version']}-{rpm['release']}.{rpm['arch']}.rpm"
        target = Path(self.paths.build(BUILD), below, rpm["arch"], name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.files[name], target)
        return target

    def run(self, keys: Any = ("AAAA",), tag: Any = "demo", **opts: Any) -> None:
        params = [tag, 3, "x86_64", list(keys), {**OPTS, **opts}]
        make_handler(createDistRepoTask, "createdistrepo", params, self.hub, self.options, task_id=210).run()

    def uploaded(self, name: str) -> str:
        return self.hub.uploads[f"tasks/210/210/{name}"].decode()


@pytest.fixture
def site(options: Any, packages: Dict[str, Path]) -> Site:
    if not Path("/usr/bin/createrepo_c").exists():
        pytest.skip("needs createrepo_c")
    return Site(options, packages)


def test_one_question_brings_the_packages_of_all_compatible_arches(site: Site) -> None:
    site.run()
    assert site.hub.arguments("listTaggedRPMS") == [
        (
            ("demo",),
            {
                "event": 74,
                "arch": ["amd64", "ia32e", "x86_64", "noarch"],
                "latest": True,
                "inherit": True,
                "rpmsigs": True,
            },
        )
    ]
    assert site.hub.names == ["repoInfo", "getRepo", "listTaggedRPMS", "getTaskInfo"]


def test_what_the_hub_needs_is_uploaded(site: Site) -> None:
    site.run()
    manifest = json.loads(site.uploaded("repo_manifest"))
    assert {"./kojipkgs", "./pkglist", "repodata/repomd.xml"} < set(manifest)
    assert not [name for name in manifest if name.endswith(".rpm")]
    kept = json.loads(site.uploaded("kojipkgs"))
    assert {rpm["sigkey"] for rpm in kept.values()} == {"aaaa"}
    assert site.uploaded("pkglist").splitlines()[0].startswith("Packages/h/hello-")
    assert "createrepo_c" in site.uploaded("createrepo.log")


@pytest.mark.parametrize("tag", ["demo", 1])
def test_older_metadata_is_looked_for_by_the_name_of_the_tag(site: Site, tag: Any) -> None:
    old = site.top / "repos-dist/demo/2/x86_64/repodata"
    old.mkdir(parents=True)
    (old / "repomd.xml").write_text('<repomd xmlns="http://linux.duke.edu/metadata/repo"/>')
    site.hub.answer("getRepo", {**REPO, "id": 2, "state": koji.REPO_READY})
    site.run(tag=tag)
    assert site.hub.arguments("getRepo") == [((tag,), {"dist": True, "state": koji.REPO_READY})]
    assert "--update" in site.uploaded("createrepo.log")


def test_callbacks_see_the_outcome(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: List[Any] = []

    def callback(cbtype: str, *_args: Any, **kwargs: Any) -> None:
        seen.append((cbtype, kwargs, (Path(kwargs["repodir"]) / "repodata/repomd.xml").exists()))

    monkeypatch.setitem(koji.plugin.callbacks, "postCreateDistRepo", [callback])
    site.run()
    ((cbtype, kwargs, made),) = seen
    assert (cbtype, made) == ("postCreateDistRepo", True)
    assert (kwargs["tag"], kwargs["repo_id"], kwargs["arch"], kwargs["keys"]) == ("demo", 3, "x86_64", ["AAAA"])


def test_the_unsigned_copies_serve_where_that_is_allowed(site: Site) -> None:
    for rpm in site.rpms:
        site.put(rpm, "")
    site.run(keys=["BBBB"], allow_missing_signatures=True)
    kept = json.loads(site.uploaded("kojipkgs"))
    assert {rpm["sigkey"] for rpm in kept.values()} == {None}
    assert len(kept) == len(site.rpms)
    assert "aaaa" in site.uploaded("missing_signatures.log")


def test_copies_that_can_not_be_written_are_told_and_then_missing(site: Site) -> None:
    Path(site.paths.build(BUILD), site.paths.signed(site.rpms[0], "aaaa")).unlink()
    site.hub.answer("host.writeSignedRPM", koji.GenericError("no header"), None)
    with pytest.raises(koji.GenericError, match=r"Packages missing from the filesystem. See missing_files.log."):
        site.run(write_signed_rpms=True)
    assert site.uploaded("written_signed_rpms.log").startswith("FAILED: ")
    assert "data/signed/aaaa" in site.uploaded("missing_files.log")


def test_drafts_are_refused_before_anything_is_made(site: Site) -> None:
    site.hub.answer("listTaggedRPMS", [site.rpms, [{**BUILD, "draft": True}]])
    with pytest.raises(koji.BuildError, match="Draft build"):
        site.run()
    assert site.hub.uploads == {}


@pytest.mark.parametrize("gone", ["repos-dist", "packages"])
def test_a_host_without_the_volume_leaves_it_to_another(site: Site, gone: str) -> None:
    shutil.rmtree(site.top / gone)
    with pytest.raises(koji.tasks.RefuseTask, match=f"No access to .*{gone}"):
        site.run()


def test_a_host_without_the_volume_of_a_build_leaves_it_to_another(site: Site) -> None:
    site.hub.answer("listTaggedRPMS", [site.rpms, [{**BUILD, "volume_name": "far"}]])
    with pytest.raises(koji.tasks.RefuseTask, match="volume far"):
        site.run()


def test_a_repository_that_is_not_in_the_making(site: Site) -> None:
    site.hub.answer("repoInfo", {**REPO, "state": koji.REPO_READY})
    with pytest.raises(koji.GenericError, match=r"Repo 3 not in INIT state \(got 1\)"):
        site.run()


def test_a_directory_that_is_not_there_is_named(site: Site) -> None:
    shutil.rmtree(site.top / "repos-dist/demo/3")
    with pytest.raises(koji.GenericError, match="Repo directory missing: .*/repos-dist/demo/3"):
        site.run()


@pytest.mark.parametrize(("older", "words"), [
    ({"dist": False}, "Repo 2 is no dist-repo"),
    ({}, "deltas are to be made against is missing"),
])  # fmt: skip
def test_deltas_against_what_is_none(site: Site, older: Dict[str, Any], words: str) -> None:
    site.hub.answer("repoInfo", lambda repo, **_more: REPO if repo == 3 else {**REPO, "id": 2, **older})
    with pytest.raises(koji.GenericError, match=words):
        site.run(delta=[2])


def test_the_multilib_configuration_is_one_of_the_work_directory(site: Site) -> None:
    with pytest.raises(koji.GenericError, match="Invalid path"):
        site.run(multilib="../../etc/shadow")
