from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.buildroot import download, repocontent
from kojid.buildroot.repocontent import RepoContent
from tests.support.fakebuildroot import REPO, FakeSession, buildroot_options

EXTERNAL = {
    "arches": None,
    "external_repo_id": 1,
    "external_repo_name": "distro",
    "merge_mode": "koji",
    "priority": 5,
    "tag_id": 2,
    "tag_name": "demo-build",
    "url": "http://ext/$arch/",
}


def package(name: str, payloadhash: str = "aa") -> dict[str, Any]:
    return {"name": name, "version": "1", "release": "2", "arch": "x86_64", "payloadhash": payloadhash}


class Repo:
    """A repo on a volume in a directory of the test's own, and what is asked of it."""

    def __init__(self, directory: Path, session: FakeSession) -> None:
        self.arch_dir = directory / "mnt/repos/demo-build/4/x86_64"
        (self.arch_dir / "repodata").mkdir(parents=True)
        self._session = session
        self._options = buildroot_options(directory)

    @property
    def content(self) -> RepoContent:
        return RepoContent(self._session, self._options, REPO, "x86_64")

    def lists(self, *rows: dict[str, Any]) -> None:
        (self.arch_dir / "rpmlist.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def has_origins(self, text: str) -> None:
        (self.arch_dir / "repodata/x-pkgorigins.gz").write_bytes(gzip.compress(text.encode()))
        self.repomd('<data type="origin"><location href="repodata/x-pkgorigins.gz"/></data>')

    def repomd(self, text: str) -> None:
        (self.arch_dir / "repodata/repomd.xml").write_text(
            f'<?xml version="1.0"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">{text}</repomd>'
        )


@pytest.fixture
def repo(tmp_path: Path, session: FakeSession) -> Repo:
    return Repo(tmp_path, session)


def test_without_external_repos_nothing_is_marked_or_fetched(repo: Repo, session: FakeSession) -> None:
    packages = [package("a")]
    repo.content.mark_external(packages)
    assert packages == [package("a")]
    assert session.calls == [("getExternalRepoList", (2,), {"event": 186})]


def test_packages_of_external_repos_are_marked(repo: Repo, session: FakeSession) -> None:
    session.answers["getExternalRepoList"] = [EXTERNAL]
    repo.has_origins("a-1-2.x86_64\thttp://ext/x86_64/\n"
                     "3:b-1-2.x86_64\tfile:///tasks/1/repo_4_premerge/\textra\n\nshort\n")  # fmt: skip
    packages = [package("a"), package("b")]
    repo.content.mark_external(packages)
    assert packages == [{**package("a"), "external_repo": EXTERNAL, "location": 1}, package("b")]


@pytest.mark.parametrize(("installed", "external"), [("aa", False), ("bb", True)])
def test_of_two_packages_of_one_name_the_content_tells_which_it_is(
    repo: Repo, session: FakeSession, installed: str, external: bool
) -> None:
    """In the mode simple the merged repo has both."""
    session.answers["getExternalRepoList"] = [EXTERNAL]
    repo.lists({**package("a", "aa"), "id": 7})
    repo.has_origins("a-1-2.x86_64\tfile:///t/repo_4_premerge/\na-1-2.x86_64\thttp://ext/x86_64/\n")
    packages = [package("a", installed)]
    repo.content.mark_external(packages)
    repo.content.map_internal(packages)
    assert ("external_repo" in packages[0], packages[0].get("id")) == (external, None if external else 7)


@pytest.mark.parametrize(("origins", "text"), [
    ("", "No origin for a-1-2.x86_64"),
    ("a-1-2.x86_64\thttp://other/\n", "Unknown origin for a-1-2.x86_64: http://other/"),
    ("a-1-2.x86_64\tfile:///tasks/1/repo_5_premerge/\n", "Unknown origin for a-1-2.x86_64: file:///tasks/1/repo_5_prem"),
    ("a-1-2.x86_64\thttp://host/repo_4_premerge/\n", "Unknown origin"),
])  # fmt: skip
def test_a_package_of_unknown_origin_is_an_error(repo: Repo, session: FakeSession, origins: str, text: str) -> None:
    session.answers["getExternalRepoList"] = [EXTERNAL]
    repo.has_origins(origins)
    with pytest.raises(koji.BuildError, match=text):
        repo.content.mark_external([package("a")])


@pytest.mark.parametrize("text", [
    "",
    '<data type="primary"><location href="repodata/p.xml"/></data>',
    '<data type="origin"><location href="../../../../etc/passwd"/></data>',
    '<data type="origin"><location href="http://elsewhere/x.gz"/></data>',
    '<data type="origin"><location href="repodata/none.gz"/></data>',
    "<unfinished",
])  # fmt: skip
def test_origins_that_can_not_be_had_are_an_error(repo: Repo, session: FakeSession, text: str) -> None:
    session.answers["getExternalRepoList"] = [EXTERNAL]
    repo.repomd(text)
    with pytest.raises(koji.GenericError):
        repo.content.mark_external([package("a")])


@pytest.mark.parametrize("parse", [repocontent._parser(), repocontent._without_entities])
def test_xml_that_declares_entities_is_refused(parse: Any) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    with pytest.raises((ValueError, SyntaxError)):
        parse(bomb)


def test_the_repos_own_packages_get_their_ids(repo: Repo) -> None:
    repo.lists({**package("a"), "id": 7}, {**package("b"), "id": 8})
    packages = [package("a"), {**package("b"), "external_repo": EXTERNAL}]
    repo.content.map_internal(packages)
    assert packages == [{**package("a"), "id": 7}, {**package("b"), "external_repo": EXTERNAL}]


def test_a_package_with_other_content_is_an_error(repo: Repo) -> None:
    repo.lists({**package("a", "bb"), "id": 7})
    with pytest.raises(koji.BuildrootError, match="a-1-2.x86_64: payloadhash: aa mismatch expected bb"):
        repo.content.map_internal([package("a")])


def test_a_package_that_is_not_listed_is_a_warning(repo: Repo, caplog: pytest.LogCaptureFixture) -> None:
    repo.lists()
    packages = [package("a")]
    repo.content.map_internal(packages)
    assert packages == [package("a")]
    assert "a-1-2.x86_64 not found in rpmlist.jsonl" in caplog.text


def test_for_repos_of_old_hubs_only_drafts_are_looked_up(
    repo: Repo, session: FakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    session.answers["listTaggedRPMS"] = [[{**package("a"), "id": 9}], []]
    packages = [package("a"), package("b")]
    repo.content.map_internal(packages)
    assert packages == [{**package("a"), "id": 9}, package("b")]
    assert session.calls == [("listTaggedRPMS", (), {"tag": 2, "event": 186, "latest": True, "draft": True})]
    assert "not found in rpmlist.jsonl" not in caplog.text


def test_a_hub_without_drafts_is_not_asked_for_them(repo: Repo, session: FakeSession) -> None:
    session.hub_version = (1, 33, 2)
    packages = [package("a")]
    repo.content.map_internal(packages)
    assert packages == [package("a")]
    assert session.calls == []


def test_a_list_that_can_not_be_read_is_an_error(repo: Repo) -> None:
    (repo.arch_dir / "rpmlist.jsonl").write_text("<html>502</html>\n")
    with pytest.raises(koji.GenericError, match="can't be read"):
        repo.content.map_internal([package("a")])


def test_each_file_is_fetched_once(repo: Repo, session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    real = repocontent.fetch

    def count(options: Any, relative: str, stamp: str) -> bytes:
        fetched.append(relative.rsplit("/", 1)[1])
        return real(options, relative, stamp)

    monkeypatch.setattr(repocontent, "fetch", count)
    session.answers["getExternalRepoList"] = [EXTERNAL]
    repo.lists({**package("a"), "id": 7})
    repo.has_origins("a-1-2.x86_64\tfile:///t/repo_4_premerge/\n")
    for _ in range(3):
        repo.content.mark_external([package("a")])
        repo.content.map_internal([package("a")])
    assert sorted(fetched) == ["repomd.xml", "rpmlist.jsonl", "x-pkgorigins.gz"]


def test_another_task_on_the_host_fetches_nothing_again(
    repo: Repo, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    rows = json.dumps({**package("a", "aa"), "id": 7}).encode()

    def read_whole(url: str) -> bytes:
        fetched.append(url.rpartition("/")[2])
        return rows

    monkeypatch.setattr(download, "read_whole", read_whole)
    monkeypatch.setattr(repo._options, "topurl", "http://hub/files")
    for hub in (REPO, REPO, {**REPO, "create_event": 187}):
        monkeypatch.setattr(repocontent, "_cache", {})  # as in a process of its own
        packages = [package("a")]
        RepoContent(session, repo._options, hub, "x86_64").map_internal(packages)
        assert packages[0]["id"] == 7
    assert fetched == ["rpmlist.jsonl"] * 2, "only the repo of another event is another one"
