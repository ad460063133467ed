"""Parts of URLs that a command could misunderstand are refused before any command is made of them."""

from __future__ import annotations

import koji
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kojid.sources import scmcommands
from kojid.sources.scm import SCM

REFUSED = [
    # options
    "git://-oProxyCommand=x/repo#main",
    "git+ssh://-oProxyCommand=x@host/repo#main",
    "git+ssh://user@-oProxyCommand=x/repo#main",
    "git://host/repo#--upload-pack=x",
    "git://host/repo#-x",
    "svn://host/repo?-m#1",
    "svn://host/repo?module#-x",
    "cvs://host/repo?--help#HEAD",
    "cvs://host/repo?module#-D",
    # control characters, blanks
    "git://host/repo#main\n",
    "git://ho\tst/repo#main",
    "git://host/repo\r?x#main",
    "git://host/repo?a\x00b#main",
    "git://host/re%0apo#main",
    "git://host/re%250apo#main",
    "git://host/repo#ma in",
    "git://ho st/repo#main",
    "git://host/repo#main\u202e",
    # the way up
    "git://host/a/../b#main",
    "git://host/a/%2e%2e/b#main",
    "git://host/a/.%2e/b#main",
    "git://host/a/%252e%252e/b#main",
    "git://host/a/%25252e%25252e/b#main",
    "git://host/a%2f..%2fb#main",
    "git://host/a%5c..%5cb#main",
    "git://host/a\\..\\b#main",
    "git://host/repo?../../etc#main",
    "git://host/repo?a/%2e%2e/b#main",
    "git://host/repo?/etc#main",
    "svn://host/repo?../x#1",
    "cvs://host/repo?../x#HEAD",
    "git://host/repo#../x",
    "git://host/a/%c0%ae%c0%ae/b#main",
    # other transports, refspecs, addresses
    "git://host::ext/repo#main",
    "git+http://ext::sh -c x/repo#main",
    "git://host/repo#a:b",
    "git://host/repo#+main",
    "git://host/repo#refs/heads/*",
    "git://host/repo#a..b",
    "git://host/repo#:/text",
    "git://host:port/repo#main",
    "git://host:123456/repo#main",
    "git://host;x/repo#main",
    "git://host$(x)/repo#main",
    "git+ssh://a@b@host/repo#main",
    "git+ssh://$(x)@host/repo#main",
    "svn://host/repo?module#1:2",
    "svn://host/repo?module#1 --force",
    # the library's own
    "git://host/repo",
    "git://host#main",
    "git+https://user:password@host/repo#main",
    "ext::sh -c x",
    "file:///repo#main",
    "https://host/repo#main",
]


@pytest.mark.parametrize("url", REFUSED)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(koji.GenericError):
        SCM(url)


@pytest.mark.parametrize("url", [None, 5, b"git://host/repo#main", ["git://host/repo#main"]])
def test_what_is_no_text_is_refused(url: object) -> None:
    with pytest.raises(koji.GenericError):
        SCM(url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "git://host/repo#main",
        "git://host:9418/~user/repo.git?sub/dir#origin/f41",
        "git+https://src.example.com/rpms/hello.git#refs/pull/7/head",
        "git+https://src.example.com/rpms/a%2Bb#v1.0^{}",
        "git+https://src.example.com/rpms/hello#0123456789abcdef",
        "git+http://host/repo#HEAD~2",
        "git+rsync://host/repo#main",
        "git+ssh://git@[::1]:22/repo#main",
        "svn://host/repo?trunk/x#HEAD",
        "svn+https://host/repo?trunk/x#r12",
        "svn+http://host/repo?trunk/x#{2020-01-02}",
        "svn+ssh://me@host/repo?x#5",
        "cvs://anonymous@host/cvs/extras?devel/hello#hello-1_0-1",
        "cvs+ssh://me@host/cvs?hello#HEAD",
    ],
)
def test_urls_that_are_taken(url: str) -> None:
    scm = SCM(url)
    assert scm.url == url
    assert scmcommands.plan(scm, "/scmroot").clone[0] in ("git", "svn", "cvs")


def test_a_password_only_where_it_is_allowed() -> None:
    assert SCM("git+https://me:s3cret@host/repo#main", allow_password=True).user == "me:s3cret"


@given(st.text(), st.text(), st.text(), st.text())
def test_no_part_becomes_an_option_or_leads_up(host: str, path: str, module: str, revision: str) -> None:
    """Whatever is not refused makes commands whose arguments, but for our own, are no options and hold no way up."""
    for scheme in ("git://", "svn://", "cvs://"):
        try:
            scm = SCM(f"{scheme}{host}/{path}?{module}#{revision}")
            plan = scmcommands.plan(scm, "/scmroot")
        except koji.GenericError:
            continue
        ours = {"-n", "--", "-d", "-r", "--hard", "--non-interactive", "--ignore-externals"}
        for command in (plan.clone, plan.common, plan.recovery, *plan.update):
            for word in command:
                assert word in ours or not word.startswith("-")
                assert word.isprintable()
                assert ".." not in word.replace("::", ":").split("/")


def commands(url: str) -> scmcommands.Plan:
    return scmcommands.plan(SCM(url, allow_password=True), "/scmroot")


def test_the_commands_of_git() -> None:
    plan = commands("git+https://host/a/hello.git?sub#origin/f41")
    assert plan.clone == ["git", "clone", "-n", "--", "https://host/a/hello.git", "/scmroot/hello"]
    assert plan.update[0] == ["git", "fetch", "--", "origin", "f41:KOJI_FETCH_HEAD"]
    assert plan.recovery == ["git", "reset", "--hard", "origin/f41", "--"]
    assert plan.common == ["git", "clone", "--", "https://host/a/common.git", "common"]
    assert (plan.directory, plan.module, plan.protocols) == ("hello", "sub", "https")


@pytest.mark.parametrize(
    ("url", "remote", "common", "protocols"),
    [
        ("git://host/a/hello#x", "git://host/a/hello", "git://host/a/common", "git"),
        ("git+http://host/a/hello/.git#x", "http://host/a/hello/.git", "http://host/a/common/.git", "http:https"),
        ("git+rsync://host/a/hello#x", "rsync://host/a/hello", "rsync://host/a/common", "rsync"),
        ("git+ssh://me@host/a/hello#x", "git+ssh://me@host/a/hello", "git+ssh://me@host/a/common", "ssh"),
    ],
)
def test_the_places_of_git(url: str, remote: str, common: str, protocols: str) -> None:
    plan = commands(url)
    assert (plan.remote, plan.common[-2], plan.directory, plan.protocols) == (remote, common, "hello", protocols)


@pytest.mark.parametrize("url", ["git://host/.git#x", "cvs://host/cvs#HEAD"])
def test_a_url_has_to_name_something(url: str) -> None:
    with pytest.raises(koji.BuildError, match="names no"):
        commands(url)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("cvs://host/cvs?hello#HEAD", ":pserver:anonymous@host:/cvs"),
        ("cvs://me@host:2401/cvs?hello#HEAD", ":pserver:me@host:2401/cvs"),
        ("cvs+ssh://me@host/cvs?hello#HEAD", ":ext:me@host:/cvs"),
    ],
)
def test_the_places_of_cvs(url: str, place: str) -> None:
    assert commands(url).clone == ["cvs", "-d", place, "checkout", "-r", "HEAD", "--", "hello"]


def test_an_at_sign_is_no_revision_of_svn() -> None:
    assert commands("svn://host/repo?a@2#5").clone[-2:] == ["svn://host/repo/a@2@", "a@2"]
