"""What kiwi and dud share: their task for one arch, and how their tools are run in the buildroot (contract 6.13).

The tools are those of the buildroot: a group of the build tag installs them, so one that is missing is missing on every
host, and a fault of the tag.
"""

# Method and attribute names are koji's.
# ruff: noqa: N802

from __future__ import annotations

import os
import re
from typing import Any, ClassVar, Dict, List, Sequence

import koji
from koji.tasks import RefuseTask

from kojid.buildroot import failures
from kojid.buildroot.chrootfiles import open_directory
from kojid.errors import BuildFailed, HostFault
from kojid.system.beneath import open_beneath
from kojid.system.files import tail_lines
from kojid.system.process import ExitStatus
from kojid.tasks.base import BaseBuildTask
from kojid.tasks.images.chroottask import ChrootTask
from kojid.tasks.parts import OptionalParts, lacking, program

_QUOTED = 20  # lines of a tool's own log
_LOOKED_AT = 2000
_DIRECTORIES = ("usr/bin", "usr/local/bin", "usr/sbin")
_TARGET = 4  # where the build target is among the parameters
_FETCHERS = {"git": program("git", "git"), "svn": program("svn", "subversion"), "cvs": program("cvs", "cvs")}

Row = Dict[str, Any]


class SourceTask(OptionalParts):
    """A task that may take something from version control; a host without the program for that leaves it to others."""

    Methods: ClassVar[List[str]] = []

    def source_url(self) -> Any:
        """Where from; anything that is no URL stands for nothing."""
        raise NotImplementedError(f"{type(self).__name__} does not tell its sources")

    def require_parts(self) -> None:
        """Raise RefuseTask, with the package to install, when the program is missing."""
        super().require_parts()
        url = self.source_url()
        scheme = re.split(r"[:+]", url)[0] if isinstance(url, str) else ""
        words = lacking([_FETCHERS[scheme]] if scheme in _FETCHERS else [])
        if words:
            raise RefuseTask(f"{self.method} {words}")

    def parameter(self, place: int) -> Any:
        """One of the task's parameters; None when there are fewer."""
        return self.params[place] if len(self.params) > place else None


class ToolTask(SourceTask, ChrootTask, BaseBuildTask):
    """Make an image for one arch with the tools of a buildroot."""

    Methods: ClassVar[List[str]] = []
    fault = koji.BuildError

    def checkHost(self, hostdata: Row) -> bool:
        """Whether this host's arches suit the build tag of the target; see `BaseBuildTask.checkHostArch`."""
        self.require_parts()
        target = self.parameter(_TARGET)
        if not isinstance(target, dict) or "build_tag" not in target:
            return True  # running it tells better what is wrong with it
        return self.checkHostArch(target["build_tag"], hostdata)

    def result(self, broot: Any, nvr: Sequence[str], arch: str, logs: Sequence[str], **made: List[Any]) -> Row:
        """What the hub imports (contract 6.9).

        Args:
            broot: the buildroot.
            nvr: name, version and release of the image.
            arch: of the image.
            logs: names on the hub, beside those of the buildroot.
            made: files and rpmlist.
        """
        name, version, release = nvr
        about = {"arch": arch, "task_id": self.id, "name": name, "version": version, "release": release}
        return {**about, "logs": sorted({*logs, *broot.logs}), **made}


def require(broot: Any, group: str, *programs: str) -> str:
    """Make sure that a program is in the buildroot.

    Args:
        broot: the buildroot.
        group: the package group that should have brought it.
        programs: the names that it may have.

    Returns:
        the first name that is there.

    Raises:
        koji.BuildError: none is.
    """
    for name in programs:
        if _has(broot.rootdir(), name):
            return name
    raise koji.BuildError(
        f"{programs[0]} is not in the buildroot: the group {group} of {broot.tag_name} lacks the package that has it"
    )


def _has(root: str, program: str) -> bool:
    for directory in _DIRECTORIES:
        try:
            with open_directory(root, directory) as descriptor:
                os.stat(program, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            continue
        return True
    return False


def run(broot: Any, words: Sequence[str], cwd: str, what: str, log: str = "") -> None:
    """Run a command as root in the buildroot.

    Args:
        broot: the buildroot.
        words: the command.
        cwd: where, as a path inside.
        what: how the sentence of its failure begins.
        log: path inside of the command's own log, which is streamed and quoted; empty when it has none.

    Raises:
        BuildFailed: it failed. HostFault: mock did, or the host's disks have made it fail.
    """
    if log:
        broot.follow_log(log)
    status = ExitStatus.from_raw(broot.mock(["--cwd", cwd, "--chroot", "--", *words]))
    if status.ok:
        return
    lines = _own_words(broot.rootdir(), log) if log else []
    if not lines:
        # A command that wrote no log may not have been started at all: then the status is mock's own.
        failures.fail(failures.Step(what, BuildFailed, in_chroot=not log), status, broot.evidence)
    name = os.path.basename(log)
    sentence = f"{what}, {failures.sentence_end(status, name)}"
    trouble = broot.evidence.disk_trouble()
    if trouble:
        raise HostFault(sentence, trouble)
    raise BuildFailed(sentence, name, lines)


def _own_words(root: str, log: str) -> List[str]:
    """The end of a command's own log; of one that marks its errors, these and what follows."""
    try:
        with open_beneath(root, log.lstrip("/")) as opened:
            lines = tail_lines(opened, _LOOKED_AT, 1024 * 1024)
    except (OSError, koji.GenericError):
        return []
    errors = [number for number, line in enumerate(lines) if "ERROR" in line]
    return lines[errors[0] :][:_QUOTED] if errors else lines[-_QUOTED:]
