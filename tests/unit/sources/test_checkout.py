"""Checkouts from real servers on loopback: every kind of source that the contract names, as an unprivileged user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Iterator, List

import koji
import pytest

from kojid.errors import BuildFailed, HostFault
from kojid.sources.scm import SCM
from kojid.sources.scmlog import LogFeed
from tests.support.builder import wait_for
from tests.support.scmplace import FILES, Place
from tests.support.scmservers import (
    CvsRepository,
    SshServer,
    SvnRepository,
    command,
    git_daemon,
    git_http,
    names,
    need,
    pserver,
    silent_server,
    svnserve,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root can work as somebody else")


def commands() -> List[str]:
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def owners(directory: Path) -> List[int]:
    return sorted({path.lstat().st_uid for path in [directory, *directory.rglob("*")]})


def test_git(place: Place) -> None:
    commit = place.git().commit({"later": "x\n"})
    with git_daemon(place.base) as port:
        scm = place.check_out(f"git://127.0.0.1:{port}/hello.git#main")
    assert scm.sourcedir == f"{place.scmdir}/hello"
    assert {"hello.spec", "hello.c", "later", ".git"} == set(names(Path(scm.sourcedir)))
    assert scm.get_source() == {
        "url": f"git://127.0.0.1:{port}/hello.git#main",
        "source": f"git://127.0.0.1:{port}/hello.git#{commit}",
    }
    assert names(place.scmdir) == ["hello"]
    assert owners(place.scmdir) == [os.geteuid()]


def test_the_log_holds_the_commands_and_is_on_the_hub(place: Place) -> None:
    place.git()
    with git_daemon(place.base) as port:
        place.check_out(f"git://127.0.0.1:{port}/hello.git#main")
    assert f"$ git clone -n -- git://127.0.0.1:{port}/hello.git {place.scmdir}/hello\n" in place.told
    assert "$ git fetch -- origin main:KOJI_FETCH_HEAD\n" in place.told
    assert place.session.uploads == {"tasks/5/5/checkout.log": place.log.read_bytes()}


@pytest.mark.parametrize("revision", ["main", "origin/main", "v1", "{commit}", "{short}", "refs/pull/7/head"])
def test_git_takes_every_kind_of_revision(place: Place, revision: str) -> None:
    repository = place.git()
    commit = repository.commit({"hello.c": "/* wanted */\n"})
    command("git", "tag", "-m", "A tag", "v1", cwd=repository.work)
    command("git", "push", "-q", "origin", "v1", "HEAD:refs/pull/7/head", cwd=repository.work)
    wanted = revision.format(commit=commit, short=commit[:9])
    with git_daemon(place.base) as port:
        scm = place.check_out(f"git://127.0.0.1:{port}/hello#{wanted}")
    assert scm.get_source()["source"].endswith(f"#{commit}")
    assert (place.scmdir / "hello" / "hello.c").read_text() == "/* wanted */\n"


def test_git_over_http(place: Place) -> None:
    repository = place.git(**{"sub/sub.spec": "Name: sub\n"})
    commit = command("git", "rev-parse", "HEAD", cwd=repository.work)
    with git_http(place.base) as port:
        scm = place.check_out(f"git+http://127.0.0.1:{port}/hello.git?sub#main")
    assert scm.sourcedir == f"{place.scmdir}/hello/sub"
    assert scm.get_source()["source"] == f"git+http://127.0.0.1:{port}/hello.git?sub#{commit}"


def test_a_password_stays_neither_in_the_log_nor_in_the_checkout(place: Place) -> None:
    place.git()
    with git_http(place.base) as port:
        scm = place.check_out(f"git+http://me:s3cret@127.0.0.1:{port}/hello.git#main", allow_password=True)
    assert "s3cret" not in place.told
    assert "s3cret" not in Path(scm.sourcedir, ".git", "config").read_text()
    assert "s3cret" not in scm.get_source()["source"]


def test_common_is_fetched_and_linked_to(place: Place) -> None:
    place.git(**{"sub/sub.spec": "Name: sub\n"})
    place.git("common", Makefile="sources:\n")
    with git_daemon(place.base) as port:
        scm = place.check_out(f"git://127.0.0.1:{port}/hello.git?sub#main", common=True)
    assert Path(scm.sourcedir, "..", "common", "Makefile").read_text() == "sources:\n"
    assert os.readlink(place.scmdir / "hello" / "common") == "../common"


def test_svn(place: Place) -> None:
    repository = SvnRepository(place.base / "svn", place.directory / "work-svn")
    revision = repository.commit({"hello/trunk/hello.spec": "Name: hello\n", "common/Makefile": "sources:\n"})
    repository.commit({"hello/trunk/later": "x\n"})
    with svnserve(place.base) as port:
        url = f"svn://127.0.0.1:{port}/svn?hello/trunk#{revision}"
        scm = place.check_out(url, common=True)
    assert scm.sourcedir == f"{place.scmdir}/hello/trunk"
    assert names(Path(scm.sourcedir)) == [".svn", "hello.spec"]
    assert (place.scmdir / "hello" / "common" / "Makefile").exists()
    assert scm.get_source() == {"url": url, "source": url}
    assert owners(place.scmdir) == [os.geteuid()]


def test_svn_without_a_module(place: Place) -> None:
    SvnRepository(place.base / "svn", place.directory / "work-svn").commit({"hello.spec": "Name: hello\n"})
    with svnserve(place.base) as port:
        scm = place.check_out(f"svn://127.0.0.1:{port}/svn#HEAD")
    assert scm.sourcedir == f"{place.scmdir}/svn"


def test_cvs(place: Place) -> None:
    repository = CvsRepository(place.base / "cvs", place.directory / "work-cvs")
    repository.add("hello", FILES, "hello-1")
    repository.add("common", {"Makefile": "sources:\n"}, "common-1")
    with pserver(repository.path) as port:
        url = f"cvs://anonymous@127.0.0.1:{port}{repository.path}?hello#hello-1"
        scm = place.check_out(url, common=True)
    assert {"hello.c", "hello.spec"} < set(names(Path(scm.sourcedir)))
    assert names(place.scmdir) == ["common", "hello"]
    assert scm.get_source() == {"url": url, "source": url}


@pytest.fixture
def ssh(place: Place) -> Iterator[int]:
    """A real sshd; the home of the SCM commands has the key and knows the host."""
    if os.geteuid() != 0:
        pytest.skip("needs root: sshd lets nobody else in")
    server = SshServer(place.directory / "sshd")
    home = place.directory / "home"
    (home / ".ssh").mkdir(parents=True)
    shutil.copy(server.key, home / ".ssh" / "id_ed25519")
    nobody = pwd.getpwnam("nobody")
    os.chown(home / ".ssh" / "id_ed25519", nobody.pw_uid, nobody.pw_gid)
    with server.serve() as port:
        (home / ".ssh" / "known_hosts").write_text(server.known_hosts(port))
        yield port


def test_git_over_ssh(place: Place, ssh: int) -> None:
    commit = place.git().commit({"later": "x\n"})
    scm = place.check_out(
        f"git+ssh://root@127.0.0.1:{ssh}{place.base}/hello.git#main", scm_home=str(place.directory / "home")
    )
    assert scm.get_source()["source"] == f"git+ssh://127.0.0.1:{ssh}{place.base}/hello.git#{commit}"


def alias(home: Path, port: int) -> None:
    """Neither svn nor cvs takes a port of ssh's in the URL; that is what .ssh/config is for."""
    lines = ["Host scm", "HostName 127.0.0.1", f"Port {port}", f"HostKeyAlias [127.0.0.1]:{port}", ""]
    (home / ".ssh" / "config").write_text("\n".join(lines))


def test_svn_over_ssh(place: Place, ssh: int) -> None:
    SvnRepository(place.base / "svn", place.directory / "work-svn").commit({"hello/hello.spec": "Name: hello\n"})
    home = place.directory / "home"
    alias(home, ssh)
    scm = place.check_out(f"svn+ssh://root@scm{place.base}/svn?hello#HEAD", scm_home=str(home))
    assert (Path(scm.sourcedir) / "hello.spec").exists()


def test_cvs_over_ssh(place: Place, ssh: int) -> None:
    repository = CvsRepository(place.base / "cvs", place.directory / "work-cvs")
    repository.add("hello", FILES, "hello-1")
    home = place.directory / "home"
    alias(home, ssh)
    scm = place.check_out(f"cvs+ssh://root@scm{repository.path}?hello#hello-1", scm_home=str(home))
    assert (Path(scm.sourcedir) / "hello.spec").exists()


def test_a_key_of_its_own(place: Place, ssh: int) -> None:
    place.git()
    home = place.directory / "home"
    key = place.directory / "key"
    (home / ".ssh" / "id_ed25519").rename(key)
    place.check_out(
        f"git+ssh://root@127.0.0.1:{ssh}{place.base}/hello.git#main", scm_home=str(home), scm_ssh_key=str(key)
    )


def test_a_host_that_nobody_knows_is_not_talked_to(place: Place, ssh: int) -> None:
    place.git()
    home = place.directory / "home"
    (home / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(BuildFailed, match="Host key verification failed"):
        place.check_out(f"git+ssh://root@127.0.0.1:{ssh}{place.base}/hello.git#main", scm_home=str(home))


def test_ssh_needs_a_user(place: Place) -> None:
    with pytest.raises(koji.BuildError, match="No user specified for repository access scheme: git\\+ssh://"):
        place.check_out("git+ssh://127.0.0.1/hello.git#main")


def test_a_failure_names_the_command_and_quotes_the_log(place: Place) -> None:
    place.git()
    with git_daemon(place.base) as port, pytest.raises(BuildFailed) as failed:
        place.check_out(f"git://127.0.0.1:{port}/hello.git#no-such-branch")
    assert str(failed.value).startswith(
        'Error running GIT command "git reset --hard no-such-branch --", see checkout.log for details\n'
    )
    assert "no-such-branch" in str(failed.value).split("\n", 1)[1]
    assert b"no-such-branch" in place.session.uploads["tasks/5/5/checkout.log"]
    assert owners(place.scmdir) == [os.geteuid()]


def test_a_server_that_does_not_answer_is_given_up(place: Place) -> None:
    need("git")
    with silent_server() as port, pytest.raises(BuildFailed, match="did not end within 0.5 seconds"):
        place.check_out(f"git://127.0.0.1:{port}/hello.git#main", command_timeout=0.5)
    assert not list(place.scmdir.glob(".scm-*"))


def test_the_log_grows_on_the_hub_meanwhile(place: Place) -> None:
    need("git")
    failed: List[BaseException] = []

    def check_out(url: str) -> None:
        try:
            place.check_out(url)
        except BuildFailed as error:
            failed.append(error)

    with silent_server() as port:
        thread = threading.Thread(target=check_out, args=[f"git://127.0.0.1:{port}/hello.git#main"])
        thread.start()
        wait_for(lambda: b"$ git clone" in place.session.uploads.get("tasks/5/5/checkout.log", b""), 30)
        assert thread.is_alive()
    thread.join(30)  # the end of the server has ended the clone
    assert failed


def test_a_module_that_is_a_link_is_none(place: Place) -> None:
    place.git(out="-> /etc")
    with git_daemon(place.base) as port, pytest.raises(koji.BuildError, match="There is no directory out in"):
        place.check_out(f"git://127.0.0.1:{port}/hello.git?out#main")


@needs_root
def test_it_works_as_the_user_of_the_option_in_a_scrubbed_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for git says who and where it is."""
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    programs = place.directory / "bin"
    programs.mkdir()
    (programs / "git").write_text("#!/bin/sh\nid\nenv\nid > $HOME/written\nexit 1\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setattr("kojid.system.accounts._PATH", f"{programs}:{os.environ['PATH']}")
    with pytest.raises(BuildFailed):
        place.check_out("git+https://127.0.0.1/hello.git#main", scm_user="daemon")
    assert "uid=1(daemon) gid=1(daemon) groups=1(daemon)\n" in place.told
    assert "SECRET_OF_THE_DAEMON" not in place.told
    assert "https_proxy=http://proxy.example.com:3128\n" in place.told
    assert f"HOME={place.scmdir}/.scm-" in place.told
    assert "GIT_ALLOW_PROTOCOL=https\n" in place.told
    assert names(place.scmdir) == []


@needs_root
@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"scm_user": "no-such-user"}, "there is no user 'no-such-user' on this host \\(create it, or set scm_user\\)"),
        ({"scm_user": "root"}, "sources are never fetched as root"),
        ({"scm_home": "/root/scm"}, "can't use /root/scm"),
        ({"scm_ssh_key": "/etc/shadow"}, "can't use /etc/shadow"),
    ],
)
def test_what_this_host_lacks_is_no_fault_of_the_package(place: Place, settings: Any, text: str) -> None:
    with pytest.raises(HostFault, match=text):
        place.check_out("git://127.0.0.1/hello.git#main", **settings)


@needs_root
def test_a_directory_that_others_cannot_enter_is_told(place: Place) -> None:
    place.directory.chmod(0o700)
    with pytest.raises(HostFault, match="must be searchable"):
        place.check_out("git://127.0.0.1/hello.git#main")


def test_a_missing_program_is_the_hosts_fault(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = place.directory / "bin"
    programs.mkdir()
    (programs / "test").symlink_to("/usr/bin/test")
    monkeypatch.setattr("kojid.system.accounts._PATH", str(programs))
    with pytest.raises(HostFault, match="cvs is not installed"):
        place.check_out("cvs://127.0.0.1/cvs?hello#HEAD")


@needs_root
def test_a_full_disk_is_the_hosts_fault(place: Place) -> None:
    repository = place.git()
    (repository.work / "large").write_bytes(os.urandom(3 * 1024 * 1024))
    repository.commit_all()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", place.scmdir], check=False
    ).returncode:
        pytest.skip("needs to mount a file system")
    try:
        with git_daemon(place.base) as port, pytest.raises(HostFault, match="No space left on device"):
            place.check_out(f"git://127.0.0.1:{port}/hello.git#main")
    finally:
        subprocess.run(["umount", place.scmdir], check=True)


def test_a_task_that_is_stopped_leaves_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the hub is up to; and nothing of the command is left."""
    need("git")

    def stop(_feed: LogFeed) -> None:
        if "clone" in place.told:
            raise SystemExit(0)

    monkeypatch.setattr(LogFeed, "tick", stop)
    monkeypatch.setattr(LogFeed, "finish", lambda _feed: pytest.fail("waits for the hub"))
    with silent_server() as port, pytest.raises(SystemExit):
        place.check_out(f"git://127.0.0.1:{port}/hello.git#main")
    assert not any(f":{port}/hello.git" in words for words in commands())


def test_nothing_checked_out_has_no_source() -> None:
    with pytest.raises(koji.GenericError, match="nothing has been checked out"):
        SCM("git://127.0.0.1/hello.git#main").get_source()
