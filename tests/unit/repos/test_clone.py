from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.hub.upload import Uploader
from kojid.repos.clone import arches_to_clone, repo_json_updates, upload
from tests.support.fakebuildroot import FakeSession

OLD = {"id": 3, "tag_id": 2, "create_event": 100}
NEW = {"id": 4, "tag_id": 2, "create_event": 186}
ARCHES = ("x86_64", "i386")


def lay_out(directory: Path, *, done: bool) -> Path:
    (directory / "groups").mkdir(parents=True)
    (directory / "groups/comps.xml").write_text("<comps/>")
    description = {"id": directory.name, "opts": {"src": False}, "with_src": False, "event_id": directory.name}
    (directory / "repo.json").write_text(json.dumps(description))
    for arch in ARCHES:
        (directory / arch).mkdir()
        (directory / arch / "pkglist").write_text(f"{arch}.rpm\n")
        (directory / arch / "blocklist").touch()
        if done:
            (directory / arch / "repodata").mkdir()
            (directory / arch / "repodata/repomd.xml").write_text(f"repomd of {arch}")
            (directory / arch / f"repodata/{arch}-primary.xml.gz").write_text("primary")
    return directory


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "3", done=True)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "4", done=False)


def arches(session: FakeSession, old: Path, new: Path) -> list[str]:
    return arches_to_clone(session, OLD, NEW, old, new, ARCHES)


def test_what_has_not_changed_is_taken_over(session: FakeSession, old: Path, new: Path) -> None:
    assert arches(session, old, new) == ["x86_64", "i386"]
    assert session.calls == [
        ("getExternalRepoList", (2,), {"event": 186}),
        ("getExternalRepoList", (2,), {"event": 100}),
    ]


@pytest.mark.parametrize("name", ["pkglist", "blocklist"])
def test_an_arch_that_has_changed_is_not(session: FakeSession, old: Path, new: Path, name: str) -> None:
    (new / "i386" / name).write_text("another\n")
    assert arches(session, old, new) == ["x86_64"]


def test_an_arch_without_metadata_is_not(session: FakeSession, old: Path, new: Path) -> None:
    (old / "i386/repodata/repomd.xml").unlink()
    assert arches(session, old, new) == ["x86_64"]


@pytest.mark.parametrize("change", [
    {"opts": {"src": True}}, {"custom_opts": {"x": 1}}, {"with_src": True}, {"with_debuginfo": True},
])  # fmt: skip
def test_other_options_rule_it_out(session: FakeSession, old: Path, new: Path, change: dict[str, Any]) -> None:
    description = json.loads((new / "repo.json").read_text())
    (new / "repo.json").write_text(json.dumps({**description, **change}))
    assert arches(session, old, new) == []


def test_other_groups_rule_it_out(session: FakeSession, old: Path, new: Path) -> None:
    (new / "groups/comps.xml").write_text("<comps><group/></comps>")
    assert arches(session, old, new) == []
    (new / "groups/comps.xml").unlink()
    assert arches(session, old, new) == []


@pytest.mark.parametrize("event", [186, 100])
def test_external_repos_on_either_side_rule_it_out(session: FakeSession, old: Path, new: Path, event: int) -> None:
    session.answers["getExternalRepoList"] = lambda tag, event=None: [{"url": "x"}] if event == which else []
    which = event
    assert arches(session, old, new) == []


@pytest.mark.parametrize("content", [None, "{"])
def test_a_repo_without_a_description_rules_it_out(session: FakeSession, old: Path, new: Path, content: Any) -> None:
    (old / "repo.json").unlink()
    if content:
        (old / "repo.json").write_text(content)
    assert arches(session, old, new) == []


def test_each_arch_gets_a_place_of_its_own_on_the_hub(session: FakeSession, old: Path) -> None:
    uploader = Uploader(session, "tasks/5/10005")
    data = {arch: upload(uploader, old, arch) for arch in ARCHES}
    assert data == {
        "x86_64": ("tasks/5/10005/x86_64", ["repomd.xml", "x86_64-primary.xml.gz"]),
        "i386": ("tasks/5/10005/i386", ["i386-primary.xml.gz", "repomd.xml"]),
    }
    assert session.files["tasks/5/10005/x86_64/repomd.xml"] == b"repomd of x86_64"
    assert session.files["tasks/5/10005/i386/repomd.xml"] == b"repomd of i386"


def test_half_of_the_metadata_is_not_taken_over(session: FakeSession, old: Path) -> None:
    (old / "i386/repodata/repomd.xml").unlink()
    with pytest.raises(koji.GenericError, match="not complete"):
        upload(Uploader(session, "tasks/5/10005"), old, "i386")


def test_the_hub_is_told_what_was_taken_over() -> None:
    assert repo_json_updates(3, ("x86_64",)) == {"cloned_from_repo_id": 3, "cloned_archs": ["x86_64"]}


def test_a_package_made_anew_under_its_old_name_is_a_change(session: FakeSession, old: Path, new: Path) -> None:
    rpm = {"name": "a", "version": "1", "release": "2", "arch": "i686", "id": 5, "payloadhash": "aa"}
    for directory, changes in ((old, {}), (new, {"id": 9, "payloadhash": "bb"})):
        (directory / "i386/rpmlist.jsonl").write_text(json.dumps({**rpm, **changes}) + "\n")
        (directory / "x86_64/rpmlist.jsonl").write_text(json.dumps({**rpm, "arch": "noarch"}) + "\n")
    assert arches(session, old, new) == ["x86_64"]
    (old / "x86_64/rpmlist.jsonl").write_text("<html>")
    assert arches(session, old, new) == []


def test_metadata_with_a_file_missing_is_not_taken_over(session: FakeSession, old: Path) -> None:
    repomd = old / "x86_64/repodata/repomd.xml"
    repomd.write_text('<data type="other"><location href="repodata/other.xml.gz"/></data>')
    with pytest.raises(koji.GenericError, match="is not complete"):
        upload(Uploader(session, "tasks/1/1"), old, "x86_64")
