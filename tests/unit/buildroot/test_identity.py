from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.buildroot.identity import create, load
from tests.support.fakebuildroot import CONFIG, REPO, FakeSession


def test_the_calls_come_in_the_order_of_a_real_build(session: FakeSession) -> None:
    found = create(session, 2, "x86_64", 306, 4)
    assert session.calls == [
        ("repoInfo", (4,), {"strict": True}),
        ("getBuildConfig", (2,), {"event": 186}),
        ("host.newBuildRoot", (4, "x86_64"), {"task_id": 306}),
    ]
    assert found.name == "demo-build-16-4"
    assert (found.br_arch, found.target_arch) == ("x86_64", "x86_64")


@pytest.mark.parametrize(("arch", "br_arch", "target"), [
    ("i686", "i386", "i686"),
    ("armhfp", "armhfp", "armv7hl"),
    ("noarch", "noarch", "noarch"),
])  # fmt: skip
def test_arches(session: FakeSession, arch: str, br_arch: str, target: str) -> None:
    found = create(session, 2, arch, 306, 4)
    assert (found.br_arch, found.target_arch) == (br_arch, target)


def test_an_expired_repo_is_good_enough(session: FakeSession) -> None:
    session.answers["repoInfo"] = {**REPO, "state": koji.REPO_EXPIRED}
    assert create(session, 2, "x86_64", 306, 4).id == 16


@pytest.mark.parametrize(("answers", "repo_id", "text"), [
    ({}, None, "repo id"),
    ({"getBuildConfig": None}, 4, "Could not get config info for tag: 2"),
    ({"getBuildConfig": {**CONFIG, "id": 3, "name": "other"}}, 4, "tag/repo mismatch: other vs demo-build"),
    ({"repoInfo": {**REPO, "state": koji.REPO_STATES["INIT"]}}, 4, r"Requested repo \(4\) is INIT"),
    ({"repoInfo": {**REPO, "state": koji.REPO_STATES["DELETED"]}}, 4, r"Requested repo \(4\) is DELETED"),
    ({"host.newBuildRoot": None}, 4, "no buildroot id"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(
    session: FakeSession, answers: dict[str, Any], repo_id: Any, text: str
) -> None:
    session.answers.update(answers)
    with pytest.raises(koji.BuildrootError, match=text):
        create(session, 2, "x86_64", 306, repo_id)


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "a\nb", "-r", ".x", "#x", "{{x}}", "a'b", 'a"b', ""])
def test_no_tag_name_leads_out_of_the_directory_or_the_comment(session: FakeSession, name: str) -> None:
    session.answers["getBuildConfig"] = {**CONFIG, "name": name}
    with pytest.raises(koji.BuildrootError, match="named after the tag"):
        create(session, 2, "x86_64", 306, 4)
    assert not session.named("host.newBuildRoot")


def test_an_arch_is_a_word(session: FakeSession) -> None:
    with pytest.raises(koji.BuildrootError, match="is no arch"):
        create(session, 2, "x86_64/../..", 306, 4)


ROW = {"id": 16, "task_id": 306, "tag_id": 2, "tag_name": "demo-build", "repo_id": 4, "arch": "i386"}


def test_an_existing_one_is_found_by_its_id(session: FakeSession) -> None:
    session.answers["getBuildroot"] = ROW
    assert load(session, 16) == load(session, ROW)
    assert session.named("getBuildroot") == [(16,)]
    assert load(session, 16).name == "demo-build-16-4"


def test_an_id_of_none_is_said_to_be_so(session: FakeSession) -> None:
    session.answers["getBuildroot"] = None
    with pytest.raises(koji.BuildrootError, match="no buildroot 17"):
        load(session, 17)
