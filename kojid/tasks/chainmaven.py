"""`chainmaven`: Maven builds and wrapper packages, each as soon as what it needs has been built (contract 6.8).

Builds that the tag has already, made from the same source with the same options, are not made again.
"""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Mapping, Optional, Set, Union
from xmlrpc.client import Fault

import koji

from kojid.tasks import mavenchain
from kojid.tasks.images import MultiPlatformTask
from kojid.tasks.newbuild import require_listed

Row = Dict[str, Any]
# What a package came to: a build's name-version-release, or for a scratch build the task that holds its files.
Outcome = Union[str, int]


class ChainMavenTask(MultiPlatformTask):
    """Build in the order of what needs what."""

    Methods: ClassVar[List[str]] = ["chainmaven"]
    _taskWeight = 0.2

    def handler(self, builds: Mapping[str, Row], target: str, opts: Optional[Row] = None) -> List[str]:
        """Build all.

        Args:
            builds: by package: scmurl, buildrequires (names of packages among these), type ("maven" or "wrapper"), and
                options of the task that builds it.
            target: name of the build target.
            opts: scratch, skip_tag, debug, and force: build even what is there already.

        Returns:
            A line for each package, in the order of their ends.

        Raises:
            koji.BuildError: no such target, a package that the tag does not take, no order is possible, or a type that
                is none.
            any fault: of a build that failed; those beside it are waited for.
        """
        opts = dict(opts or {})
        info = self.session.getBuildTarget(target)
        if not info:
            raise koji.BuildError(f"unknown build target: {target}")
        mavenchain.check(builds)
        self.target, self.target_name, self.builds, self.opts = info, target, builds, opts
        self.dest_tag = self.session.getTag(info["dest_tag"], strict=True)
        if not (opts.get("scratch") or opts.get("skip_tag")):
            for package in builds:
                require_listed(
                    self.session.getPackageConfig(self.dest_tag["id"], package), package, self.dest_tag["name"]
                )
        self.done: Dict[str, Outcome] = {}
        self.results: List[str] = []
        self._run()
        return self.results

    def _run(self) -> None:
        todo = set(self.builds)
        running: Dict[int, str] = {}
        while todo or running:
            self._start_ready(todo, running)
            if running:
                for task_id in self._wait_for_any(running):
                    self._note(running.pop(task_id), task_id)

    def _start_ready(self, todo: Set[str], running: Dict[int, str]) -> None:
        """Start what can be built now; what is there already makes more of them ready."""
        while True:
            ready = sorted(name for name in todo if set(self._requires(name)) <= set(self.done))
            if not ready:
                return
            for package in ready:
                todo.remove(package)
                task_id = self._start(package)
                if task_id is not None:
                    running[task_id] = package

    def _requires(self, package: str) -> List[str]:
        return list(self.builds[package].get("buildrequires") or [])

    def _start(self, package: str) -> Optional[int]:
        """Start the task that builds a package; None when it is there already."""
        params = self.builds[package]
        url = params["scmurl"]
        options = mavenchain.task_options(params)
        wraps = params.get("type") == "wrapper"
        if not wraps:
            dependencies = mavenchain.dependencies(package, self.builds, self.done)
            if dependencies:
                options["deps"] = dependencies
        if not self.opts.get("force"):
            wrapped = self.done[self._requires(package)[0]] if wraps else None
            there = self._already_there(package, url, options, wrapped)
            if there:
                self.done[package] = there
                self.results.append(f"{there} previously built from {url}")
                return None
        options.update({key: self.opts[key] for key in ("skip_tag", "scratch") if key in self.opts})
        return self._wrap(package, url, options) if wraps else self._build(package, url, options)

    def _already_there(self, package: str, url: str, options: Row, wrapped: Optional[Outcome]) -> str:
        """The newest build in the tag if it was made as this one would be, else nothing."""
        builds = self.session.getLatestBuilds(self.dest_tag["name"], package=package)
        if not builds or not builds[0]["task_id"]:
            return ""
        task = self.session.getTaskInfo(builds[0]["task_id"], request=True)
        same = bool(task) and mavenchain.is_same(task["request"], url, options, wrapped)
        return str(builds[0]["nvr"]) if same else ""

    def _build(self, package: str, url: str, options: Row) -> int:
        if self.opts.get("debug"):
            options["maven_options"] = [*(options.get("maven_options") or []), "--debug"]
        return self._subtask("maven", [url, self.target_name, options], package)

    def _wrap(self, package: str, url: str, options: Row) -> int:
        wrapped = self.done[self._requires(package)[0]]
        build, task = None, None
        if isinstance(wrapped, int):
            task = self.session.getTaskInfo(wrapped, request=True)
        else:
            build = self.session.getBuild(wrapped, strict=True)
        info = self.session.getBuildTarget(self.target_name, strict=True)
        options["repo_id"] = self.getRepo(info["build_tag"])["id"]
        return self._subtask("wrapperRPM", [url, info, build, task, options], package)

    def _subtask(self, method: str, arglist: List[Any], label: str) -> int:
        return int(self.session.host.subtask(method=method, arglist=arglist, label=label, parent=self.id))

    def _wait_for_any(self, running: Mapping[int, str]) -> List[int]:
        """Wait until a task has ended well; after a failure the others are waited for, then its fault is raised."""
        try:
            return sorted(set(self.wait(sorted(running))).intersection(running))
        except (Fault, koji.GenericError):
            self.wait(sorted(running), all=True)
            raise

    def _note(self, package: str, task_id: int) -> None:
        """Note what a task has made."""
        url = self.builds[package]["scmurl"]
        if self.opts.get("scratch"):
            wraps = self.builds[package].get("type") == "wrapper"
            self.done[package] = task_id if wraps else self._files_of(task_id)
            self.results.append(f"{package} built from {url} by task {task_id}")
            return
        builds = self.session.listBuilds(taskID=task_id)
        if not builds:
            raise koji.BuildError(f"could not find build for task {task_id}")
        self.done[package] = builds[0]["nvr"]
        self.results.append(f"{builds[0]['nvr']} built from {url}")

    def _files_of(self, task_id: int) -> int:
        """The subtask of a scratch build whose output is a Maven repository."""
        for child in self.session.getTaskChildren(task_id):
            if child["method"] == "buildMaven":
                return int(child["id"])
        raise koji.BuildError(f"could not find buildMaven subtask of {task_id}")
