"""`maven`: a Maven build from its sources to the tag, with wrapper packages if they are asked for (contract 6.8)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Optional, Tuple

import koji

from kojid.tasks.images import MultiPlatformTask
from kojid.tasks.newbuild import NewBuild, require_listed

# What the task that builds gets to know of the options.
_BUILD_OPTIONS = (
    "goals", "profiles", "properties", "envs", "patches", "packages", "jvm_options", "maven_options", "deps", "scratch",
)  # fmt: skip
_SNAPSHOT = "-SNAPSHOT"

Row = Dict[str, Any]


class MavenTask(NewBuild, MultiPlatformTask):
    """Build with Maven, import and tag."""

    Methods: ClassVar[List[str]] = ["maven"]
    _taskWeight = 0.2

    def handler(self, url: str, target: str, opts: Optional[Row] = None) -> None:
        """Build.

        Args:
            url: the source (contract 8.1).
            target: name of the build target.
            opts: those of `buildMaven`; repo_id, specfile (the source of a wrapper's template), scratch, skip_tag.

        Raises:
            koji.BuildError: no such target, no repository, a package that the tag does not take, a version that ends in
                -SNAPSHOT and is no scratch build.
            any fault: of a subtask.
        """
        opts = dict(opts or {})
        info = self.session.getBuildTarget(target)
        if not info:
            raise koji.BuildError(f"unknown build target: {target}")
        dest_tag = self.session.getTag(info["dest_tag"], strict=True)
        build_tag = self.session.getTag(info["build_tag"], strict=True)
        repo_id = self._repo_id(build_tag, opts)
        results = self._build(url, build_tag, {**opts, "repo_id": repo_id})
        build, is_complete = (
            (None, False) if opts.get("scratch") else self._begin(results["maven_info"], dest_tag, opts)
        )
        if not is_complete:
            with self.failing_with(build["id"] if build else None):
                rpms = None
                if opts.get("specfile"):
                    rpms = self.buildWrapperRPM(opts["specfile"], results["task_id"], info, build, repo_id)
                self._hand_over(build, results, rpms)
        if build and not opts.get("skip_tag"):
            self.tagBuild(build["id"], dest_tag["id"])

    def _repo_id(self, build_tag: Row, opts: Row) -> int:
        if opts.get("repo_id"):
            return int(opts["repo_id"])
        repo = self.session.getRepo(build_tag["id"])
        if not repo:
            raise koji.BuildError(f"no repo for tag {build_tag['name']}")
        return int(repo["id"])

    def _build(self, url: str, build_tag: Row, opts: Row) -> Row:
        wanted = {key: opts[key] for key in (*_BUILD_OPTIONS, "repo_id") if key in opts}
        task_id = self.session.host.subtask(
            method="buildMaven", arglist=[url, build_tag, wanted], label="build", parent=self.id, arch="noarch"
        )
        results: Row = self.wait(task_id)[task_id]
        return {**results, "task_id": task_id}

    def _begin(self, maven_info: Dict[str, str], dest_tag: Row, opts: Row) -> Tuple[Row, bool]:
        """Begin the build, or find the one of an earlier run of this task; returns it, and whether it is complete."""
        if maven_info["version"].endswith(_SNAPSHOT):
            raise koji.BuildError("-SNAPSHOT versions are only supported in scratch builds")
        data = koji.maven_info_to_nvr(maven_info)
        if not opts.get("skip_tag"):
            config = self.session.getPackageConfig(dest_tag["id"], data["name"])
            require_listed(config, data["name"], dest_tag["name"])
        # the hub picks a new release each time that it is asked
        earlier = self.earlier_build(data)
        if earlier is not None:
            found: Row = self.session.getBuild(earlier[0], strict=True)
            return found, earlier[1]
        begun: Row = self.session.host.initMavenBuild(self.id, data, maven_info)
        return begun, False

    def _hand_over(self, build: Optional[Row], results: Row, rpms: Optional[Row]) -> None:
        if build is None:
            self.session.host.moveMavenBuildToScratch(self.id, results, rpms)
        else:
            self.session.host.completeMavenBuild(self.id, build["id"], results, rpms)
