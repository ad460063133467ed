"""Builds from version control: real servers on loopback, the real client, a real source command in the chroot."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.distro import sources as distro_sources
from tests.support import scmservers
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.scmservers import CvsRepository, GitRepository, SvnRepository, command, sources

pytestmark = [pytest.mark.root, pytest.mark.e2e]

CHANNEL = "scm"
# Ports can't be in patterns, globs can. Of the repositories below these only `forbidden` is left out.
ALLOWED = (
    "!127.0.0.1*:*/forbidden* 127.0.0.1*:/made*:no 127.0.0.1*:/failing*:no:sh,-c,echo${IFS}no${IFS}tarball;exit${IFS}3 "
    "127.0.0.1*:/svn*:no:cp,/credentials/token,SOURCES/ 127.0.0.1*:/*:no:"
)
# What a Makefile of a source repository does with its file `sources`; bash is all that the chroot has for HTTP.
FETCH = """set -e
read -r sum name < sources
exec 3<>/dev/tcp/127.0.0.1/$1
printf 'GET /%s HTTP/1.0\\r\\nHost: lookaside\\r\\n\\r\\n' "$name" >&3
sed '1,/^\\r$/d' <&3 > "$name"
echo "$sum  $name" | sha256sum -c
"""


class Servers:
    """The servers of the module, each with repositories of its own below `base`."""

    def __init__(self, base: Path, stack: contextlib.ExitStack) -> None:
        self.base = base
        self.work = base / "work"
        for name in ("git", "svn", "lookaside", "work"):
            (base / name).mkdir()
        self.git_port = stack.enter_context(scmservers.git_daemon(base / "git"))
        self.http_port = stack.enter_context(scmservers.git_http(base / "git"))
        self.svn_port = stack.enter_context(scmservers.svnserve(base / "svn"))
        self.cvs_port = stack.enter_context(scmservers.pserver(base / "cvs"))
        self.lookaside_port = stack.enter_context(scmservers.lookaside(base / "lookaside"))
        self.silent_port = stack.enter_context(scmservers.silent_server())

    def git(self, name: str, files: Dict[str, str]) -> GitRepository:
        made = GitRepository(self.base / "git" / f"{name}.git", self.work / name)
        made.commit(files)
        return made

    def git_url(self, name: str, rest: str = "#main") -> str:
        return f"git://127.0.0.1:{self.git_port}/{name}.git{rest}"


@pytest.fixture(scope="module")
def servers(box: Sandbox) -> Iterator[Servers]:
    scmservers.need("git", "svn", "svnserve", "cvs")
    base = box.layout.dir / "scm"
    base.mkdir()
    with contextlib.ExitStack() as stack:
        yield Servers(base, stack)


@pytest.fixture(scope="module")
def daemon(box: Sandbox, builder: Daemon, repository: int) -> Iterator[Daemon]:
    """The host of this module's builds: it serves the default channel, the only one that the client builds in."""
    credentials = box.layout.dir / "credentials"
    credentials.mkdir()
    (credentials / "token").write_text("let me in\n")
    made = box.daemon(CHANNEL, allowed_scms=ALLOWED, scm_credentials_dir=credentials, maxjobs=4)
    box.admin.addHostToChannel(made.host, "default")
    box.admin.disableHost(builder.host)
    try:
        yield made.start()
    finally:
        box.admin.enableHost(builder.host)
        made.stop()


@pytest.fixture(scope="module")
def hello(servers: Servers, srpms: Path) -> GitRepository:
    """GNU hello as a repository: spec file, `sources`, a Makefile; its tarball is on the lookaside server."""
    package = distro_sources.hello(srpms)
    unpacked = servers.work / "unpacked"
    unpacked.mkdir()
    command("sh", "-c", f"rpm2cpio {package.path} | cpio -idm --quiet", cwd=unpacked)
    spec = next(unpacked.glob("*.spec"))
    source = next(path for path in unpacked.iterdir() if path != spec)
    shutil.copy(source, servers.base / "lookaside" / source.name)
    return servers.git(
        "made-hello",
        {
            "hello.spec": re.sub(r"(?m)^Release:.*", "Release: 700.scm", spec.read_text()),
            "sources": f"{hashlib.sha256(source.read_bytes()).hexdigest()} {source.name}\n",
            "Makefile": f"sources:\n\tbash fetch.sh {servers.lookaside_port}\n.PHONY: sources\n",
            "fetch.sh": FETCH,
        },
    )


@pytest.fixture(scope="module")
def builds(box: Sandbox, daemon: Daemon, servers: Servers, hello: GitRepository) -> Dict[str, int]:
    """What is built, all under way at once: name to task id. The first two are whole builds by the real client."""
    content.add_packages(box.admin, content.DEST_TAG, ["hello"])
    servers.git("sub", {f"dir/{name}": text for name, text in sources("sub").items()})
    started = {
        "hello": build(box, servers.git_url("made-hello")),
        "sub": build(box, f"git+http://127.0.0.1:{servers.http_port}/sub.git?dir#main", "--scratch"),
    }
    svn = SvnRepository(servers.base / "svn" / "svn", servers.work / "svn")
    files = sources("layout")
    svn.commit({"trunk/SPECS/layout.spec": files["layout.spec"], "trunk/SOURCES/layout.sh": files["layout.sh"]})
    cvs = CvsRepository(servers.base / "cvs", servers.work / "cvs")
    cvs.add("flat", sources("flat"), "flat-1_0-1")
    started["layout"] = srpm(box, f"svn://127.0.0.1:{servers.svn_port}/svn?trunk#HEAD")
    started["flat"] = srpm(box, f"cvs://127.0.0.1:{servers.cvs_port}{cvs.path}?flat#flat-1_0-1")
    return started


def build(box: Sandbox, url: str, *arguments: str) -> int:
    """Have the real client build a source; returns the task's id."""
    done = box.koji("build", "--nowait", *arguments, content.TARGET, url)
    return int(re.findall(r"Created task: (\d+)", done.stdout)[0])


def srpm(box: Sandbox, url: str, channel: str = CHANNEL) -> int:
    """Have a source package made and no more; returns the task's id. The client can't ask for that."""
    opts = {"repo_id": box.admin.getRepo(content.BUILD_TAG)["id"], "scratch": True}
    return box.task("buildSRPMFromSCM", url, content.BUILD_TAG, opts, channel=channel)


def files_of(box: Sandbox, result: Dict[str, Any], where: Path) -> List[str]:
    """What is in the source package of a result."""
    path = box.layout.topdir / "work" / result["srpm"]
    return command("rpm", "-qpl", "--nosignature", path, cwd=where).splitlines()


def test_gnu_hello_is_built_from_git_with_its_tarball_from_the_lookaside(
    box: Sandbox, builds: Dict[str, int], servers: Servers, hello: GitRepository
) -> None:
    box.closed(builds["hello"], timeout=300)
    (row,) = box.admin.listBuilds(taskID=builds["hello"])
    info = box.admin.getBuild(row["nvr"])
    commit = command("git", "rev-parse", "HEAD", cwd=hello.work)
    assert info["nvr"] == "hello-2.10-700.scm"
    assert info["source"] == servers.git_url("made-hello", f"#{commit}")
    assert info["extra"]["source"]["original_url"] == servers.git_url("made-hello")
    task = box.child(builds["hello"], "buildSRPMFromSCM")
    assert task["label"] == "srpm"
    log = box.log(task["id"], "checkout.log")
    assert f"$ git clone -n -- git://127.0.0.1:{servers.git_port}/made-hello.git" in log
    assert ": OK" in box.log(task["id"], "mock_output.log")


def test_a_scratch_build_from_a_directory_of_a_repository_over_http(box: Sandbox, builds: Dict[str, int]) -> None:
    box.closed(builds["sub"])
    result = box.admin.getTaskResult(box.child(builds["sub"], "buildSRPMFromSCM")["id"])
    assert re.fullmatch(r"git\+http://127\.0\.0\.1:\d+/sub\.git\?dir#[0-9a-f]{40}", result["source"]["source"])


def test_the_layout_of_rpm_and_a_source_command_with_credentials(
    box: Sandbox, builds: Dict[str, int], servers: Servers
) -> None:
    result = box.closed(builds["layout"])
    below = koji.pathinfo.taskrelpath(builds["layout"])
    url = f"svn://127.0.0.1:{servers.svn_port}/svn?trunk#HEAD"
    assert result["srpm"] == f"{below}/layout-1.0-1.src.rpm"
    assert result["source"] == {"url": url, "source": url}
    assert {f"{below}/{name}" for name in ("build.log", "root.log", "mock_output.log")} <= set(result["logs"])
    assert f"{below}/checkout.log" not in result["logs"]
    assert set(files_of(box, result, servers.work)) == {"layout.spec", "layout.sh"}
    assert "cp /credentials/token SOURCES/" in box.log(builds["layout"], "root.log").replace("'", "").replace(",", "")


def test_a_flat_tree_from_cvs(box: Sandbox, builds: Dict[str, int], servers: Servers) -> None:
    result = box.closed(builds["flat"])
    assert set(files_of(box, result, servers.work)) == {"flat.spec", "flat.sh"}


@pytest.fixture(scope="module")
def faults(box: Sandbox, daemon: Daemon, servers: Servers, builds: Dict[str, int]) -> Dict[str, int]:
    """Sources that can't be built: name to task id."""
    servers.git("nospec", {"README": "nothing here\n"})
    two = sources("one")
    servers.git("twospecs", {**two, "other.spec": two["one.spec"]})
    servers.git("vendor", {"vendor.spec": "Name: vendor\nVendor: Somebody Else\n"})
    servers.git("failing", sources("failing"))
    servers.git("denied", sources("denied"))
    servers.git("linked", {"linked.spec": "-> /etc/passwd"})
    return {
        **{name: srpm(box, servers.git_url(name)) for name in ("nospec", "twospecs", "vendor", "failing", "linked")},
        "forbidden": srpm(box, servers.git_url("x/forbidden")),
        "revision": srpm(box, servers.git_url("vendor", "#no-such-branch")),
        "option": srpm(box, servers.git_url("vendor", "#--upload-pack=x")),
        "whole": build(box, servers.git_url("nospec")),
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nospec", "No spec file found"),
        ("linked", "No spec file found"),
        ("twospecs", "Multiple spec files found: one.spec, other.spec"),
        ("vendor", r"Vendor is not allowed to be set in spec file \(vendor.spec, line 2\)"),
        ("forbidden", r"/x/forbidden.git is not in the list of allowed SCMs"),
        ("revision", r'Error running GIT command "git reset --hard no-such-branch --", see checkout.log for details'),
        ("failing", r"(?s)error retrieving sources, mock exited with status 3; see .*no tarball"),
        ("option", "Invalid revision in SCM URL"),
        ("whole", "No spec file found"),
    ],
)
def test_a_source_that_cant_be_built_is_told_why(box: Sandbox, faults: Dict[str, int], name: str, text: str) -> None:
    fault = box.failed(faults[name])
    assert re.search(text, str(fault)), str(fault)


def test_the_buildroots_of_failed_ones_are_expired(box: Sandbox, faults: Dict[str, int], daemon: Daemon) -> None:
    for task_id in faults.values():
        box.finish(task_id)
        roots = [root for _, node in box.tree(task_id).walk() for root in box.admin.listBuildroots(taskID=node.id)]
        assert {koji.BR_STATES[root["state"]] for root in roots} <= {"EXPIRED"}
    assert daemon.lines(r"\[ERROR\]") == []


def test_a_cancel_in_the_middle_of_a_clone_leaves_nothing(box: Sandbox, servers: Servers, daemon: Daemon) -> None:
    task_id = srpm(box, f"git://127.0.0.1:{servers.silent_port}/slow.git#main")

    def cloning() -> bool:
        names = box.admin.listTaskOutput(task_id)
        return "checkout.log" in names and "$ git clone" in box.log(task_id, "checkout.log")

    wait_for(cloning, 120, "the clone")
    clones = [process.pid for process in daemon.descendants() if "slow.git" in words(process.pid)]
    assert clones
    box.koji("cancel", str(task_id))
    assert box.finish(task_id)["state"] == "CANCELED"
    wait_for(lambda: not any("slow.git" in words(pid) for pid in clones), 90, "the end of git")
    wait_for(lambda: not Path(daemon.options["workdir"], "tasks", str(task_id % 10000), str(task_id)).exists(), 90)
    (root,) = box.admin.listBuildroots(taskID=task_id)
    wait_for(lambda: box.admin.getBuildroot(root["id"])["state"] == koji.BR_STATES["EXPIRED"], 90, "the buildroot")


def words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_a_host_that_cant_fetch_gives_the_task_to_another(box: Sandbox, servers: Servers, daemon: Daemon) -> None:
    """The task is refused, softly, by a host that lacks the user that fetches sources."""
    servers.git("moved", sources("moved"))
    lacking = box.daemon("lacking", allowed_scms=ALLOWED, scm_user="no-such-user")
    box.admin.addHostToChannel("lacking", "default")
    box.admin.disableHost(daemon.host)
    try:
        lacking.start()
        task_id = build(box, servers.git_url("moved"), "--scratch")
        wait_for(lambda: lacking.lines("no-such-user"), 120, "the refusal")
        box.admin.enableHost(daemon.host)
        box.closed(task_id)
        child = box.child(task_id, "buildSRPMFromSCM")
        assert child["host_id"] == box.admin.getHost(daemon.host)["id"]
    finally:
        box.admin.enableHost(daemon.host)
        lacking.stop()


def test_the_hubs_policies_decide(box: Sandbox, servers: Servers, repository: int) -> None:
    """build_from_scm before the checkout, scm (of the plugin scmpolicy) after it."""
    wanted = servers.git("fine", sources("fine"))
    wanted.commit({"more": "x\n"}, branch="side")
    servers.git("denied-by-policy", sources("fine"))
    with_policies = box.daemon(
        "policies", allowed_scms_use_config=False, allowed_scms_use_policy=True, plugin="scmpolicy"
    )
    with_policies.start()
    try:
        fine, side, denied = (
            srpm(box, servers.git_url(*url), "policies") for url in (["fine"], ["fine", "#side"], ["denied-by-policy"])
        )
        assert "is not allowed, reason: not from there" in str(box.failed(denied))
        assert box.closed(fine)["source"]["source"].startswith("git://127.0.0.1:")
        assert "policy violation (scm): only what is on main" in str(box.failed(side))
    finally:
        with_policies.stop()
