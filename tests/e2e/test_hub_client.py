"""The real `koji` client against the sandbox hub: every command a newcomer uses, the builder played by the test.

The hub is a process of its own; the client is one for each command. Where a task has to be worked on, the test does
so through the build host's session: it opens tasks, uploads real rpms and logs, and reports as a builder would.
"""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, TypeVar

import koji
import pytest

from tests.support import sandboxhub
from tests.support.sandboxhub import SandboxHub
from tests.unit.sandbox.hub_content import tinyrpm
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

pytestmark = pytest.mark.e2e
Found = TypeVar("Found")
Client = Callable[..., str]
DEADLINE = 30.0


def until(look: Callable[[], Optional[Found]], what: str) -> Found:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {DEADLINE} s")


class HandBuilder:
    """A build host worked by hand."""

    def __init__(self, hub: SandboxHub) -> None:
        self.calls = hub.session("builder", exclusive=True)

    def take(self, method: str) -> int:
        """Open the next free task of a method, waiting for one to be made."""
        free = {"method": method, "state": [koji.TASK_STATES["FREE"], koji.TASK_STATES["ASSIGNED"]]}
        task_id = int(until(lambda: self.calls.listTasks(free), f"a task {method}")[0]["id"])
        assert self.calls.host.openTask(task_id)
        return task_id

    def subtask(self, parent: int, method: str, params: List[Any], label: str) -> int:
        """Make a subtask and open it."""
        task_id = int(self.calls.host.subtask(method, params, parent, label=label, arch="noarch"))
        assert self.calls.host.openTask(task_id)
        return task_id

    def upload(self, task_id: int, path: Path) -> str:
        """Upload a file to a task's directory; its path relative to the work directory."""
        directory = koji.pathinfo.taskrelpath(task_id)
        self.calls.rawUpload(path.read_bytes(), 0, directory, path.name, overwrite=True)
        return f"{directory}/{path.name}"

    def close(self, task_id: int, result: Any = None) -> None:
        self.calls.host.closeTask(task_id, koji.xmlrpcplus.dumps((result,), methodresponse=1, allow_none=True))

    def fail(self, task_id: int, text: str) -> None:
        fault = koji.xmlrpcplus.Fault(koji.BuildError.faultCode, text)
        self.calls.host.failTask(task_id, koji.xmlrpcplus.dumps(fault))

    def build(self, tiny: TinyRpms, log: Path) -> int:
        """Work on the next build task as a builder does, from its subtasks to the tagging; returns its id."""
        task = self.take("build")
        _source, _target, opts = self.calls.getTaskRequest(task)
        child = self.subtask(task, "buildArch", [tiny.srpm.name, 2, "x86_64", True, {}], "x86_64")
        srpm, *rpms = [self.upload(child, path) for path in (tiny.srpm, *tiny.rpms)]
        logs = {"x86_64": [self.upload(child, log)]}
        self.close(child, {"rpms": rpms, "srpms": [srpm], "logs": logs["x86_64"], "brootid": 1})
        if opts.get("scratch"):
            self.calls.host.moveBuildToScratch(task, srpm, rpms, logs=logs)
        else:
            nvr = koji.parse_NVR(tiny.nvr)
            data = {key: nvr[key] for key in ("name", "version", "release")}
            build = self.calls.host.initBuild({**data, "epoch": None, "task_id": task, "source": tiny.srpm.name})
            self.calls.host.completeBuild(task, build, srpm, rpms, {}, logs=logs)
            tagging = self.subtask(task, "tagBuild", [1, build, False, None, True], "tag")
            self.calls.host.tagBuild(tagging, "demo", build)
            self.close(tagging)
        self.close(task)
        return task

    def new_repo(self) -> int:
        """Work on the next newRepo task; returns the repo's id."""
        task = self.take("newRepo")
        (tag, *_others) = self.calls.getTaskRequest(task)
        repo_id, event = self.calls.host.repoInit(tag["id"] if isinstance(tag, dict) else tag, task_id=task, opts={})
        self.calls.host.repoDone(repo_id, {})
        self.close(task, [repo_id, event])
        return int(repo_id)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with sandboxhub.running_hub(tmp_path_factory.mktemp("hub")) as found:
        yield found


@pytest.fixture(scope="module")
def client(hub: SandboxHub) -> Client:
    """Run the client, have it succeed, give what it printed."""

    def run(*args: str, status: int = 0, **options: Any) -> str:
        done = hub.koji(*args, **options)
        assert done.returncode == status, f"koji {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout if status == 0 else done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def site(client: Client) -> Client:
    """The client, after it has made the tags, the target and the package that builds need."""
    client("add-tag", "demo")
    client("add-tag", "demo-build", "--arches", "x86_64", "--parent", "demo")
    client("add-target", "demo", "demo-build", "demo")
    client("add-pkg", "--owner", "admin", "demo", "tiny")
    return client


@pytest.fixture(scope="module")
def builder(hub: SandboxHub, site: Client) -> HandBuilder:
    return HandBuilder(hub)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyRpms:
    return tinyrpm.build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "build.log"
    path.write_text("first line\n")
    return path


@pytest.fixture
def aside(hub: SandboxHub) -> Iterator[Callable[..., concurrent.futures.Future[subprocess.CompletedProcess[str]]]]:
    """Start the client and go on meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield lambda *args, **options: pool.submit(hub.koji, *args, **options)


@pytest.fixture(scope="module")
def built(hub: SandboxHub, site: Client, builder: HandBuilder, tiny: TinyRpms, log: Path) -> int:
    """The task of the build tiny-1.0-1, which the client asked for and watched to its end."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        watching = pool.submit(hub.koji, "build", "--noprogress", "--wait", "demo", str(tiny.srpm))
        task = builder.build(tiny, log)
        done = watching.result(DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Created task: {task}" in done.stdout
    assert f"{task} build (demo, tiny-1.0-1.src.rpm) completed successfully" in done.stdout
    return task


def test_hello_names_the_user_and_the_hub(hub: SandboxHub, client: Client) -> None:
    text = client("hello")
    assert ", admin!" in text
    assert hub.url in text
    assert "Authenticated via client certificate" in text
    assert ", user!" in client("moshimoshi", user="user")


def test_hosts_are_listed(client: Client) -> None:
    (line,) = client("list-hosts", "--quiet").splitlines()
    assert line.split()[0] == "builder"
    assert "x86_64" in line


def test_tags_and_targets_are_made_and_listed(site: Client) -> None:
    assert {"demo", "demo-build"} <= set(site("list-tags").split())
    assert site("list-targets", "--quiet").split()[:3] == ["demo", "demo-build", "demo"]
    assert "already exists" in site("add-tag", "demo", status=1)
    assert "No such tag" in site("add-target", "bad", "nothing", status=1)


def test_extra_of_a_tag_is_edited_and_shown(site: Client) -> None:
    site("edit-tag", "demo-build", "-x", "mock.package_manager=dnf", "-x", "rpm.macro.dist=.demo")
    text = site("taginfo", "demo-build")
    assert "Tag: demo-build" in text
    assert "Arches: x86_64" in text
    assert "mock.package_manager : 'dnf'" in text
    assert "demo [1]" in text
    site("edit-tag", "demo-build", "-r", "rpm.macro.dist")
    assert "rpm.macro.dist" not in site("taginfo", "demo-build")


def test_groups_and_inheritance_are_shown(site: Client) -> None:
    site("add-group", "demo-build", "build")
    site("add-group-pkg", "demo-build", "build", "bash", "make")
    assert "bash: None, mandatory" in site("list-groups", "demo-build")
    site("add-tag", "base")
    site("add-tag-inheritance", "--priority", "10", "demo-build", "base")
    assert "base" in site("list-tag-inheritance", "demo-build")


def test_packages_are_listed_and_blocked(site: Client) -> None:
    site("add-pkg", "--owner", "admin", "demo", "unwanted")
    assert "unwanted" in site("list-pkgs", "--tag", "demo")
    site("block-pkg", "demo", "unwanted")
    assert "[BLOCKED]" in site("list-pkgs", "--tag", "demo", "--show-blocked")


def test_only_who_may_changes_anything(site: Client) -> None:
    assert "requires tag or admin privileges" in site("add-tag", "mine", user="user", status=2)
    assert "package_list" in site("add-pkg", "--owner", "user", "demo", "mine", user="user", status=1)


def test_a_build_is_asked_for_and_watched_to_its_end(site: Client, built: int) -> None:
    text = site("taskinfo", "-r", "-v", str(built))
    assert "State: closed" in text
    assert "Build Target: demo" in text
    assert "Build: tiny-1.0-1" in text
    assert "Host: builder" in text
    assert "tiny-data-1.0-1.noarch.rpm" in text


def test_a_finished_build_is_shown(hub: SandboxHub, site: Client, built: int) -> None:
    text = site("buildinfo", "tiny-1.0-1")
    assert "State: COMPLETE" in text
    assert f"Task: {built} build" in text
    assert "Tags: demo" in text
    assert "tiny-data-1.0-1.noarch.rpm" in text
    assert "second entry" in site("buildinfo", "--changelog", "tiny-1.0-1")
    text = site("rpminfo", "tiny-data-1.0-1.noarch")
    assert "Build: tiny-1.0-1" in text
    assert "License: MIT" in text
    assert (hub.topdir / "packages/tiny/1.0/1/data/logs/x86_64/build.log").read_text() == "first line\n"


def test_a_tagged_build_is_listed(site: Client, built: int) -> None:
    assert site("list-tagged", "--quiet", "demo").split() == ["tiny-1.0-1", "demo", "admin"]
    assert "tiny-data-1.0-1.noarch" in site("list-tagged", "--rpms", "--latest", "demo")
    assert "tiny-1.0-1" in site("list-tagged", "--inherit", "demo-build", "tiny")
    assert "tiny-1.0-1" in site("latest-build", "demo-build", "tiny")
    assert "tiny-1.0-1" in site("list-builds", "--package", "tiny")


def test_a_build_is_downloaded_with_its_logs(site: Client, built: int, tiny: TinyRpms, tmp_path: Path) -> None:
    site("download-build", "--noprogress", "tiny-1.0-1", cwd=tmp_path)
    for path in (tiny.srpm, *tiny.rpms):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    site("download-logs", "--nvr", "tiny-1.0-1", cwd=tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("build.log")] == ["first line\n"]


def test_a_build_is_untagged_and_tagged_again(site: Client, built: int, builder: HandBuilder) -> None:
    site("untag-build", "demo", "tiny-1.0-1")
    assert site("list-tagged", "--quiet", "demo") == ""
    assert "tiny-1.0-1" in site("list-untagged", "tiny")
    site("tag-build", "--nowait", "demo", "tiny-1.0-1")
    task = builder.take("tagBuild")
    builder.calls.host.tagBuild(task, *builder.calls.getTaskRequest(task)[:2])
    builder.close(task)
    assert "tiny-1.0-1" in site("list-tagged", "--quiet", "demo")
    history = site("list-history", "--build", "tiny-1.0-1")
    assert history.count("tagged into demo") == 2
    assert history.count("untagged from demo") == 1


def test_a_scratch_build_is_put_aside(
    hub: SandboxHub, aside: Any, builder: HandBuilder, tiny: TinyRpms, log: Path
) -> None:
    watching = aside("build", "--scratch", "--noprogress", "--wait", "demo", str(tiny.srpm))
    task = builder.build(tiny, log)
    done = watching.result(DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (hub.topdir / f"scratch/admin/task_{task}" / tiny.noarch.name).is_file()


def test_a_failing_build_is_told_with_its_reason(aside: Any, builder: HandBuilder, tiny: TinyRpms) -> None:
    watching = aside("build", "--noprogress", "--wait", "demo", str(tiny.srpm))
    builder.fail(builder.take("build"), "mock exited with status 1; see build.log")
    done = watching.result(DEADLINE)
    assert done.returncode == 1
    assert "BuildError: mock exited with status 1; see build.log" in done.stdout


def test_tasks_are_listed_canceled_and_asked_for_again(site: Client, builder: HandBuilder, tiny: TinyRpms) -> None:
    text = site("build", "--nowait", "--noprogress", "demo", str(tiny.srpm))
    task = text.split("Created task: ")[1].split()[0]
    assert f"{task} " in site("list-tasks", "--quiet")
    site("cancel", task)
    assert "State: canceled" in site("taskinfo", task)
    text = site("resubmit", "--nowait", task)
    again = text.split("as new task ")[1].split()[0]
    assert "State: free" in site("taskinfo", again)
    site("cancel", again)
    assert site("list-tasks", "--quiet", "--method", "build").strip() == "(no tasks)"


def test_a_task_is_made_watched_and_its_log_followed(
    hub: SandboxHub, aside: Any, site: Client, builder: HandBuilder, log: Path
) -> None:
    made = site("make-task", "sleep", "5")
    task = int(made.split("Created task id ")[1])
    assert builder.take("sleep") == task
    builder.upload(task, log)
    before = len(hub.calls())
    watching, following = aside("watch-task", str(task)), aside("watch-logs", str(task))
    until(lambda: _made(hub, before, "downloadTaskOutput") and _made(hub, before, "getTaskInfo") > 1, "the watching")
    builder.calls.rawUpload(b"second line\n", log.stat().st_size, koji.pathinfo.taskrelpath(task), log.name)
    builder.close(task)
    done = watching.result(DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{task} sleep (noarch) completed successfully" in done.stdout
    followed = following.result(DEADLINE)
    assert (followed.returncode, followed.stderr) == (0, "")
    assert "first line\nsecond line\n" in followed.stdout


def _made(hub: SandboxHub, since: int, method: str) -> int:
    """How often anonymous clients have called a method since then."""
    return sum(call.method == method and call.user == "-" for call in hub.calls(since))


def test_a_repo_is_regenerated_and_requested(aside: Any, site: Client, builder: HandBuilder) -> None:
    watching = aside("regen-repo", "--wait", "demo-build")
    first = builder.new_repo()
    done = watching.result(DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Current repo: repo#{first}" in site("taginfo", "demo-build")
    assert "Created task" in site("regen-repo", "--nowait", "--make-task", "demo-build")
    second = builder.new_repo()
    assert f"ID: {second}" in site("repoinfo", str(second))
    assert f"repo {second}" in site("request-repo", "--nowait", "demo-build").lower()


def test_calls_are_made_by_name(site: Client) -> None:
    found = json.loads(site("call", "--json-output", "getTag", "demo"))
    assert (found["name"], found["locked"]) == ("demo", False)
    keyword: Dict[str, Any] = json.loads(site("call", "--json-output", "getTag", "demo", "strict=True"))
    assert keyword == found
    assert "Invalid method: noSuchThing" in site("call", "noSuchThing", status=1)


def test_what_a_hub_has_is_searched(site: Client, built: int) -> None:
    assert site("search", "package", "ti*").split() == ["tiny"]
    assert site("search", "build", "tiny-*").split() == ["tiny-1.0-1"]
    assert site("search", "-r", "tag", "^demo-").split() == ["demo-build"]
