"""The task that makes an image with a tool in a buildroot: livecd-creator and its like (contract 6.9).

A family's module has the package group, the command line (`make`), and says what counts as its result. What a tool
leaves behind is taken as `outputs` finds it.
"""

# Method and argument names are koji's: subclasses of plugins know them.
# ruff: noqa: N802

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, NoReturn, Optional, Sequence, Tuple

import koji

from kojid.buildroot import failures
from kojid.buildroot.buildroot import BuildRoot
from kojid.buildroot.chrootfiles import open_directory, write_file
from kojid.errors import HostFault, quoting
from kojid.system import phases
from kojid.system.beneath import open_beneath
from kojid.system.files import UnsafeFile, tail_lines
from kojid.system.process import ExitStatus
from kojid.tasks.checkouts import LOG, allowed_source, check_out
from kojid.tasks.images.chroottask import ChrootTask
from kojid.tasks.images.kickstart import PYKICKSTART, Kickstart, Source, override_repos
from kojid.tasks.parts import OptionalParts

Row = Dict[str, Any]

_QUOTED = 20


@dataclass(frozen=True)
class Wanted:
    """The image that a task is to make: name, version, release and arch."""

    name: str
    version: str
    release: str
    arch: str

    @property
    def nvr(self) -> Tuple[str, str, str]:
        """Name, version and release."""
        return self.name, self.version, self.release

    def __str__(self) -> str:
        return "-".join(self.nvr)


class ImageTask(OptionalParts, ChrootTask):
    """Make an image in a buildroot.

    Attributes:
        ks: the kickstart file, once it was read.
        group: the package group that has the tool.
    """

    Methods: ClassVar[List[str]] = []
    parts = (PYKICKSTART,)
    group: ClassVar[str] = ""
    ks: Optional[Kickstart] = None
    _own_kickstart = ""

    def handler(
        self, name: str, version: str, release: str, arch: str, target_info: Row, build_tag: int, repo_info: Row,
        ksfile: str, opts: Optional[Row] = None,
    ) -> Row:  # fmt: skip
        """Make the image.

        Args:
            name, version, release: of the image.
            arch: of the image.
            target_info: the build target, as the hub describes it.
            build_tag: id of the build tag.
            repo_info: its repository.
            ksfile: the kickstart file, below the hub's work directory or, with ksurl, in that checkout.
            opts: scratch, ksurl, ksversion, ksrepo, repo, install_tree_url, and those of the family.

        Returns:
            the image's data (contract 6.9).

        Raises:
            The task's `fault`: the tool failed, or the kickstart file or what came out is wrong.
        """
        self.opts = dict(opts or {})
        wanted = Wanted(name, version, release, arch)
        if not self.opts.get("ksurl"):
            self._read(None, ksfile, target_info, wanted)  # what is wrong is told before a buildroot is made
        with self.image_buildroot(build_tag, repo_info, arch, self.group) as broot:
            if self.opts.get("ksurl"):
                self._read(broot, ksfile, target_info, wanted)
            kickstart = self.prepareKickstart(repo_info, target_info, arch, broot, self.opts)
            return self.image_data(broot, ksfile, wanted, **self.make(broot, wanted, kickstart))

    def _read(self, broot: Any, ksfile: str, target_info: Row, wanted: Wanted) -> None:
        self.readKickstart(self.fetchKickstart(broot, ksfile, target_info["build_tag_name"]), self.opts)
        self.check(wanted)

    def check(self, wanted: Wanted) -> None:
        """For subclasses: refuse what can't be done; the kickstart file has been read as `ks`."""

    def make(self, broot: Any, wanted: Wanted, kickstart: str) -> Row:
        """For subclasses: run the tool and upload what it made.

        Args:
            broot: the buildroot.
            wanted: what is to be made.
            kickstart: the kickstart file's path as seen in the buildroot.

        Returns:
            files and rpmlist; and rootdev and logs (names of uploaded ones) where there are any.
        """
        raise NotImplementedError(f"{type(self).__name__} makes no image")

    # -- the buildroot

    def makeImgBuildRoot(self, buildtag: Any, repoinfo: Row, arch: str, inst_group: str) -> Any:
        """A buildroot with the tool; the caller expires it. Arguments as for `image_buildroot`."""
        broot = BuildRoot(
            self.session, self.options, buildtag, arch, self.id, **self._root_options(repoinfo, inst_group)
        )
        broot.workdir = self.workdir
        broot.init()
        return broot

    # -- the kickstart file

    def fetchKickstart(self, broot: Any, ksfile: str, build_tag: str) -> Source:
        """Fetch the kickstart file and upload it as it is.

        Args:
            broot: the buildroot, for the checkout of the option ksurl.
            ksfile: below the hub's work directory; with the option ksurl, in that checkout.
            build_tag: name of the build tag.

        Raises:
            koji.BuildError: there is none, or its source is not allowed.
        """
        url = self.opts.get("ksurl")
        if url:
            scratch = self.opts.get("scratch")
            scm = allowed_source(self, url, scratch=scratch)
            directory = check_out(self, scm, broot.make_tmpdir(), build_tag=build_tag, scratch=scratch, buildroot=broot)
            source = Source(directory, ksfile, self.fault)
        else:
            directory, name = os.path.split(self.localPath(f"work/{ksfile}"))
            source = Source(directory, name, self.fault)
        self.upload(io.BytesIO(source.original()), source.name)
        return source

    def readKickstart(self, kspath: Any, opts: Row) -> None:
        """Read a kickstart file, a path or what `fetchKickstart` gives, and keep it as `ks`."""
        source = kspath if isinstance(kspath, Source) else Source(*os.path.split(kspath), self.fault)
        self.ks = Kickstart(source, opts.get("ksversion"))

    def prepareKickstart(self, repo_info: Row, target_info: Row, arch: str, broot: Any, opts: Row) -> str:
        """Have the kickstart file use the right repositories, put it into the buildroot and upload it.

        Args:
            repo_info: the repository of the build tag.
            target_info: the build target.
            arch: of the image.
            broot: the buildroot.
            opts: the task's options; read here: ksrepo, repo, install_tree_url.

        Returns:
            the path as seen in the buildroot.
        """
        tag, kickstart = target_info["build_tag_name"], self.ks
        if kickstart is None:
            raise self.fault("no kickstart file was read")
        if not opts.get("ksrepo"):
            kickstart.use_repos(
                override_repos(opts["repo"]) if opts.get("repo") else self._own_repo(repo_info, tag, arch)
            )
        if opts.get("install_tree_url"):
            kickstart.use_url(opts["install_tree_url"])
        self._own_kickstart = f"koji-image-{tag}-{self.id}.ks"
        inside = f"{broot.tmpdir(within=True)}/{self._own_kickstart}"
        try:
            write_file(broot.rootdir(), inside.lstrip("/"), kickstart.text().encode("utf-8"))
        except OSError as error:
            raise koji.BuildrootError(f"{inside} can't be written in the buildroot: {error.strerror}") from error
        self.uploadFile(broot.rootdir() + inside)
        return inside

    def _own_repo(self, repo_info: Row, tag: str, arch: str) -> Any:
        url = koji.PathInfo(topdir=self.options.topurl or self.options.topdir).repo(repo_info["id"], tag)
        return [(f"koji-{tag}-{repo_info['id']}", f"{url}/{arch}")]

    # -- the tool

    @phases.during("image")
    def run_tool(self, broot: Any, argv: Sequence[str], log: str) -> ExitStatus:
        """Run the tool as root in the buildroot; its log is on the hub while it grows.

        Args:
            broot: the buildroot.
            argv: its command line.
            log: the path of its log, as seen in the buildroot.
        """
        broot.follow_log(log)
        raw = broot.mock(["--cwd", broot.tmpdir(within=True), "--chroot", "--", *argv])
        return ExitStatus.from_raw(raw)

    def fail(self, broot: Any, what: str, argv: Sequence[str], status: ExitStatus, log: str) -> NoReturn:
        """Raise what it means that the tool has failed.

        Args:
            broot: the buildroot.
            what: what was to be made.
            argv, status, log: as for `run_tool`.

        Raises:
            HostFault: this host's disks are full.
            The task's `fault`: anything else, with the end of the log.
        """
        tool, name = os.path.basename(argv[0]), os.path.basename(log)
        text = f"Could not create {what}: {tool} {status.describe()}; see root.log or {name} for more information"
        trouble = broot.evidence.disk_trouble()
        if trouble:
            raise HostFault(text, trouble)
        tail, quoted = self._tail(broot, log), name
        if not tail:
            tail, quoted = broot.evidence.tail(failures.ROOT_LOG), failures.ROOT_LOG
        raise self.fault(quoting(text, quoted, tail))

    @staticmethod
    def _tail(broot: Any, log: str) -> List[str]:
        directory, name = os.path.split(log.lstrip("/"))
        try:
            with open_directory(broot.rootdir(), directory) as descriptor, open_beneath(descriptor, name) as opened:
                return tail_lines(opened, _QUOTED)
        except (OSError, UnsafeFile):
            return []

    # -- what it made

    def image_data(self, broot: Any, ksfile: str, wanted: Wanted, **more: Any) -> Row:
        """The task's result (contract 6.9).

        Args:
            broot: the buildroot.
            ksfile: the kickstart file that was asked for.
            wanted: the image.
            more: files, rootdev, rpmlist; and logs, added to those of the buildroot.
        """
        checkout = [LOG] if self.opts.get("ksurl") else []
        logs = {os.path.basename(ksfile), self._own_kickstart, *more.pop("logs", ()), *checkout, *broot.logs}
        name, version, release = wanted.nvr
        data = {"arch": wanted.arch, "task_id": self.id, "name": name, "version": version, "release": release}
        return {**data, "logs": sorted(logs), "rootdev": None, **more}
