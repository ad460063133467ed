"""What a failed mock call means: the sentence of contract 7.10, the log that holds the cause, and its last lines.

Clients and the web interface show the sentence as it is, so its form is the contract's. Which log it names is decided
by what the logs hold and not by the exit status alone, which says little (contract 11, item 51).

Host or package? Mock's own status 2 (no privilege), 3 (no valid configuration, which for ours means the host's part
of it), 60 (root locked) and 80 (no namespaces) are this host's trouble, and so is 5 (bad command line) unless a spec
file is involved, since mock gives the same for a spec that is missing. A command run in the chroot has statuses of its
own, so there none is held against the host. A disk of the host that is full or stopped is the host's trouble whatever
the status (`disktrouble`). Everything else, package manager trouble (30) included, is a fault of the package or its
tag: another host would meet it again.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Dict, List, NoReturn, Tuple, Type, Union

import koji

from kojid.buildroot import disktrouble
from kojid.buildroot.mock import OUTPUT_LOG
from kojid.errors import BuildFailed, BuildrootFailed, HostFault
from kojid.system.files import tail_lines
from kojid.system.process import ExitStatus

logger = logging.getLogger("koji.build.buildroot")

#: Opens a log by its name; raises OSError or koji.GenericError when there is none to be read.
OpenLog = Callable[[str], BinaryIO]

BUILD_LOG, ROOT_LOG = "build.log", "root.log"
QUOTED_LINES = 20
_LOOK_AT = 512 * 1024  # bytes at a log's end that are searched for lines that say something
_LOOK_AT_LINES = 4000
_LOOK_AT_LINES_FOR_DISKS = 400

_HOST_STATUS = {2, 3, 60, 80}
_BAD_COMMAND_LINE = 5
_RPMBUILD_STATUS = {1, 10, 11}
_COMMAND_LINE_STATUS = {2, 3, _BAD_COMMAND_LINE, 50, 60, 80}

# What mock writes about its own doings says nothing about why something failed, nor does a list of packages. In
# build.log there is little of it, and the rest is the package's own, however much it looks like mock's.
_NOISE = {
    BUILD_LOG: re.compile(r"^\s*$|^Mock Version: |^Executing command: \[|^Child return code was: -?\d+$"),
    ROOT_LOG: re.compile(
        r"^\s*$|^Mock Version: |^(?:DEBUG|TRACE|INFO) (?:package_manager\.py|\S*backend\S*):"
        r"|^(?:DEBUG|TRACE|INFO) \S+:\s+(?:$|child environment|Executing command|Child return code|ENTER|LEAVE"
        r"|kill orphans|remove tree|ensuring that dir|touching file|creat(?:ing|ed) dir|unlink|Unsharing|Setting up"
        r"|rootdir =|resultdir =|[\w.+~^-]+-[\w.+~^:]+-[\w.+~^]+\.(?:noarch|[a-z]+\d\w*)$)"
    ),
    # That a command of the package manager failed is said here, why it did in root.log.
    OUTPUT_LOG: re.compile(r"^\s*$|^(?:INFO|Start|Finish): |^Mock Version: |^ERROR: Command failed: ?$|^ # /\S+ "),
}
_PREFIX = re.compile(r"^(?:DEBUG|TRACE|INFO) \S+:\s+(?:BUILDSTDERR: )?")
_TELLING = re.compile(
    r"error|fail|cannot|can't|could not|no match|not found|no such|unable|denied|killed|not permitted", re.IGNORECASE
)
# Some versions of mock end build.log with a traceback of their own, which begins so.
_OWN_TRACEBACK = "EXCEPTION: ["
_TRACEBACK_LINES = 60


@dataclass(frozen=True)
class Step:
    """What mock was to do.

    Args:
        sentence: how the failure text begins.
        error: whose fault a failure is.
        in_chroot: it ran a command in the chroot, so that the exit status is that command's.
        rpmbuild: rpmbuild takes part, with its output in build.log.
        spec: a spec file was given, whose absence mock reports like a bad command line.
        logs: where to look for the cause when the status says nothing else.
    """

    sentence: str
    error: Type[Union[BuildFailed, BuildrootFailed]]
    in_chroot: bool = False
    rpmbuild: bool = False
    spec: bool = False
    logs: Tuple[str, ...] = (ROOT_LOG, OUTPUT_LOG)


INIT = Step("could not init mock buildroot", BuildrootFailed)
REBUILD = Step("error building package", BuildFailed, rpmbuild=True)
BUILD_SRPM = Step("error building srpm", BuildFailed, rpmbuild=True, spec=True)
REBUILD_SRPM = Step("error building srpm", BuildFailed, in_chroot=True)
SOURCES = Step("error retrieving sources", BuildFailed, in_chroot=True)
MAVEN = Step("error building Maven package", BuildrootFailed, in_chroot=True)
INSTALL = Step("error installing packages", BuildrootFailed, logs=(OUTPUT_LOG, ROOT_LOG))


def fail(step: Step, status: ExitStatus, logs: Evidence, detail: str = "") -> NoReturn:
    """Raise what a failed mock call means.

    Args:
        step: what it was to do.
        status: how mock ended.
        logs: the logs of the buildroot.
        detail: put after the sentence's beginning, as " (arch x86_64)".

    Raises:
        HostFault: this host can't do it.
        BuildFailed, BuildrootFailed: the package or the buildroot is at fault; the log is named and quoted.
    """
    log = logs.cause(status, step)
    sentence = f"{step.sentence}{detail}, {sentence_end(status, log)}"
    tail = logs.tail(log)
    disks = logs.disk_trouble()
    if disks:
        raise HostFault(sentence, disks)
    if _is_host_fault(step, status):
        raise HostFault(sentence, "; ".join(tail[-2:]))
    raise step.error(sentence, log, tail)


def sentence_end(status: ExitStatus, log: str) -> str:
    """The second half of the sentence, which is the same in every row of contract 7.10."""
    return f"mock {status.describe()}; see {log} for more information"


def _is_host_fault(step: Step, status: ExitStatus) -> bool:
    if status.signal or step.in_chroot:
        return False
    if status.code == _BAD_COMMAND_LINE:
        return not step.spec
    return status.code in _HOST_STATUS


class Evidence:
    """The logs of a buildroot, and how long they were before the mock call that is looked into.

    Args:
        open_log: opens one of them by name.
        options: the daemon's options, for the disks; without them nothing is held against those.
    """

    def __init__(self, open_log: OpenLog, options: Any = None) -> None:
        self._open = open_log
        self._options = options
        self._before: Dict[str, int] = {}

    def mark(self) -> None:
        """A mock call begins: what the logs hold now does not count as its doing."""
        self._before = {name: self._size(name) for name in (BUILD_LOG, ROOT_LOG, OUTPUT_LOG)}

    def cause(self, status: ExitStatus, step: Step) -> str:
        """Name of the log that holds the cause of a failure."""
        candidates = step.logs
        if not step.in_chroot and status.code in _COMMAND_LINE_STATUS:
            candidates = (OUTPUT_LOG, ROOT_LOG)
        elif step.rpmbuild and (status.signal or status.code in _RPMBUILD_STATUS):
            candidates = (BUILD_LOG, ROOT_LOG, OUTPUT_LOG)
        tails = {name: self.tail(name) for name in candidates}
        for name in candidates:
            if any(_TELLING.search(line) for line in tails[name]):
                return name
        return next((name for name in candidates if tails[name]), ROOT_LOG)

    def disk_trouble(self) -> str:
        """What is wrong with this host's disks; empty when nothing is, see `disktrouble`."""
        if self._options is None:
            return ""
        lines = {name: self._added(name)[-_LOOK_AT_LINES_FOR_DISKS:] for name in (OUTPUT_LOG, ROOT_LOG, BUILD_LOG)}
        said = [line for added in lines.values() for line in reversed(added)]
        return disktrouble.found(self._options, said, lines[ROOT_LOG])

    def tail(self, name: str) -> List[str]:
        """The last lines that the call has added to a log and that say something."""
        return meaningful(name, self._added(name))[-QUOTED_LINES:]

    def _added(self, name: str) -> List[str]:
        try:
            with self._open(name) as log:
                size = log.seek(0, 2)
                added = size - self._before.get(name, 0)
                # A log that is shorter than before was begun anew: all of it is the call's.
                limit = min(_LOOK_AT, added if added >= 0 else size)
                return tail_lines(log, _LOOK_AT_LINES, limit) if limit else []
        except (OSError, koji.GenericError) as error:
            logger.debug("%s can't be quoted: %s", name, error)
            return []

    def _size(self, name: str) -> int:
        try:
            with self._open(name) as log:
                return log.seek(0, 2)
        except (OSError, koji.GenericError):
            return 0


def meaningful(name: str, lines: List[str]) -> List[str]:
    """The lines of a log that say something: without mock's accounts of its own doings and its own traceback."""
    for index in range(max(0, len(lines) - _TRACEBACK_LINES), len(lines)):
        if lines[index].startswith(_OWN_TRACEBACK):
            lines = lines[:index]
            break
    kept = [line for line in lines if not _NOISE[name].match(line)]
    return [_PREFIX.sub("", line) for line in kept] if name == ROOT_LOG else kept
