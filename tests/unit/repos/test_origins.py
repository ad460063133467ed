from __future__ import annotations

from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.repos.origins import external, premerge_url


def repo(url: str, **values: Any) -> dict[str, Any]:
    return {"url": url, "arches": None, "merge_mode": "koji", **values}


def test_repos_keep_their_order_and_get_the_arch() -> None:
    found = external([repo("http://b/$arch/"), repo("http://a/"), repo("http://a/")], "x86_64")
    assert (found.mode, found.urls) == ("koji", ("http://b/x86_64/", "http://a/"))


def test_repos_of_other_arches_are_left_out() -> None:
    repos = [repo("http://a/", arches="s390x"), repo("http://b/", arches="s390x x86_64"), repo("http://c/", arches="")]
    assert external(repos, "x86_64").urls == ("http://b/", "http://c/")


def test_without_a_mode_it_is_kojis_own() -> None:
    assert external([repo("http://a/", merge_mode=None)], "x86_64").mode == "koji"


@pytest.mark.parametrize("modes", [("koji", "bare"), ("simple", None), ("unknown",)])
def test_modes_that_do_not_agree_or_are_not_known_are_refused(modes: tuple[Any, ...]) -> None:
    with pytest.raises(koji.GenericError, match="merge mode"):
        external([repo("http://a/", merge_mode=mode, arches="s390x") for mode in modes], "x86_64")


def test_the_repos_own_packages_have_an_origin_that_buildroots_know() -> None:
    assert premerge_url(Path("/tmp/koji/tasks/1/1"), 4) == "file:///tmp/koji/tasks/1/1/repo_4_premerge/"
