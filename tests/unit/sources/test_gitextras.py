"""Submodules and Git LFS, with real repositories and servers."""

from __future__ import annotations

from pathlib import Path

import koji
import pytest

from kojid.errors import BuildFailed
from kojid.sources import gitbranches, gitextras
from kojid.sources.scm import SCM
from tests.support import options
from tests.support.scmplace import Place
from tests.support.scmservers import GitRepository, command, git_daemon, git_http, names, need


def add_submodule(parent: GitRepository, path: str, url: str, commit: str) -> None:
    """Without fetching it: the servers' ports come and go."""
    config = parent.work / ".gitmodules"
    text = f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'
    config.write_text((config.read_text() if config.exists() else "") + text)
    command("git", "add", ".gitmodules", cwd=parent.work)
    command("git", "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", cwd=parent.work)
    command("git", "commit", "-q", "-m", "Add a submodule", cwd=parent.work)
    command("git", "push", "-q", "origin", "HEAD:main", cwd=parent.work)


def head(repository: GitRepository) -> str:
    return command("git", "rev-parse", "HEAD", cwd=repository.work)


def test_submodules_come_along_nested_ones_too(place: Place) -> None:
    inner, outer, parent = place.git("inner"), place.git("outer"), place.git("parent")
    with git_daemon(place.base) as port:
        add_submodule(outer, "deep", "../inner.git", head(inner))
        add_submodule(parent, "libs/outer", f"git://127.0.0.1:{port}/outer.git", head(outer))
        scm = place.check_out(f"git://127.0.0.1:{port}/parent.git#main", scm_submodules=True)
    assert (Path(scm.sourcedir) / "libs" / "outer" / "deep" / "hello.c").exists()
    assert scm.get_source()["source"].endswith(head(parent))


def test_by_default_there_are_none(place: Place) -> None:
    inner, parent = place.git("inner"), place.git("parent")
    add_submodule(parent, "sub", "../inner.git", head(inner))
    with git_daemon(place.base) as port:
        scm = place.check_out(f"git://127.0.0.1:{port}/parent.git#main")
    assert names(Path(scm.sourcedir) / "sub") == []


def test_a_repository_without_any_is_no_trouble(place: Place) -> None:
    place.git()
    with git_daemon(place.base) as port:
        place.check_out(f"git://127.0.0.1:{port}/hello.git#main", scm_submodules=True)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("file:///etc", "The submodule's URL is not allowed: 'file:///etc'"),
        ("/etc", "The submodule's URL is not allowed"),
        ("ext::sh -c touch% /tmp/x", "The submodule's URL is not allowed"),
        ("https://user:password@host/x", "username:password format not supported"),
        ("git://forbidden.example.com/x", "forbidden.example.com:/x is not in the list of allowed SCMs"),
        ("git://host/../up", "Invalid repository"),
    ],
)
def test_a_submodule_has_to_be_allowed_as_its_parent(place: Place, url: str, text: str) -> None:
    parent = place.git("parent")
    add_submodule(parent, "sub", url, head(parent))
    with git_daemon(place.base) as port:
        kind = type("Configured", (SCM,), {"options": options(scm_submodules=True)})
        scm = kind(f"git://127.0.0.1:{port}/parent.git#main")
        scm.assert_allowed("!forbidden*:* *:*:no:")
        with pytest.raises(koji.GenericError, match=text):
            scm.checkout(str(place.scmdir), place.session, "tasks/5/5", str(place.log))


@pytest.mark.parametrize(
    ("url", "scm_url"),
    [
        ("https://host/a/b.git", "git+https://host/a/b.git#HEAD"),
        ("ssh://git@host:22/a", "git+ssh://git@host:22/a#HEAD"),
        ("git@host:a/b.git", "git+ssh://git@host/a/b.git#HEAD"),
        ("host:/a/b.git", "git+ssh://host/a/b.git#HEAD"),
        ("git://host/a", "git://host/a#HEAD"),
    ],
)
def test_urls_of_submodules_are_held_against_the_same_rules(url: str, scm_url: str) -> None:
    assert gitextras.scm_url(url) == scm_url


@pytest.fixture
def large(place: Place) -> GitRepository:
    """A repository with a file in Git LFS, the file itself only on its server."""
    need("git", "git-lfs")
    repository = place.git("large")
    command("git", "lfs", "install", "--local", "--skip-repo", cwd=repository.work)
    command("git", "lfs", "track", "*.bin", cwd=repository.work)
    repository.commit({"data.bin": "large\n" * 1000})
    for stored in (repository.work / ".git" / "lfs" / "objects").glob("??/??/*"):
        target = repository.path / "lfs" / "objects" / stored.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(stored.read_bytes())
    return repository


def test_files_of_lfs_come_along(place: Place, large: GitRepository) -> None:
    with git_http(place.base) as port:
        scm = place.check_out(f"git+http://127.0.0.1:{port}/large.git#main", scm_lfs=True)
    assert (Path(scm.sourcedir) / "data.bin").read_text() == "large\n" * 1000


def test_by_default_the_pointers_stay(place: Place, large: GitRepository) -> None:
    with git_http(place.base) as port:
        scm = place.check_out(f"git+http://127.0.0.1:{port}/large.git#main")
    assert (Path(scm.sourcedir) / "data.bin").read_text().startswith("version https://git-lfs")


def test_a_repository_cant_name_another_server_for_lfs(place: Place, large: GitRepository) -> None:
    large.commit({".lfsconfig": "[lfs]\n\turl = file:///etc\n"})
    with git_http(place.base) as port:
        scm = place.check_out(f"git+http://127.0.0.1:{port}/large.git#main", scm_lfs=True)
    assert (Path(scm.sourcedir) / "data.bin").read_text() == "large\n" * 1000


def test_a_file_that_the_server_lacks_is_told(place: Place, large: GitRepository) -> None:
    command("rm", "-r", large.path / "lfs")
    with git_http(place.base) as port, pytest.raises(BuildFailed, match='command "git lfs pull origin"'):
        place.check_out(f"git+http://127.0.0.1:{port}/large.git#main", scm_lfs=True)


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://host/a.git", "https://host/a.git/info/lfs"),
        ("https://host/a", "https://host/a.git/info/lfs"),
        ("git://host/a", "https://host/a.git/info/lfs"),
        ("git+ssh://me@host/a.git", "ssh://me@host/a.git"),
    ],
)
def test_the_server_of_lfs_is_the_repositorys_own(remote: str, url: str) -> None:
    assert gitextras.lfs_url(remote) == url


def test_the_branches_that_hold_a_commit(place: Place) -> None:
    repository = place.git()
    command("git", "push", "-q", "origin", "HEAD:side", cwd=repository.work)
    repository.commit({"later": "x\n"})
    with git_daemon(place.base) as port:
        side = place.check_out(f"git://127.0.0.1:{port}/hello.git#side")
        assert gitbranches.containing_head(options(), side.sourcedir) == ["main", "side"]
        command("rm", "-rf", side.sourcedir)
        main = place.check_out(f"git://127.0.0.1:{port}/hello.git#main")
        assert gitbranches.containing_head(options(), main.sourcedir) == ["main"]


def test_branches_of_what_is_no_repository(tmp_path: Path) -> None:
    need("git")
    with pytest.raises(koji.GenericError, match="can't be listed"):
        gitbranches.containing_head(options(), "/usr")
