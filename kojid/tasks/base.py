"""The base of all task handlers: koji's own, with the library's weak spots mended (contract 5; design, decision 3).

Handlers of plugins derive from the library's class or from this one; both are one kind of thing to the daemon. What is
done anew here: waiting, uploads, downloads and the working directory. The rest is the library's.
"""

# Method and argument names are the library's: handlers of plugins call them.
# ruff: noqa: N802, N803, A002

from __future__ import annotations

import functools
import os
import stat
import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Union

import koji
import koji.tasks
import koji.util

from kojid.errors import HostFault, KojidError
from kojid.hub import capabilities, mounted
from kojid.hub.transfers import Item
from kojid.hub.upload import Uploader
from kojid.hub.volume import check_relative, download, volume_url
from kojid.system import phases
from kojid.system.files import open_for_upload, remove_tree
from kojid.tasks import unasked
from kojid.tasks.waiting import Waiting
from kojid.tasks.wakeup import current_wakeup, install_wakeup

__all__ = ["BaseBuildTask", "BaseTaskHandler", "install_wakeup"]

# What the hub answers about itself rather than about what it was asked.
_PASSING_FAULTS = (koji.AuthError, koji.LockError, koji.RetryError, koji.ServerOffline)


class BaseTaskHandler(koji.tasks.BaseTaskHandler):
    """A task: `handler` does the work, the rest is for it to use (contract 5.2).

    Subclasses set `Methods`, and `_taskWeight` or `weight`. The constructor is the library's:
    (id, method, params, session, options, workdir=None).
    """

    def createWorkdir(self) -> None:
        """Make the working directory, empty.

        Raises:
            HostFault: it can't be made, or what a former run left can't be removed; another host may do better.
        """
        if self.workdir is None:
            return
        try:
            remove_tree(Path(self.workdir))
            os.makedirs(self.workdir)
        except OSError as error:
            raise HostFault(f"the working directory {self.workdir} can't be made: {error.strerror}") from error

    def removeWorkdir(self) -> None:
        """Remove the working directory. That it can't be removed is no reason to lose the task's outcome."""
        if self.workdir is None:
            return
        try:
            remove_tree(Path(self.workdir))
        except (KojidError, OSError) as error:
            self.logger.warning("Working directory of task %s stays: %s", self.id, error)

    def wait(
        self,
        subtasks: Union[int, List[int], None] = None,
        all: bool = False,
        failany: bool = False,
        canfail: Optional[Iterable[int]] = None,
        timeout: Optional[float] = None,
    ) -> Dict[int, Any]:
        """Wait for subtasks (contract 5.4).

        Args:
            subtasks: their ids, or one id; None for all children.
            all: wait for all of them rather than until any has ended.
            failany: with `all`: when one fails, cancel the others and raise its fault.
            canfail: ids that may fail; their result is then {faultCode, faultString}.
            timeout: seconds; past it the children are canceled. None or 0: no limit.

        Returns:
            results by task id.

        Raises:
            koji.GenericError: the time is up.
            any fault: of a subtask that failed.
        """
        ids = [subtasks] if isinstance(subtasks, int) else subtasks
        waiting = Waiting(self.session, self.id, current_wakeup())
        return waiting.run(ids, everything=all, failany=failany, canfail=canfail, timeout=timeout)

    def getRepo(
        self,
        tag: Union[int, str],
        builds: Optional[List[str]] = None,
        wait: bool = False,
        label: Optional[str] = "waitrepo",
    ) -> Dict[str, Any]:
        """A repository of a tag, waited for through a subtask if there is none yet (contract 5.6).

        Args:
            tag: id or name.
            builds: NVRs that it must hold.
            wait: whether it must be as new as the tag's last change.
            label: of the subtask, so that a parent that runs again finds it again.
        """
        found: Optional[Dict[str, Any]] = None
        if capabilities.of(self.session).makes_repos_on_request:
            watcher = koji.util.RepoWatcher(
                self.session, tag, nvrs=builds, min_event="last" if wait else None, logger=self.logger
            )
            found, arguments = watcher.getRepo(), watcher.task_args()
        else:
            arguments = [tag, time.time() if wait else None, builds]
            found = None if wait else unasked.current(self.session, tag, builds)
        if found:
            return found
        task_id = self.session.host.subtask(method="waitrepo", arglist=arguments, parent=self.id, label=label)
        waited: Dict[str, Any] = self.wait(task_id)[task_id]
        return waited

    @phases.during("download")
    def localPath(self, relpath: str) -> str:
        """A local path to a file of the volume: a copy fetched once, or where no topurl is set the mounted file.

        The copy is made from the volume at `topdir`, if that is there and really has what the server has.

        Args:
            relpath: the path below the volume's top.

        Raises:
            koji.GenericError: the path is not one, or the file could not be fetched whole.
        """
        check_relative(relpath)
        if not self.options.topurl:
            return f"{self.options.topdir}/{relpath}"
        target = Path(self.workdir, "local", relpath)
        # Only whole files ever get this name.
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            url, seconds = volume_url(self.options.topurl, relpath), float(self.options.command_timeout)
            if not mounted.copy(self.options, relpath, url, target, seconds=seconds):
                self.logger.debug("Downloading %s", relpath)
                download(url, target, seconds=seconds)
        return str(target)

    @phases.during("upload")
    def uploadFile(
        self,
        filename: str,
        relPath: Optional[str] = None,
        remoteName: Optional[str] = None,
        volume: Optional[str] = None,
    ) -> str:
        """Upload a file to the task's directory on the hub, an empty one too.

        Args:
            filename: a local path; below `mockdir` no link is followed, below `workdir` none that leaves it.
            relPath: a directory below the task's own.
            remoteName: what it is called there; its own name by default.
            volume: the hub's volume, the default one if None.

        Returns:
            the path below the hub's work directory.

        Raises:
            UnsafeFile: it is no regular file, or lies behind a link in a buildroot.
        """
        item = self._upload_item(filename, relPath, remoteName)
        uploader = Uploader(self.session, self.getUploadDir(), volume=volume)
        with item.open() as source:
            return uploader.file(source, item.name, subdir=item.subdir)

    @phases.during("upload")
    def upload_files(
        self, filenames: Iterable[str], relPath: Optional[str] = None, volume: Optional[str] = None
    ) -> List[str]:
        """Upload several files under their own names, side by side where that pays.

        Args:
            filenames, relPath, volume: as in `uploadFile`.

        Returns:
            their paths below the hub's work directory, in the order of the files.

        Raises as `uploadFile`, for the first that fails.
        """
        items = [self._upload_item(filename, relPath) for filename in filenames]
        return Uploader(self.session, self.getUploadDir(), volume=volume).files(items)

    def _upload_item(self, filename: str, relPath: Optional[str], remoteName: Optional[str] = None) -> Item:
        opened = functools.partial(open_for_upload, filename, self.options.mockdir, self.options.workdir)
        return Item(remoteName or os.path.basename(filename), opened, (relPath or "").strip("/"))

    @phases.during("upload")
    def uploadTree(self, dirpath: str, flatten: bool = False, volume: Optional[str] = None) -> None:
        """Upload a directory's regular files, the empty ones left out.

        Args:
            dirpath: the directory; links in it are not followed.
            flatten: all into one directory rather than as they lie.
            volume: as in `uploadFile`.
        """
        top = dirpath.rstrip("/")
        items: List[Item] = []
        for path, _directories, files in os.walk(top):
            below = None if flatten else path[len(top) + 1 :]
            for name in sorted(files):
                filename = os.path.join(path, name)
                status = os.lstat(filename)
                if not stat.S_ISREG(status.st_mode):
                    self.logger.warning("Skipping upload for non-file: %s", filename)
                elif status.st_size == 0:
                    self.logger.warning("Skipping upload for empty file: %s", filename)
                else:
                    items.append(self._upload_item(filename, below))
        Uploader(self.session, self.getUploadDir(), volume=volume).files(items)

    def chownTree(self, dirpath: str, uid: int, gid: int) -> None:
        """Give a directory and all in it to a user and a group, following no link."""
        for _path, directories, files, descriptor in os.fwalk(dirpath, follow_symlinks=False):
            os.fchown(descriptor, uid, gid)
            for name in [*directories, *files]:
                os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)


class BaseBuildTask(BaseTaskHandler):
    """A task that makes a buildroot: may this host do it at all (contract 5.7)?"""

    def checkHost(self, hostdata: Dict[str, Any]) -> bool:
        """Whether this host's arches suit the task's tag, the second parameter.

        Args:
            hostdata: the host as the hub describes it.

        Raises:
            any fault or transport error of the hub that says nothing about the tag: the question stays open, and the
            task has to be left for later rather than refused (contract 11, item 8).
        """
        if len(self.params) < 2:
            return True  # running it tells better what is wrong with it
        return self.checkHostArch(self.params[1], hostdata)

    def checkHostArch(self, tag: Any, hostdata: Dict[str, Any], event: Optional[int] = None) -> bool:
        """Whether a host has one of a tag's arches.

        Args:
            tag: id, name, or a dictionary with one of both.
            hostdata: the host as the hub describes it.
            event: the tag as it was at this event.
        """
        reference = (tag.get("id") or tag.get("name")) if isinstance(tag, dict) else tag
        when = {} if event is None else {"event": event}
        try:
            config = self.session.getBuildConfig(reference, **when)
        except koji.GenericError as fault:
            if isinstance(fault, _PASSING_FAULTS):
                raise
            return True  # a tag that is not there: the task fails by itself, with the right words
        if not config or not config["arches"]:
            return True
        wanted = sorted({koji.canonArch(arch) for arch in config["arches"].split()})
        # a host's arches count as they are written: that is how the hub matches them
        offered = (hostdata["arches"] or "").split()
        if set(wanted).intersection(offered):
            return True
        self.logger.info(
            "Task %s (%s): tag arches (%s) and host arches (%s) are disjoint",
            self.id,
            self.method,
            ", ".join(wanted),
            ", ".join(offered),
        )
        return False
