"""The buildroot object, as tasks and third-party plugins know it (contract 7.1).

It holds together what the other rooms of this floor do: its identity on the hub, mock's configuration, mock itself,
the logs, the list of packages and the results.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import io
import logging
import os
from typing import IO, Any, BinaryIO, ContextManager, Dict, List, Optional, Sequence, Set, Tuple

import koji

from kojid.buildroot import failures, identity, maven, mock, mockconfig, packages, results, sourcepackage, warm
from kojid.buildroot.chrootfiles import make_directory, open_directory
from kojid.buildroot.logfile import BLOCK
from kojid.buildroot.logs import PATIENCE, LogStreamer, Watch
from kojid.buildroot.repocontent import RepoContent
from kojid.errors import HostFault
from kojid.hub.client import HubSession
from kojid.hub.upload import Uploader
from kojid.redaction import redact
from kojid.system import logfields, phases
from kojid.system.files import open_beneath, open_for_upload
from kojid.system.process import ExitStatus


class BuildRoot(maven.MavenCalls):
    """A chroot made by mock, and its record on the hub.

    `BuildRoot(session, options, tag, arch, task_id, repo_id=…, …)` makes a new one on the hub and writes its mock
    configuration; `BuildRoot(session, options, X)`, with X its id or its row, is one that exists.

    Args:
        session: the task's hub session.
        options: the daemon's options.
        args, kwargs: see `identity.create` and `identity.load`; a new one also takes install_group ("build"),
            setup_dns (False), bind_opts, maven_opts, maven_envs, deps and internal_dev_setup (all None).

    Attributes:
        id, task_id, tag_id, tag_name, name, repoid, repo_info, event_id, config, br_arch, target_arch: what it is.
        workdir: the task's working directory, which the caller sets; without it mock's own output is not logged.
        logs: names of the logs that are on the hub.

    Raises:
        koji.BuildrootError: it can't be made (contract 7.2). HostFault: its configuration can't be written.
    """

    workdir: Optional[str] = None
    _mock_config = ""

    def __init__(self, session: Any, options: Any, *args: Any, **kwargs: Any) -> None:
        self.logger = logging.getLogger("koji.build.buildroot")
        self.session = session
        self.options = options
        self.logs: Set[str] = set()
        self._expired = False
        self._recorded: Set[Tuple[Any, ...]] = set()
        if len(args) + len(kwargs) == 1:
            self._adopt(identity.load(session, *args, **kwargs))
        else:
            self._new(*args, **kwargs)

    def _new(
        self,
        tag: Any,
        arch: str,
        task_id: int,
        repo_id: Optional[int] = None,
        install_group: str = "build",
        setup_dns: bool = False,
        bind_opts: Optional[Dict[str, Any]] = None,
        maven_opts: Optional[List[str]] = None,
        maven_envs: Optional[Dict[str, str]] = None,
        deps: Optional[List[Any]] = None,
        internal_dev_setup: Optional[bool] = None,
    ) -> None:
        self._adopt(identity.create(self.session, tag, arch, task_id, repo_id))
        self.install_group = install_group
        self.setup_dns = setup_dns
        self.bind_opts = bind_opts
        self.maven_opts = maven_opts
        self.maven_envs = maven_envs
        self.deps = deps
        self.internal_dev_setup = internal_dev_setup
        try:
            self._write_mock_config()
        except Exception:
            # The hub knows it already, and nothing else would tell it that there is nothing to it.
            self.expire()
            raise

    def _adopt(self, found: identity.Identity) -> None:
        self.id = found.id
        self.task_id = found.task_id
        self.tag_id = found.tag_id
        self.tag_name = found.tag_name
        self.name = found.name
        logfields.put(BUILDROOT=found.name)
        self.repo_info = found.repo_info
        self.repoid = found.repo_info["id"]
        self.event_id = found.repo_info["create_event"]
        self.config = found.config
        self.br_arch = found.br_arch
        self.target_arch = found.target_arch
        self.mockcfg = mock.config_argument(self.options, self.name)
        self.content = RepoContent(self.session, self.options, self.repo_info, self.br_arch)
        self.evidence = failures.Evidence(self.open_log, self.options)

    def _write_mock_config(self) -> None:
        request = mockconfig.Request(
            self.name, self.id, self.repoid, self.tag_name, self.config["extra"], self.br_arch, self.target_arch,
            self.install_group, self.setup_dns, self.bind_opts, self.maven_opts, self.maven_envs,
            self.internal_dev_setup, self.task_id,
        )  # fmt: skip
        self._mock_config = text = mockconfig.generate(request, self.options)
        mockconfig.write(self.options.mock_config_dir, self.name, text)
        self._send_log(io.BytesIO(redact(text).encode("utf-8")), "mock_config.log")

    # Where it is

    def rootdir(self) -> str:
        """The chroot's own root, as a path of the host."""
        return f"{self.options.mockdir}/{self.name}/root"

    def resultdir(self) -> str:
        """Where mock puts packages and logs."""
        return f"{self.options.mockdir}/{self.name}/result"

    def tmpdir(self, within: bool = False) -> str:
        """The builder's own directory in the chroot, which mock leaves alone.

        Args:
            within: as a path inside the chroot rather than of the host.
        """
        inside: str = self.options.chroot_tmpdir
        return inside if within else f"{self.rootdir()}{inside}"

    def make_tmpdir(self, name: str = "") -> str:
        """Make a directory in `tmpdir()`, following no link of the chroot; its path on the host.

        Raises:
            koji.BuildrootError: there is something else in the way.
        """
        relative = f"{self.options.chroot_tmpdir}/{name}".strip("/")
        try:
            make_directory(self.rootdir(), relative)
        except OSError as error:
            raise koji.BuildrootError(f"/{relative} can't be made in the buildroot: {error.strerror}") from error
        return f"{self.rootdir()}/{relative}"

    def path_without_to_within(self, path: str) -> str:
        """A path of the host, below the chroot, as it is called inside. Raises ValueError when it is not below."""
        root = self.rootdir()
        relative = os.path.relpath(path, root)
        if relative == ".." or relative.startswith("../"):
            raise ValueError(f"{path!r} is not within the buildroot {root!r}")
        return os.path.normpath(f"/{relative}")

    def get_repo_dir(self) -> str:
        """Where its repo lies below the volume's top, with a slash before it."""
        return str(koji.PathInfo(topdir="").repo(self.repoid, self.tag_name))

    def getUploadPath(self) -> str:  # noqa: N802 - plugins call it so
        """The task's directory on the hub, relative to the hub's work directory."""
        return str(koji.pathinfo.taskrelpath(self.task_id))

    # What is done with it

    @phases.during("init")
    def init(self) -> None:
        """Have mock make the root, or copy a warm one, and tell the hub what is in it (contract 7.4, 7.7).

        Raises:
            BuildrootFailed, HostFault: see `failures`.
        """
        root = warm.of(self, self._mock_config)
        copied = root.take() if root else None
        if copied is None:
            self._check(failures.INIT, self.mock(mock.init()))
        # A start of mock for the kernel's version alone would be a second's work for what every process knows.
        self.logger.info("The kernel of the buildroot is the host's: %s", os.uname().release)
        installed = self.getPackageList() if copied is None else copied
        self.session.host.setBuildRootList(self.id, installed)
        self._recorded.update(map(packages.identity, installed))
        if root and copied is None:
            root.keep(installed)

    def mock(self, args: Sequence[str]) -> int:
        """Run mock with these arguments, streaming the logs (contract 7.5, 7.6).

        Returns:
            The raw status, as os.waitpid gives it.

        Raises:
            HostFault: mock can't be started. koji.ActionNotAllowed: the task is not ours any more.
        """
        argv = [*mock.prefix(self.options, self.name, self.config["extra"]), *args]
        self.evidence.mark()
        streamer = self._streamer
        streamer.watch(self._watches())
        streamer.begin()
        status = mock.execute(argv, self.options, self.workdir, streamer.tick)
        # As patient as any other call of the task: without a hub the task can't go on anyway.
        streamer.finish(max(PATIENCE, float(self.options.max_retries * self.options.retry_interval)))
        return status.raw

    @phases.during("rebuild")
    def build(self, srpm: str, arch: Optional[str] = None) -> None:
        """Build a source package.

        Args:
            srpm: its path on the host.
            arch: the target; None leaves it to mock.

        Raises:
            BuildFailed, HostFault: see `failures`.
        """
        self.session.host.setBuildRootState(self.id, "BUILDING")
        status = self.mock(mock.rebuild(srpm, arch))
        self._record_packages(failed=status != 0)
        self._check(failures.REBUILD, status, f" (arch {arch})" if arch else "")

    def _record_packages(self, *, failed: bool) -> None:
        """Tell the hub what a build has installed; after a failed one, trouble with that must not hide the cause.

        The hub looks each package up and then passes over those that it has for the buildroot: they are not sent again.
        """
        try:
            added = [one for one in self.getPackageList() if packages.identity(one) not in self._recorded]
            self.session.host.updateBuildRootList(self.id, added)
            self._recorded.update(map(packages.identity, added))
        except (koji.GenericError, HostFault) as error:
            if not failed:
                raise
            self.logger.warning("The packages of %s can't be recorded: %s", self.name, error)

    @phases.during("source package")
    def build_srpm(self, specfile: str, sourcedir: str, source_cmd: Optional[Sequence[str]]) -> None:
        """Make a source package from a checkout in the chroot; see `sourcepackage.build`."""
        sourcepackage.build(self, specfile, sourcedir, source_cmd)

    @phases.during("source package")
    def rebuild_srpm(self, srpm: str) -> None:
        """Make a source package anew from one in the chroot; see `sourcepackage.rebuild`."""
        sourcepackage.rebuild(self, srpm)

    def install(self, names: Sequence[str]) -> None:
        """Install packages and tell the hub; the buildroot has to be BUILDING (contract 6.13, 7.7).

        Raises:
            koji.BuildrootError: see `mock.install`. BuildrootFailed, HostFault: see `failures`.
        """
        status = self.mock(mock.install(names))
        self._record_packages(failed=status != 0)
        self._check(failures.INSTALL, status)

    def expire(self) -> None:
        """Tell the hub that it will not be used any more; only the first time counts."""
        if not self._expired:
            self.session.host.setBuildRootState(self.id, "EXPIRED")
            self._expired = True

    # What is in it

    def getPackageList(self) -> List[packages.Package]:  # noqa: N802 - plugins call it so
        """The installed packages as the hub wants them (contract 7.8); errors as in `packages` and `repocontent`."""
        found = packages.installed(self.rootdir())
        self.markExternalRPMs(found)
        self.mapInternalRPMs(found)
        return found

    def markExternalRPMs(self, rpmlist: List[packages.Package]) -> None:  # noqa: N802 - plugins call it so
        """Add to packages the external repo that they came from; see `repocontent.RepoContent.mark_external`."""
        self.content.mark_external(rpmlist)

    def mapInternalRPMs(self, rpmlist: List[packages.Package]) -> None:  # noqa: N802 - plugins call it so
        """Add to packages their ids on the hub; see `repocontent.RepoContent.map_internal`."""
        self.content.map_internal(rpmlist)

    def repo_draft_rpms(self) -> List[Dict[str, Any]]:
        """The draft packages of its tag as of its repo; none on hubs that know no drafts."""
        return self.content.draft_rpms()

    def results(self) -> results.Results:
        """What is in the result directory; links, devices and the like count as unexpected.

        Raises:
            koji.BuildrootError: there is no result directory.
        """
        try:
            return results.collect(self.resultdir())
        except OSError as error:
            raise koji.BuildrootError(f"the results can't be listed: {error}") from error

    def open_result(self, name: str) -> BinaryIO:
        """Open a file of the result directory, following no link.

        Raises:
            UnsafeFile: it is no regular file, or has a second name. OSError: there is none, or it can't be read.
        """
        with open_directory(self.resultdir()) as directory:
            return open_beneath(directory, name, alone=True)

    # Its logs

    @functools.cached_property
    def _uploader(self) -> Uploader:
        return Uploader(self.session, self.getUploadPath())

    @functools.cached_property
    def _streamer(self) -> LogStreamer:
        stamps = self.workdir if self.options.log_timestamps else None
        if self.options.log_timestamps and stamps is None:
            self.logger.error("log_timestamps needs a working directory; there will be none for %s", self.name)
        return LogStreamer(self._send_block, self.logs, stamps, self._send_blocks)

    def _send_block(self, name: str, data: bytes, offset: int) -> None:
        with self._impatience():
            self._uploader.block(name, data, offset)

    def _send_blocks(self, blocks: Sequence[Tuple[str, bytes, int]]) -> List[int]:
        with self._impatience():
            return self._uploader.blocks(blocks)

    def _impatience(self) -> ContextManager[None]:
        # The streamer does the repeating: a call that repeats itself would hold up the wait for mock.
        once = isinstance(self.session, HubSession)
        return self.session.overriding(patient=False) if once else contextlib.nullcontext()

    def _watches(self) -> List[Watch]:
        watches = [Watch(self.resultdir(), "", "*.log"), Watch(self.rootdir(), "var/log", "dnf*.log")]
        if self.workdir:
            watches.append(Watch(self.workdir, "", mock.OUTPUT_LOG))
        return watches

    def follow_log(self, path: str) -> None:
        """Have a file of the chroot streamed like the logs of mock, from the next mock call on.

        Args:
            path: as it is called inside, without ".."; the file need not exist. No link is followed to it.
        """
        directory, name = os.path.split(path.lstrip("/"))
        self._streamer.watch([Watch(self.rootdir(), directory, glob.escape(name))])

    def incremental_log(self, fname: str, fd: IO[bytes]) -> None:
        """Send what an open file holds from its position on, under the same offset.

        Args:
            fname: name on the hub.
            fd: the file, open for binary reading.
        """
        offset = fd.tell()
        for data in iter(functools.partial(fd.read, BLOCK), b""):
            self._uploader.block(fname, data, offset)
            offset += len(data)
        self.logs.add(fname)

    def single_log(self, localfile: str, name: Optional[str] = None) -> None:
        """Send a whole file.

        Args:
            localfile: its path; no link of the chroot is followed.
            name: name on the hub; that of the file when not given.
        """
        with open_for_upload(localfile, self.options.mockdir, self.options.workdir) as opened:
            self._send_log(opened, name or os.path.basename(localfile))

    def _send_log(self, log: BinaryIO, name: str) -> None:
        self._uploader.file(log, name)
        self.logs.add(name)

    def open_log(self, name: str) -> BinaryIO:
        """Open one of the logs of mock for reading. Raises OSError or UnsafeFile."""
        if name == mock.OUTPUT_LOG:
            if not self.workdir:
                raise FileNotFoundError(f"{name} is not written without a working directory")
            return open_beneath(self.workdir, name)
        return self.open_result(name)

    # Its failures

    def _check(self, step: failures.Step, raw: int, detail: str = "") -> None:
        """Expire the buildroot and raise, if mock failed."""
        if raw:
            self.expire()
            failures.fail(step, ExitStatus.from_raw(raw), self.evidence, detail)

    def _mockResult(self, rv: int, logfile: Optional[str] = None) -> str:  # noqa: N802 - plugins call it so
        """The second half of a failure text, for plugins.

        Args:
            rv: raw status of a mock call.
            logfile: the log to name; by default the one that holds the cause.
        """
        status = ExitStatus.from_raw(rv)
        return failures.sentence_end(status, logfile or self.evidence.cause(status, failures.REBUILD))
