"""`runroot`: a command is run as root in a new buildroot, with mounts of the host's where allowed (contract 6.13)."""

# Method and attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Union

import koji

from kojid.buildroot import failures, mock
from kojid.buildroot.chrootfiles import make_directory, open_directory
from kojid.buildroot.chrootmounts import ChrootMounts, Mount, MountFailed
from kojid.config.options import Options
from kojid.errors import BuildrootFailed, ConfigError, HostFault
from kojid.plugins import runrootcommand, runrootmounts
from kojid.plugins.runrootcommand import LOG, LOG_DIRECTORY, Command
from kojid.plugins.runrootmounts import plain_path
from kojid.system.files import open_beneath, tail_lines
from kojid.system.process import ExitStatus
from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.chroots import buildroot

_LEAST_WEIGHT = 0.5
_USABLE = ("READY", "EXPIRED")
_MOUNT_LOG = "do_mounts.log"
_RPM_DATABASE = "var/lib/rpm"
_STEP = failures.Step("could not run the command in the buildroot", BuildrootFailed)


def check(options: Options) -> None:
    """Look at runroot.conf when the daemon starts. Raises ConfigError."""
    runrootmounts.read(options.plugin_config_dir, warn=True)


class RunRootTask(BaseTaskHandler):
    """Run a command in a buildroot."""

    Methods: ClassVar[List[str]] = ["runroot"]
    _taskWeight = 2.0

    def handler(
        self,
        root: Union[str, int],
        arch: str,
        command: Command,
        keep: bool = False,  # noqa: ARG002 - clients send it
        packages: Sequence[str] = (),
        mounts: Sequence[str] = (),
        repo_id: Optional[int] = None,
        skip_setarch: bool = False,
        weight: Optional[float] = None,
        upload_logs: Optional[Sequence[str]] = None,
        new_chroot: Optional[bool] = None,
    ) -> str:
        """Run it. Its output is runroot.log on the hub, and is there while it grows.

        Args:
            root: the build tag.
            arch: of the buildroot; `noarch` leaves the choice to the tag and this host.
            command: a text for the shell, or a list of words.
            keep: of no effect, as in the stock plugin.
            packages: to be installed first.
            mounts: paths below the safe roots of runroot.conf, to be mounted writable.
            repo_id: the repo to install from; the tag's newest one if None.
            skip_setarch: run it under the host's own personality.
            weight: of the task; half a unit at least.
            upload_logs: more files that are uploaded, by their paths inside the chroot.
            new_chroot: whether mock uses systemd-nspawn; None leaves it to the tag.

        Returns:
            "CMD completed successfully".

        Raises:
            BuildrootFailed: the command failed; its log is quoted. Also when a package can't be installed.
            koji.GenericError: something that was asked for is not allowed or not there.
            HostFault: this host's configuration or mounts are not in order.
        """
        config = self._config()
        runrootcommand.check(command)
        wanted = config.requested(mounts)
        mock.install(packages)  # refuses what is no package before a buildroot is made
        logs = [f"/{LOG_DIRECTORY}/{LOG}", *_inside(upload_logs or ())]
        if weight is not None:
            self.session.host.setTaskWeight(self.id, max(float(weight), _LEAST_WEIGHT))
        br_arch = self._choose_arch(root) if arch == "noarch" else arch
        repo = self._repo(root, repo_id)
        with buildroot(
            self,
            root,
            br_arch,
            repo_id=repo["id"],
            setup_dns=True,
            internal_dev_setup=config.internal_dev_setup,
        ) as broot:
            _forget_rpm_locks(broot.rootdir())
            # only in this state the hub takes a list of what was installed
            self.session.host.setBuildRootState(broot.id, "BUILDING")
            if packages:
                broot.install(packages)
            with self._mounted(broot, config.defaults(), wanted):
                return self._run(broot, command, logs, skip_setarch, new_chroot)

    def _config(self) -> runrootmounts.RunrootConfig:
        try:
            return runrootmounts.read(self.options.plugin_config_dir)
        except ConfigError as error:
            raise HostFault(f"runroot can't be done here: {error.message}", error.hint) from error

    def _choose_arch(self, root: Union[str, int]) -> str:
        """The first arch of the tag that this host has."""
        offered = self.session.host.getHost()["arches"]
        if not offered:
            raise koji.BuildError("No arch list for this host")
        wanted = self.session.getBuildConfig(root)["arches"]
        if not wanted:
            raise koji.BuildError(f"No arch list for tag: {root}")
        arches = {koji.canonArch(arch) for arch in offered.split()}
        found = next((arch for arch in map(koji.canonArch, wanted.split()) if arch in arches), None)
        if found is None:
            raise koji.BuildError(f"host does not match tag arches: {root} ({wanted})")
        return str(found)

    def _repo(self, root: Union[str, int], repo_id: Optional[int]) -> Dict[str, Any]:
        if not repo_id:
            found: Optional[Dict[str, Any]] = self.session.getRepo(root)
            return found or self._wait_for_repo(root)
        info: Dict[str, Any] = self.session.repoInfo(repo_id, strict=True)
        if root not in (info["tag_name"], info["tag_id"]):
            raise koji.BuildError(f"build tag ({root}) does not match repo tag ({info['tag_name']})")
        state = koji.REPO_STATES[info["state"]]
        if state not in _USABLE:
            raise koji.BuildError(f"repos in the {state} state may not be used by runroot")
        return info

    def _wait_for_repo(self, root: Union[str, int]) -> Dict[str, Any]:
        # The label has a task that runs again find its child again (contract 11, item 35).
        task_id = self.session.host.subtask(
            method="waitrepo", arglist=[root, None, None], parent=self.id, label="waitrepo"
        )
        found: Dict[str, Any] = self.wait(task_id)[task_id]
        return found

    @contextlib.contextmanager
    def _mounted(self, broot: Any, defaults: List[Mount], wanted: List[Mount]) -> Iterator[None]:
        """The mounts are there while this lasts. Should this process be killed, the daemon takes them away."""
        log = Path(self.workdir, _MOUNT_LOG)
        mounts = ChrootMounts(broot.rootdir(), log, float(self.options.command_timeout))
        try:
            try:
                self._mount(mounts, defaults, wanted)
            finally:
                if log.exists():
                    self.uploadFile(str(log))
            yield
        finally:
            mounts.remove()

    def _mount(self, mounts: ChrootMounts, defaults: List[Mount], wanted: List[Mount]) -> None:
        try:
            for mount in defaults:
                mounts.add(mount)
        except MountFailed as error:
            # Every task gets these: it is the host that lacks something, not the task that asks for it.
            raise HostFault(f"a default mount of runroot.conf fails: {error}") from error
        for mount in wanted:
            mounts.add(mount)

    def _run(
        self, broot: Any, command: Command, logs: List[str], skip_setarch: bool, new_chroot: Optional[bool]
    ) -> str:
        for path in logs:
            broot.follow_log(path)
        if new_chroot is not None:
            broot.config["extra"]["mock.new_chroot"] = bool(new_chroot)  # given to mock once, in place of the tag's
        root = broot.rootdir()
        _clear_log(root)
        status = ExitStatus.from_raw(
            broot.mock([*_personality(skip_setarch), "--chroot", "--", *runrootcommand.argv(command)])
        )
        missing = self._upload_rest(broot, logs)
        if not status.ok:
            if not os.path.lexists(f"{root}/{LOG_DIRECTORY}/{LOG}"):
                failures.fail(_STEP, status, broot.evidence)
            raise BuildrootFailed(runrootcommand.failure(command, status), LOG, _tail(root))
        if missing:
            raise koji.GenericError(
                f"{runrootcommand.success(command)}, but these logs can't be had: {'; '.join(missing)}"
            )
        return runrootcommand.success(command)

    def _upload_rest(self, broot: Any, logs: List[str]) -> List[str]:
        """Upload the logs that are empty, for which there was nothing to stream; returns what is wrong with others."""
        missing = []
        for path in logs:
            try:
                with _open(broot.rootdir(), path) as log:
                    empty = not log.read(1)
                if empty and os.path.basename(path) not in broot.logs:
                    self.uploadFile(broot.rootdir() + path)
            except (OSError, ValueError, koji.GenericError) as error:  # noqa: PERF203 - each may be missing by itself
                missing.append(f"{path}: {getattr(error, 'strerror', None) or error}")
        if missing:
            self.logger.warning("Task %s: logs that can't be had: %s", self.id, "; ".join(missing))
        return missing


def _personality(skip_setarch: bool) -> List[str]:
    """Mock sets a personality always: leaving it alone means to name the host's own (contract 11, item 36)."""
    return ["--arch", os.uname().machine] if skip_setarch else []


def _inside(paths: Sequence[str]) -> List[str]:
    """Paths of files in the chroot, absolute there.

    Raises:
        koji.ParameterError: one is none.
    """
    found = []
    for path in paths:
        plain = plain_path(f"/{path}") if isinstance(path, str) else None
        if plain is None:
            raise koji.ParameterError(f"upload_logs: {path!r} is no path of a file in the chroot")
        found.append(plain)
    return found


def _open(root: str, path: str) -> Any:
    with open_directory(root, os.path.dirname(path)) as directory:
        return open_beneath(directory, os.path.basename(path))


def _tail(root: str) -> List[str]:
    with contextlib.suppress(OSError, koji.GenericError), _open(root, f"/{LOG_DIRECTORY}/{LOG}") as log:
        return tail_lines(log)
    return []


def _clear_log(root: str) -> None:
    """Nothing that a package has put where the command's log goes is to be taken for it."""
    with contextlib.suppress(OSError):
        make_directory(root, LOG_DIRECTORY)
        with open_directory(root, LOG_DIRECTORY) as directory:
            os.unlink(LOG, dir_fd=directory)


def _forget_rpm_locks(root: str) -> None:
    """Remove what the host's rpm has left in an old database of the chroot, which the chroot's own stumbles over.

    Found from the chroot's top (contract 11, item 20).
    """
    with contextlib.suppress(OSError), open_directory(root, _RPM_DATABASE) as directory:
        for name in os.listdir(directory):
            if name.startswith("__db"):
                os.unlink(name, dir_fd=directory)
