"""`build`: a source becomes a build. It spawns the tasks that do the work and hands their files to the hub.

Contract 6.1. It runs nothing and uploads nothing itself, and can run again from the start at any time: subtasks are
found again by their labels, and the hub gives back the build that it made for this task.
"""

# Method names are koji's: subclasses of plugins know them.
# ruff: noqa: N802, N815

from __future__ import annotations

import os
import random
import tempfile
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Tuple

import koji

from kojid.hub import capabilities
from kojid.hub.volume import read_start, volume_url
from kojid.sources import specs
from kojid.sources.scm import is_scm_url
from kojid.system import logfields
from kojid.tasks import buildrequest
from kojid.tasks.archlist import ArchHeaders, build_arches, matches_literally, noarch_choices
from kojid.tasks.buildrequest import BuildTags
from kojid.tasks.newbuild import NewBuild, require_listed


@dataclass
class BuiltFiles:
    """What the arch tasks have left in the hub's work directory, as `host.completeBuild` takes it.

    Args:
        srpm: path of the source package.
        rpms: paths of the binary packages.
        brmap: path to buildroot id.
        logs: arch to paths.
    """

    srpm: str = ""
    rpms: List[str] = field(default_factory=list)
    brmap: Dict[str, int] = field(default_factory=dict)
    logs: Dict[str, List[str]] = field(default_factory=dict)

    def add(self, arch: str, result: Dict[str, Any]) -> None:
        """Take in the result of one buildArch task."""
        self.rpms += result["rpms"]
        if result["logs"]:
            self.logs.setdefault(arch, []).extend(result["logs"])
        if result["srpms"]:
            self.srpm = result["srpms"][0]
        for path in [*result["rpms"], *result["srpms"][:1]]:
            self.brmap[path] = result["brootid"]


class BuildTask(NewBuild):
    """Build a package from an uploaded source package or from version control."""

    Methods: ClassVar[List[str]] = ["build"]
    _taskWeight = 0.2

    event_id: Optional[int] = None  # what is asked about tags is asked as of this event
    source: Optional[Dict[str, Any]] = None  # where the source package came from

    def handler(self, src: str, target: Optional[str], opts: Optional[Dict[str, Any]] = None) -> None:
        """Build.

        Args:
            src: a path below the hub's work directory, or a URL of version control.
            target: name of the build target; with the option repo_id also of a tag, or None.
            opts: arch_override, scratch, repo_id, skip_tag, wait_repo, wait_builds, draft, custom_user_metadata,
                fail_fast, rebuild_srpm.
        """
        self.opts = opts = dict(opts or {})
        buildrequest.check_options(src, opts)
        repo = buildrequest.requested_repo(self.session, opts)
        self.event_id = repo["create_event"] if repo else None
        task = self.session.getTaskInfo(self.id)
        tags = buildrequest.find_tags(self.session, target, repo, opts)
        self._assert_policies(task, src, tags)
        if repo is None:
            repo = self.getRepo(tags.build_tag, builds=opts.get("wait_builds"), wait=bool(opts.get("wait_repo")))
            self.event_id = self.session.getLastEvent()["id"]
        srpm = self.getSRPM(src, tags.build_tag, repo["id"])
        header = self.readSRPMHeader(srpm)
        data = self._build_data(header)
        extra_arches = self._check_package(data["name"], tags)
        arches = self.getArchList(tags.build_tag, header, extra=extra_arches)
        build_id = self._run(srpm, tags, arches, repo["id"], data)
        if build_id is not None and not tags.skip_tag:
            self.tagBuild(build_id, tags.dest_tag)

    def _assert_policies(self, task: Dict[str, Any], src: str, tags: BuildTags) -> None:
        from_scm = is_scm_url(src)
        data = buildrequest.policy_data(task, src, tags, self.opts, from_scm=from_scm)
        if not from_scm and not self.opts.get("scratch"):
            self.session.host.assertPolicy("build_from_srpm", data)
        if self.opts.get("repo_id") is not None:
            self.session.host.assertPolicy("build_from_repo_id", data)
        if capabilities.of(self.session).has_build_rpm_policy:
            self.session.host.assertPolicy("build_rpm", data)

    # -- the source package

    def getSRPM(self, src: str, build_tag: int, repo_id: int) -> str:
        """The source package's path below the hub's work directory, made or made anew by a subtask (6.1, step 7)."""
        if is_scm_url(src):
            return self._srpm_subtask("buildSRPMFromSCM", src, build_tag, repo_id)
        rebuild = self._build_config(build_tag)["extra"].get("rebuild_srpm", True)
        if self.opts.get("scratch") and self.opts.get("rebuild_srpm") is not None:
            rebuild = self.opts["rebuild_srpm"]
        return self._srpm_subtask("rebuildSRPM", src, build_tag, repo_id) if rebuild else src

    def _srpm_subtask(self, method: str, src: str, build_tag: int, repo_id: int) -> str:
        task_id = self.session.host.subtask(
            method=method,
            arglist=[src, build_tag, {"repo_id": repo_id, "scratch": self.opts.get("scratch")}],
            label="srpm",
            arch=self.choose_taskarch("noarch", None, build_tag),
            parent=self.id,
        )
        result = self.wait(task_id)[task_id]
        self.source = result.get("source")
        if self.source is None:
            self.logger.warning("subtask did not provide source data")
        return str(result["srpm"])

    def readSRPMHeader(self, srpm: str) -> Any:
        """The header of a source package below the hub's work directory; read once, and no more of it than that.

        Raises:
            koji.BuildError: it is not a source package.
        """
        cache = self.__dict__.setdefault("_headers", {})
        if srpm not in cache:
            self.logger.debug("Reading SRPM")
            header = self._fetch_header(srpm)
            if not specs.is_source(header):
                raise koji.BuildError(f"{srpm} is not a source package")
            cache[srpm] = header
        return cache[srpm]

    def _fetch_header(self, srpm: str) -> Any:
        relative = f"work/{srpm}"
        if not self.options.topurl:
            return specs.read_header(self.localPath(relative))
        start = read_start(volume_url(self.options.topurl, relative), specs.header_size)
        with tempfile.TemporaryFile(dir=self.workdir) as opened:
            opened.write(start)
            opened.seek(0)
            return specs.read_header(opened, os.path.basename(srpm))

    # -- the build's data

    def _build_data(self, header: Any) -> Dict[str, Any]:
        data = specs.build_fields(header)
        data["task_id"] = self.id
        logfields.put(NVR=f"{data['name']}-{data['version']}-{data['release']}")
        extra: Dict[str, Any] = {}
        if self.source:
            data["source"] = self.source["source"]
            extra["source"] = {"original_url": self.source["url"]}
        if self.opts.get("custom_user_metadata"):
            extra["custom_user_metadata"] = self.opts["custom_user_metadata"]
        if extra:
            data["extra"] = extra
        if self.opts.get("draft"):
            data["draft"] = self.opts["draft"]
        return data

    def _check_package(self, name: str, tags: BuildTags) -> str:
        """The package's extra arches; raises koji.BuildError if the destination tag does not take the package."""
        self.logger.info("Reading package config for %s", name)
        config = self.session.getPackageConfig(tags.dest_tag, name, event=self.event_id)
        self.logger.debug("%r", config)
        if not tags.skip_tag and not self.opts.get("scratch"):
            require_listed(config, name, tags.dest_name)
        return (config or {}).get("extra_arches") or ""

    # -- arches

    def getArchList(self, build_tag: int, header: Any, extra: Optional[str] = None) -> List[str]:
        """The arches to build for (contract 6.2)."""
        tag_arches = self._tag_arches(self._build_config(build_tag))
        override = (self.opts.get("arch_override") or "") if self.opts.get("scratch") else ""
        arches = build_arches(tag_arches, (extra or "").split(), ArchHeaders.of(header), override.split())
        self.logger.debug("arches: %r", arches)
        return arches

    def choose_taskarch(self, arch: str, srpm: Optional[str], build_tag: int) -> str:
        """The arch that a subtask gets, so that a host that can do it takes it (contract 6.2).

        Args:
            arch: what is to be built.
            srpm: the source package, None when there is none yet.
            build_tag: the tag whose arches count.
        """
        if matches_literally(arch, self.options.literal_task_arches):
            return arch
        if arch != "noarch":
            return str(koji.canonArch(arch))
        headers = ArchHeaders() if srpm is None else ArchHeaders.of(self.readSRPMHeader(srpm))
        config = self._build_config(build_tag)
        noarch_arches = config["extra"].get("noarch_arches")
        if not (headers.exclusivearch or headers.excludearch or noarch_arches):
            return "noarch"
        choices = noarch_choices(self._tag_arches(config), noarch_arches, headers)
        self.logger.info("Filtering arches for noarch subtask. Choices: %r", choices)
        # SystemRandom: after a fork every task would make the same choice otherwise
        return random.SystemRandom().choice(choices) if choices else "noarch"

    def _build_config(self, build_tag: int) -> Dict[str, Any]:
        config: Dict[str, Any] = self.session.getBuildConfig(build_tag, event=self.event_id)
        return config

    def _tag_arches(self, config: Dict[str, Any]) -> Sequence[str]:
        arches: List[str] = (config["arches"] or "").split()
        if not arches:
            raise koji.BuildError(f"No arches for tag {config['name']} [{config['id']}]")
        return arches

    # -- the arch tasks and the import

    def _run(self, srpm: str, tags: BuildTags, arches: List[str], repo_id: int, data: Dict[str, Any]) -> Optional[int]:
        """Build for all arches and hand in the files; returns the build's id, None for a scratch build."""
        if self.opts.get("scratch"):
            built = self.runBuilds(srpm, tags.build_tag, arches, repo_id)
            self.session.host.moveBuildToScratch(self.id, built.srpm, built.rpms, logs=built.logs)
            return None
        build_id, is_complete = self.begin_build(data)
        if not is_complete:
            with self.failing_with(build_id):
                built = self.runBuilds(srpm, tags.build_tag, arches, repo_id)
                self.session.host.completeBuild(self.id, build_id, built.srpm, built.rpms, built.brmap, logs=built.logs)
        return build_id

    def runBuilds(self, srpm: str, build_tag: int, archlist: List[str], repo_id: int) -> BuiltFiles:
        """Spawn a buildArch task for each arch, wait for all, and collect what they have built.

        Raises:
            koji.BuildError: none or several of them returned a source package.
            any fault: of an arch that failed.
        """
        tasks = self._spawn_arches(srpm, build_tag, archlist, repo_id)
        failany = bool(self.opts.get("fail_fast")) or not self.options.build_arch_can_fail
        results = self.wait([task_id for _arch, task_id in tasks], all=True, failany=failany)
        if sum(bool(results[task_id]["srpms"]) for _arch, task_id in tasks) > 1:
            raise koji.BuildError(f"multiple builds returned a srpm.  task {self.id}")
        built = BuiltFiles()
        for arch, task_id in tasks:
            built.add(arch, results[task_id])
        if not built.srpm:
            raise koji.BuildError("could not find a built srpm")
        return built

    def _spawn_arches(self, srpm: str, build_tag: int, archlist: List[str], repo_id: int) -> List[Tuple[str, int]]:
        tasks = []
        for number, arch in enumerate(archlist):
            keep_srpm = number == 0
            task_id = self.session.host.subtask(
                method="buildArch",
                arglist=[srpm, build_tag, arch, keep_srpm, {"repo_id": repo_id}],
                label=arch,
                parent=self.id,
                arch=self.choose_taskarch(arch, srpm, build_tag),
            )
            tasks.append((arch, task_id))
        return tasks
