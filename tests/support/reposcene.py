"""A hub and a builder for repository tasks, small tags of tiny packages, and a web server with a repository of others.

with running_scene(directory) as scene:
    scene.tag("t-build", "x86_64 aarch64", scene.tiny)
    repo = scene.regenerate("t-build")
    assert repo.packages("aarch64") == {"tiny-data-1.0-1.noarch"}

No distribution and no mock: nothing is built here, and nothing needs root.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

import koji
import pytest

from kojid.repos import metadata
from kojid.sandbox import client
from tests.support.lightdaemon import light_daemon
from tests.support.sandbox import ENDED, wait_for
from tests.support.sandboxhub import SandboxHub, running_hub
from tests.unit.sandbox.hub_content import tinyrpm
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

TOOLS = ("createrepo_c", "mergerepo_c", "rpmbuild")


class WebServer:
    """Serves a directory over HTTP on a free port; `requests` are the paths that were asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: List[str] = []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                super().do_GET()

            def log_message(self, *_args: Any) -> None:
                pass

        directory.mkdir()
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(directory))
        )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def repository(self, path: str, *rpms: Path) -> Path:
        """Put a repository with these packages below the served directory; its own directory."""
        directory = self.directory / path
        directory.mkdir(parents=True)
        for rpm in rpms:
            shutil.copy(rpm, directory)
        subprocess.run(["createrepo_c", "-q", str(directory)], check=True, capture_output=True)
        return directory


class Repo:
    """A finished repository on the volume."""

    def __init__(self, scene: Scene, repo_id: int) -> None:
        self.id = repo_id
        self.info: Dict[str, Any] = scene.admin.repoInfo(repo_id, strict=True)
        self.path = Path(scene.hub.settings.pathinfo.repo(repo_id, self.info["tag_name"]))

    @property
    def json(self) -> Dict[str, Any]:
        """What its repo.json says."""
        found: Dict[str, Any] = json.loads((self.path / "repo.json").read_text())
        return found

    def repodata(self, arch: str) -> Path:
        return self.path / arch / "repodata"

    def packages(self, arch: str) -> Set[str]:
        """N-V-R.A of what the metadata of an arch lists; its files are complete."""
        assert metadata.named(self.repodata(arch)) <= set(metadata.files(self.repodata(arch)))
        return set(metadata.source_packages(self.repodata(arch)))

    def origins(self, arch: str) -> Dict[str, Set[str]]:
        """Where the packages of an arch came from, the repository's own as "own"."""
        own = f"/repo_{self.id}_premerge"
        found = metadata.origins(self.repodata(arch))
        return {nvra: {"own" if url.endswith(own) else url for url in urls} for nvra, urls in found.items()}


class Scene:
    """See the module.

    Args:
        hub: the hub, running.
        directory: for the packages and what is served.
        web: the server of the other repository.
    """

    def __init__(self, hub: SandboxHub, directory: Path, web: WebServer) -> None:
        self.hub = hub
        self.dir = directory
        self.web = web
        self.admin = hub.session("admin")
        self.tiny = tinyrpm.build(directory / "tiny")
        self._imported: Set[str] = set()
        self._made: Dict[str, TinyRpms] = {}
        (hub.topdir / "repos").mkdir(parents=True, exist_ok=True)

    def koji(self, *arguments: str, status: int = 0) -> str:
        """Run the real client; what it printed."""
        done = self.hub.koji(*arguments)
        assert done.returncode == status, f"koji {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def package(self, name: str, version: str = "1.0") -> TinyRpms:
        """A package of its own: NAME for x86_64, NAME-data for noarch."""
        nvr = f"{name}-{version}"
        if nvr not in self._made:
            self._made[nvr] = tinyrpm.build(self.dir / nvr, name, version)
        return self._made[nvr]

    def tag(self, name: str, arches: str, *packages: TinyRpms, **extra: Any) -> str:
        """A build tag that holds packages."""
        self.admin.createTag(name, arches=arches, extra=extra)
        self.admin.createBuildTarget(name, name, name)
        for package in packages:
            self.add(name, package)
        return name

    def add(self, tag: str, package: TinyRpms) -> None:
        """Tag a package's build, which is imported when the hub has not got it."""
        if package.nvr not in self._imported:
            self._imported.add(package.nvr)
            for path in (package.srpm, *package.rpms):
                client.upload(self.admin, path, f"scene/{package.nvr}")
                self.admin.importRPM(f"scene/{package.nvr}", path.name)
        name = koji.parse_NVR(package.nvr)["name"]
        self.admin.packageListAdd(tag, name, owner="admin")
        self.admin.tagBuildBypass(tag, package.nvr)

    def external(self, tag: str, name: str, path: str, *options: str) -> str:
        """Have the client give a tag a repository of the web server; returns its URL."""
        url = f"{self.web.url}/{path}/"
        self.koji("add-external-repo", "-t", tag, *options, name, url)
        return url

    def regenerate(self, tag: str, *options: str) -> Repo:
        """Have the client ask for a repository of a tag and wait for it; one that is new enough is taken as it is."""
        said = self.koji("regen-repo", "--wait", *options, tag)
        found = re.search(r"Got repo (\d+)", said)
        if found is not None:
            return Repo(self, int(found.group(1)))
        created = re.search(r"Created task: (\d+)", said)  # what hubs before 1.35 let it do
        assert created is not None, said
        return self.repo_of(int(created.group(1)))

    def repo(self, repo_id: int) -> Repo:
        """A repository by its id."""
        return Repo(self, repo_id)

    def repo_of(self, task_id: int) -> Repo:
        """The repository that a newRepo task has made."""
        return Repo(self, self.closed(task_id)[0])

    def new_repo(self, tag: str, **options: Any) -> int:
        """Make a newRepo task; returns its id."""
        return int(self.admin.newRepo(tag, **options))

    def finish(self, task_id: int, timeout: float = 120) -> str:
        """Wait for a task's end; its state in words."""
        wait_for(lambda: self.admin.getTaskInfo(task_id)["state"] in ENDED, timeout, f"task {task_id}")
        return str(koji.TASK_STATES[self.admin.getTaskInfo(task_id)["state"]])

    def closed(self, task_id: int, timeout: float = 120) -> Any:
        """Wait for a task's good end; its result."""
        state = self.finish(task_id, timeout)
        assert state == "CLOSED", f"task {task_id}: {self.fault(task_id)}"
        return self.admin.getTaskResult(task_id)

    def failed(self, task_id: int, timeout: float = 120) -> str:
        """Wait for a task's failure; the text of its fault."""
        assert self.finish(task_id, timeout) == "FAILED"
        return self.fault(task_id)

    def fault(self, task_id: int) -> str:
        """The text of a task's fault; empty without one."""
        try:
            self.admin.getTaskResult(task_id)
        except koji.GenericError as error:
            return str(error)
        return ""

    def children(self, task_id: int) -> Dict[str, Dict[str, Any]]:
        """The subtasks of a task by label."""
        return {row["label"]: row for row in self.admin.getTaskChildren(task_id, request=True)}

    def log(self, task_id: int, name: str) -> str:
        """A log that a task has uploaded."""
        data: bytes = self.admin.downloadTaskOutput(task_id, name)
        return data.decode(errors="replace")


@contextlib.contextmanager
def running_scene(directory: Path, options: Optional[Mapping[str, Any]] = None, **settings: Any) -> Iterator[Scene]:
    """A scene with its builder at work; `options` are the builder's, `settings` the hub's."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {' '.join(missing)}")
    with running_hub(directory, **settings) as hub, contextlib.closing(WebServer(directory / "www")) as web:
        scene = Scene(hub, directory, web)
        with light_daemon(hub, directory, **(options or {})):
            yield scene
