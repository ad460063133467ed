"""`createdistrepo`: one arch of a dist-repo: its packages chosen, their metadata made (contract 9.5)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, Iterator, List, Optional, Sequence

import koji
from koji.tasks import RefuseTask

from kojid.buildroot.logs import follow
from kojid.hub.upload import Uploader
from kojid.hub.volume import check_relative
from kojid.repos import distcreate, distlayout, distpackages, multilib
from kojid.tasks.base import BaseTaskHandler

Row = Dict[str, Any]


class createDistRepoTask(BaseTaskHandler):  # noqa: N801 - plugins know it by this name
    """Make one arch of a dist-repo."""

    Methods: ClassVar[List[str]] = ["createdistrepo"]
    _taskWeight = 1.5

    def handler(self, tag: Any, repo_id: int, arch: str, keys: Sequence[str], opts: Dict[str, Any]) -> None:
        """Make it and upload everything but the packages, which the hub has.

        Args:
            tag: id or name.
            repo_id: the repository, which the hub has laid out.
            arch: of the repository, not of the task.
            keys: the signing keys, the most wanted first, in either case.
            opts: the options (contract 9.4).

        Raises:
            RefuseTask: the volume is not mounted here.
            HostFault: this host lacks a program or a library for it.
            koji.BuildError: the tag has draft builds.
            koji.GenericError: packages or signatures are missing, the options contradict each other, the repository is
                not in the making, or a command failed.
        """
        repo = self._repo(repo_id)
        asked = distcreate.wishes(self.options, opts, self._deltas(opts.get("delta") or [], arch))
        old = self.session.getRepo(tag, dist=True, state=koji.REPO_READY)
        packages = self._packages(tag, arch, keys, opts)
        if opts.get("multilib") and multilib.has_multilib(arch):
            packages.update(self._multilib(repo, arch, opts["multilib"], packages))
        if opts.get("split_debuginfo"):
            packages = distlayout.split_debuginfo(packages)
        directory = Path(self.workdir, "repo")
        directory.mkdir()
        for below, path in distlayout.write(directory, packages).items():
            old_repodata = self._path(old) / arch / below / "repodata" if old else None
            self._create(path, asked, below, self._path(repo) / "groups" / "comps.xml", old_repodata)
        if not packages:
            distcreate.mark_empty(directory)
        self.run_callbacks(
            "postCreateDistRepo", tag=tag, repodir=str(directory), repo_id=repo_id, arch=arch, keys=keys, opts=opts
        )
        distlayout.upload(self._uploader, directory, Path(self.workdir, distlayout.MANIFEST))

    # -- what there is on the hub and on the volume

    @property
    def _paths(self) -> koji.PathInfo:
        return koji.PathInfo(self.options.topdir)

    @property
    def _uploader(self) -> Uploader:
        return Uploader(self.session, self.getUploadDir())

    def _path(self, repo: Row) -> Path:
        """A dist-repo's directory. The tag's name is the hub's: a task may name it by id (contract 11, item 32)."""
        return Path(self._paths.distrepo(repo["id"], repo["tag_name"]))

    def _repo(self, repo_id: int) -> Row:
        repo: Row = self.session.repoInfo(repo_id, strict=True)
        if repo["state"] != koji.REPO_INIT:
            raise koji.GenericError(f"Repo {repo['id']} not in INIT state (got {repo['state']})")
        repos = Path(self.options.topdir, "repos-dist")
        if not repos.is_dir():
            raise RefuseTask(f"No access to dist-repos dir {repos}")
        if not self._path(repo).is_dir():
            raise koji.GenericError(f"Repo directory missing: {self._path(repo)}")
        return repo

    def _deltas(self, ids: Sequence[int], arch: str) -> List[Path]:
        """Where the packages of an arch of older dist-repos lie."""
        older = [self._older(self.session.repoInfo(repo_id, strict=True)) for repo_id in ids]
        return [path for repo in older for path in distlayout.package_directories(repo / arch)]

    def _older(self, repo: Row) -> Path:
        if not repo["dist"]:
            raise koji.GenericError(f"Repo {repo['id']} is no dist-repo: deltas are made against those only")
        path = self._path(repo)
        if not path.is_dir():
            raise koji.GenericError(f"The repo that deltas are to be made against is missing: {path}")
        return path

    # -- the packages

    def _packages(self, tag: Any, arch: str, keys: Sequence[str], opts: Dict[str, Any]) -> Dict[str, Row]:
        """The packages of the arch by file name; logs tell what is missing."""
        rpms, builds = self.session.listTaggedRPMS(
            tag,
            event=opts["event"],
            arch=distpackages.package_arches(arch),
            latest=opts["latest"],
            inherit=opts["inherit"],
            rpmsigs=True,
        )
        distpackages.refuse_drafts(builds)
        self._require_volumes(builds)
        choices = distpackages.choose(rpms, keys)
        if opts.get("write_signed_rpms"):
            lines = distpackages.write_signed(self.session, choices)
            if lines:
                self._tell(distpackages.WRITTEN_LOG, "".join(f"{line}\n" for line in lines))
        skip = bool(opts.get("skip_missing_signatures"))
        located = distpackages.Located(self._paths, builds)
        located.add(choice for choice in choices if choice.signed or not skip)
        if located.missing:
            self._tell(distpackages.MISSING_FILES_LOG, distpackages.missing_files_text(located.missing))
            raise koji.GenericError(f"Packages missing from the filesystem. See {distpackages.MISSING_FILES_LOG}.")
        self._judge_unsigned([choice for choice in choices if not choice.signed], keys, opts)
        return located.packages

    def _require_volumes(self, builds: Sequence[Row]) -> None:
        """Refuse the task where a volume that builds lie on is not to be seen, so that another host tries."""
        for volume in {build.get("volume_name") for build in builds}:
            path = Path(self._paths.volumedir(volume), "packages")
            if not path.is_dir():
                raise RefuseTask(f"No access to the packages of volume {volume or 'DEFAULT'}: {path}")

    def _judge_unsigned(
        self, unsigned: Sequence[distpackages.Choice], keys: Sequence[str], opts: Dict[str, Any]
    ) -> None:
        if not unsigned:
            return
        skip = bool(opts.get("skip_missing_signatures"))
        text = distpackages.missing_signatures_text(unsigned, keys, skipped=skip)
        self._tell(distpackages.MISSING_SIGNATURES_LOG, text)
        if not skip and not opts.get("allow_missing_signatures"):
            raise koji.GenericError(f"Unsigned packages found. See {distpackages.MISSING_SIGNATURES_LOG}")

    def _multilib(self, repo: Row, arch: str, config: str, packages: Dict[str, Row]) -> Dict[str, Row]:
        check_relative(config)
        other = multilib.partner_arch(arch)
        wanted = multilib.Multilib(
            arch,
            multilib.Partner(other, self._path(repo) / str(koji.canonArch(other))),
            Path(self._paths.work(), config),
            Path(self.workdir),
            self.id,
        )
        try:
            return multilib.packages(wanted, packages, lambda path: self._uploader.file(path, path.name))
        except multilib.Missing as error:
            self._tell(multilib.MISSING_LOG, error.text())
            raise

    def _tell(self, name: str, text: str) -> None:
        """Leave a log with the task."""
        path = Path(self.workdir, name)
        path.write_text(text, encoding="utf-8")
        self._uploader.file(path, name)

    # -- the metadata

    def _create(
        self, directory: Path, asked: distcreate.Wishes, below: str, comps: Path, old_repodata: Optional[Path]
    ) -> None:
        log = Path(self.workdir, f"createrepo_{below}.log" if below else "createrepo.log")
        with self._following(log) as tick:
            distcreate.create(
                self.options, directory, asked, log=log, comps=comps, old_repodata=old_repodata, on_tick=tick
            )

    @contextlib.contextmanager
    def _following(self, log: Path) -> Iterator[Callable[[], None]]:
        streamer = follow(self._uploader.block, os.fspath(log))
        try:
            yield streamer.tick
        finally:
            streamer.finish()
