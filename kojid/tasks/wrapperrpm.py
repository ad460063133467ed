"""`wrapperRPM`: packages built around the files of a Maven, Windows or image build (contract 6.8).

The spec file comes from a template in version control, which is rendered by a process that is nobody. The task runs by
itself, for a build that is complete, or as a part of a task that makes the files; then that one takes the packages.
"""

# Method and attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional

import koji
from koji.tasks import RefuseTask

from kojid.buildroot.chrootfiles import open_directory
from kojid.buildroot.results import Results
from kojid.sources import specs, templates
from kojid.system.files import copy_beneath
from kojid.tasks import artifacts, buildrequest, spectemplate
from kojid.tasks.artifacts import Artifacts
from kojid.tasks.checkouts import LOG, allowed_source, check_out
from kojid.tasks.chroots import buildroot
from kojid.tasks.newbuild import NewBuild, require_listed
from kojid.tasks.srpm import SourcePackageTask, give_to_mock

Row = Dict[str, Any]


@dataclass
class Wanted:
    """What is to be wrapped, and how.

    Args:
        target: the build target, as the hub describes it.
        build: the build that holds the files, if there is one.
        task: the task that made them, if this one is a part of its parent.
        opts: the options.
    """

    target: Row
    build: Optional[Row]
    task: Optional[Row]
    opts: Row

    @property
    def scratch(self) -> bool:
        """Whether the packages are put aside."""
        return bool(self.opts.get("scratch"))

    @property
    def makes_build(self) -> bool:
        """Whether the packages become a build of their own."""
        return bool(self.opts.get("create_build")) and not self.scratch and not self.task


@dataclass
class Made:
    """What comes out.

    Args:
        broot: the buildroot.
        spec: name of the spec file.
        source: where its template came from.
        srpm, rpms: names of the packages.
        build_id: the build of their own, if they make one.
    """

    broot: Any
    spec: str
    source: Dict[str, str]
    srpm: str = ""
    rpms: List[str] = field(default_factory=list)
    build_id: Optional[int] = None

    @property
    def logs(self) -> List[str]:
        """Names of the logs; the spec file counts as one."""
        return [LOG, self.spec, *sorted(set(self.broot.logs) - {LOG, self.spec})]


class WrapperRPMTask(SourcePackageTask, NewBuild):
    """Build packages around archives."""

    Methods: ClassVar[List[str]] = ["wrapperRPM"]
    _taskWeight = 1.5

    def checkHost(self, hostdata: Row) -> bool:  # noqa: N802 - koji's name
        """Whether this host's arches suit the target's build tag; see `BaseBuildTask.checkHost`."""
        target = self.params[1] if len(self.params) > 1 else None
        if not isinstance(target, dict) or "build_tag" not in target:
            return True  # running it tells better what is wrong with it
        return self.checkHostArch(target["build_tag"], hostdata)

    def handler(
        self, spec_url: str, build_target: Row, build: Optional[Row], task: Optional[Row], opts: Optional[Row] = None
    ) -> Row:
        """Build the packages.

        Args:
            spec_url: where the template of the spec file is, in version control.
            build_target: the build target, as the hub describes it.
            build: the build that holds the files.
            task: the task that made them; its parent takes the packages then.
            opts: repo_id, scratch, skip_tag, create_build, draft, custom_user_metadata, wait_repo, wait_builds.

        Returns:
            buildroot_id; srpm, rpms and logs as bare names; source; and custom_user_metadata of a build of its own.

        Raises:
            RefuseTask: there is no Cheetah on this host.
            koji.BuildError: there is nothing to wrap, or it can't be wrapped.
        """
        if not templates.is_available():
            raise RefuseTask("wrapperRPM needs the Python package Cheetah (CT3), which is not installed here")
        wanted = Wanted(build_target, build, task, dict(opts or {}))
        found, values = artifacts.find(self.session, build, task)
        scm = allowed_source(self, spec_url, scratch=wanted.opts.get("scratch"))
        if wanted.opts.get("create_build"):
            buildrequest.check_metadata(wanted.opts)
        tag = self.session.getTag(build_target["build_tag"], strict=True)
        repo = self._repo(tag["id"], wanted.opts)
        config = self.session.getBuildConfig(tag["id"], event=repo["create_event"])
        arch = self.find_arch("noarch", self.session.host.getHost(), config)
        with buildroot(self, tag["id"], arch, repo_id=repo["id"], install_group="wrapper-rpm-build") as broot:
            scmdir = broot.make_tmpdir("scmroot")
            scratch = wanted.opts.get("scratch")
            checkout = check_out(self, scm, scmdir, build_tag=tag, scratch=scratch, buildroot=broot)
            source = scm.get_source()
            spec = self._make_spec(broot, checkout, spec_url, found, values)
            give_to_mock(scmdir, self.options)
            broot.build_srpm(spec, os.path.dirname(spec), None)
            made = Made(broot, os.path.basename(spec), source)
            self._build(made, self._take_out_srpm(broot), wanted)
        if made.build_id is not None and not wanted.opts.get("skip_tag"):
            self.tagBuild(made.build_id, build_target["dest_tag"])
        return self._result(made, wanted)

    def _repo(self, tag_id: int, opts: Row) -> Row:
        """The repository that the options name, as a parent does, else the tag's."""
        if opts.get("repo_id"):
            found: Row = self.session.repoInfo(opts["repo_id"], strict=True)
            return found
        return self.getRepo(tag_id, builds=opts.get("wait_builds"), wait=bool(opts.get("wait_repo")))

    def _make_spec(self, broot: Any, checkout: str, url: str, found: Artifacts, values: Row) -> str:
        """Put the files beside the template, render it, upload the spec file; returns its path."""
        template = os.path.join(checkout, spectemplate.find(checkout, url))
        specdir = os.path.dirname(template)
        files = [(self.localPath(path), path) for path in found.paths]
        with spectemplate.opened(broot.rootdir(), broot.path_without_to_within(specdir)) as directory:
            spectemplate.put_beside(directory, files)
            spec = spectemplate.fill(directory, os.path.basename(template), values)
        path = os.path.join(specdir, spec)
        self.uploadFile(path)
        return path

    def _take_out_srpm(self, broot: Any) -> str:
        """Move the source package out of the result directory, where the next step leaves it anew; returns its path."""
        name = self.find_srpm(broot)
        path = os.path.join(str(self.workdir), name)
        with open_directory(broot.resultdir()) as directory:
            copy_beneath(directory, name, Path(path))
            os.unlink(name, dir_fd=directory)
        return path

    def _build(self, made: Made, srpm: str, wanted: Wanted) -> None:
        """Build the packages, and hand them over if nobody else does."""
        is_complete = False
        if wanted.makes_build:
            made.build_id, is_complete = self.begin_build(self._build_data(srpm, made, wanted))
        if is_complete:
            rpms = self.session.listRPMs(buildID=made.build_id)
            made.srpm = os.path.basename(srpm)
            made.rpms = [f"{rpm['nvr']}.{rpm['arch']}.rpm" for rpm in rpms if rpm["arch"] != "src"]
            return
        with self.failing_with(made.build_id):
            made.broot.build(srpm)
            self._take_packages(made)
            self._hand_over(made, wanted)

    def _build_data(self, srpm: str, made: Made, wanted: Wanted) -> Row:
        data = specs.build_fields(specs.read_header(srpm))
        data.update(task_id=self.id, source=made.source["source"])
        data["extra"] = {"source": {"original_url": made.source["url"]}}
        if wanted.opts.get("custom_user_metadata"):
            data["extra"]["custom_user_metadata"] = wanted.opts["custom_user_metadata"]
        if wanted.opts.get("draft"):
            data["draft"] = wanted.opts["draft"]
        if not wanted.opts.get("skip_tag"):
            config = self.session.getPackageConfig(wanted.target["dest_tag"], data["name"])
            require_listed(config, data["name"], wanted.target["dest_tag_name"])
        return data

    def _take_packages(self, made: Made) -> None:
        """Upload what was built."""
        results: Results = made.broot.results()
        resultdir = made.broot.resultdir()
        if len(results.srpms) > 1:
            raise koji.BuildError(f"multiple srpms found in {resultdir}: {', '.join(results.srpms)}")
        if results.unexpected:
            raise koji.BuildError(f"unexpected file found in {resultdir}: {', '.join(results.unexpected)}")
        if not results.srpms:
            raise koji.BuildError("no srpm found")
        if not results.rpms:
            raise koji.BuildError("no rpms found")
        self.upload_files(f"{resultdir}/{name}" for name in [*results.srpms, *results.rpms])
        made.srpm, made.rpms = results.srpms[0], results.rpms

    def _hand_over(self, made: Made, wanted: Wanted) -> None:
        """Give the hub what was built; a parent does that itself."""
        if wanted.task:
            return
        if made.build_id is None and not wanted.scratch:
            self._import(wanted.build or {}, self._result(made, wanted))
            return
        below = self.getUploadDir()
        srpm, *rpms = [f"{below}/{name}" for name in (made.srpm, *made.rpms)]
        logs = {"noarch": [f"{below}/{name}" for name in made.logs]}
        if made.build_id is None:
            self.session.host.moveBuildToScratch(self.id, srpm, rpms, logs=logs)
        else:
            brmap = dict.fromkeys([srpm, *rpms], made.broot.id)
            self.session.host.completeBuild(self.id, made.build_id, srpm, rpms, brmap, logs=logs)

    def _import(self, build: Row, result: Row) -> None:
        """Add the packages to the build that they wrap; an earlier run of this task may have done it."""
        try:
            self.session.host.importWrapperRPMs(self.id, build["id"], result)
        except koji.GenericError:
            roots = {rpm["buildroot_id"] for rpm in self.session.listRPMs(buildID=build["id"])} - {None}
            if not any(self.session.getBuildroot(root)["task_id"] == self.id for root in roots):
                raise
            self.logger.warning("An earlier run of this task has imported the packages")

    def _result(self, made: Made, wanted: Wanted) -> Row:
        result: Row = {
            "buildroot_id": made.broot.id,
            "srpm": made.srpm,
            "rpms": made.rpms,
            "logs": made.logs,
            "source": made.source,
        }
        if wanted.opts.get("create_build") and wanted.opts.get("custom_user_metadata"):
            result["custom_user_metadata"] = wanted.opts["custom_user_metadata"]
        return result
