"""The demo: one source package goes through hub, builder, buildroot and repository, before the newcomer's eyes."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List

import koji

from kojid.sandbox import client, content, demosource, setup
from kojid.sandbox.distro.sources import SourcePackage
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.greeting import Chroot
from kojid.sandbox.layout import Layout
from kojid.sandbox.machinery import Builder, Hub
from kojid.sandbox.progress import Watcher
from kojid.sandbox.steps import Steps
from kojid.sandbox.summary import Outcome

_TASK_SECONDS = 900.0
_UPLOADS = "cli-build/sandbox-demo"


def run(directory: Path, steps: Steps, *, movable: bool) -> Outcome:
    """Do all of it; what was not running before is ended again.

    Args:
        directory: of the sandbox; made when missing.
        steps: told what is done.
        movable: the directory was not chosen by the caller.

    Raises:
        SandboxError: something did not work as it should.
    """
    layout = setup.prepare(directory, steps, movable=movable)
    with setup.exclusively(layout), _running(layout, steps) as session:
        return Demo(layout, session, steps).run()


@contextlib.contextmanager
def _running(layout: Layout, steps: Steps) -> Iterator[Any]:
    """The hub and the builder at work; yields a session of the admin."""
    hub, builder = Hub(layout), Builder(layout)
    ours = [service for service in (builder, hub) if service.service.pid() is None]
    try:
        session = setup.bring_up(layout, steps, hub)
        with steps.step("builder: kojid --fg --debug"):
            since = time.time()
            if builder in ours:
                builder.start()
                steps.note(f"its output goes to {builder.service.console}")
            else:
                steps.note("the one that runs already")
            builder.wait_until_ready(session, since)
        yield session
    finally:
        for service in ours:
            service.stop()


@dataclass
class Demo:
    """The part with hub and builder at work.

    Args:
        layout: the sandbox.
        session: an admin's session with the hub.
        steps: told what is done.
    """

    layout: Layout
    session: Any
    steps: Steps

    def run(self) -> Outcome:
        """Repository, build, and the program in a chroot.

        Raises:
            SandboxError: one of them did not work.
        """
        with self.steps.step("source package"):
            source = demosource.prepare(self.session, self.layout.sources)
            self.steps.note(f"{source.path.name}: {source.origin}")
        with self.steps.step(f"repository of tag {content.BUILD_TAG} (newRepo)"):
            self._regenerate()
        with self.steps.step(f"build of {source.path.name} for target {content.TARGET}"):
            outcome = self._build(source)
        with self.steps.step("repository anew, with the built package in it"):
            repo_id = self._regenerate()
        with self.steps.step("the program, installed in a chroot from that repository"):
            outcome.greeting = self._greet(repo_id, source.name)
        outcome.times = list(self.steps.times)
        return outcome

    def _follow(self, task_id: int) -> None:
        root = Watcher(self.session, self.layout.paths, self.steps.out).follow(task_id, _TASK_SECONDS)
        if root.state == "CLOSED":
            return
        try:
            self.session.getTaskResult(task_id)
        except Exception as error:  # the fault of the task, in whatever form it travels
            raise SandboxError(f"task {task_id} ({root.label}) {root.state.lower()}: {error}", self._where()) from error
        raise SandboxError(f"task {task_id} ({root.label}) {root.state.lower()}", self._where())

    def _where(self) -> str:
        return f"the builder's log: {self.layout.log_dir / 'kojid.log'}"

    def _regenerate(self) -> int:
        """Have the build tag's repository generated; returns its id."""
        task_id = self.session.newRepo(content.BUILD_TAG)
        self._follow(task_id)
        repo_id, _event = self.session.getTaskResult(task_id)
        self.steps.note(f"repository {repo_id}: {self.layout.paths.repo(repo_id, content.BUILD_TAG)}")
        return int(repo_id)

    def _build(self, source: SourcePackage) -> Outcome:
        uploaded = client.upload(self.session, source.path, _UPLOADS)
        task_id = self.session.build(uploaded, content.TARGET)
        self._follow(task_id)
        builds: List[Dict[str, Any]] = self.session.listBuilds(taskID=task_id)
        if len(builds) != 1 or builds[0]["state"] != koji.BUILD_STATES["COMPLETE"]:
            raise SandboxError(f"task {task_id} left no complete build on the hub: {builds}")
        return self._collect(source, task_id, builds[0])

    def _collect(self, source: SourcePackage, task_id: int, build: Dict[str, Any]) -> Outcome:
        """The build's files, which have to be where a hub keeps them."""
        rows = self.session.listBuildRPMs(build["build_id"])
        directory = Path(self.layout.paths.build(build))
        rpms = sorted(directory / self.layout.paths.rpm(row) for row in rows)
        logs = sorted((directory / "data" / "logs").rglob("*.log"))
        lost = [str(path) for path in rpms if not path.is_file()]
        if lost or not rpms or not logs:
            raise SandboxError(f"files of the build are missing below {directory}: {lost or 'all of them'}")
        return Outcome(source.origin, task_id, build["nvr"], rpms, logs)

    def _greet(self, repo_id: int, package: str) -> str:
        chroot = Chroot(self.layout, Hub(self.layout).urls(), setup.mock_path(self.layout))
        chroot.install(repo_id, package)
        greeting = chroot.run("/usr/bin/hello").strip()
        chroot.remove()
        if "hello" not in greeting.lower():
            raise SandboxError(f"the installed program prints {greeting!r}, which is no greeting")
        self.steps.note(f"hello says: {greeting}")
        return greeting
