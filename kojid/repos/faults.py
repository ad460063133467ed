"""Whose fault it is when a repo tool fails: this host's (its disk, its memory, its mounts) or the repo's.

The tools tell neither by their exit status, which is 1 or 2 for all there is, so their log is read, and the space that
is left is looked at, because a full disk takes the log's last lines with it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import signal
from pathlib import Path
from typing import Iterator, List, Optional, Union

import koji

from kojid.errors import HostFault
from kojid.system.files import tail_lines
from kojid.system.process import ExitStatus

logger = logging.getLogger("koji.build")

#: What only another host, or this one at another time, can do something about.
_HOST_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOTCONN,
)
_HOST_TROUBLE = re.compile("|".join(re.escape(os.strerror(number)) for number in _HOST_ERRORS), re.IGNORECASE)
_TROUBLE = re.compile(r"warning|error|critical|fail", re.IGNORECASE)
_QUOTED = 10
_LOOK_AT_LINES = 2000
_LOOK_AT = 1024 * 1024  # bytes
_NOTHING_LEFT = 64 * 1024  # bytes; less is a full disk to a tool that writes in larger blocks


def failure(beginning: str, program: str, status: ExitStatus, log: Path) -> Union[HostFault, koji.GenericError]:
    """What to raise when one of the repo tools has failed: how it ended, and what its log says of it.

    Args:
        beginning: of the sentence, as contract 9.3 has it.
        program: the tool.
        status: how it ended.
        log: its log, in the directory that it has written to.

    Returns:
        HostFault: this host has no space or memory left, or an unusable file system.
        koji.GenericError: anything else.
    """
    sentence = f"{beginning}: {Path(program).name} {status.describe()}"
    trouble = _killed(status) or _named(log) or _full(log.parent)
    if trouble:
        return HostFault(sentence, trouble)
    text = "\n".join([f"{sentence}; see {log.name} for more information", *quote(log)])
    fault: koji.GenericError = koji.GenericError(text)
    return fault


def quote(log: Path) -> List[str]:
    """The last lines of a log that tell of trouble, or its last ones, indented."""
    try:
        lines = tail_lines(log, _LOOK_AT_LINES, _LOOK_AT)
    except OSError as error:
        return [f"({log.name} can't be read: {error.strerror})"]
    telling = [line for line in lines if _TROUBLE.search(line)]
    return [f"  {line}" for line in (telling or lines)[-_QUOTED:]]


@contextlib.contextmanager
def own_disk() -> Iterator[None]:
    """Around work on this host's files.

    Raises:
        HostFault: instead of an OSError that only this host can be blamed for.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _HOST_ERRORS:
            place = f" ({error.filename})" if error.filename else ""
            raise HostFault(f"this host can't make the repo: {error.strerror}{place}") from error
        raise


def _killed(status: ExitStatus) -> str:
    """SIGKILL: nobody but the kernel, out of memory, sends that to a tool while its task goes on."""
    return "it was killed; was there not enough memory?" if status.signal == signal.SIGKILL else ""


def _named(log: Path) -> str:
    return next((line.strip() for line in reversed(quote(log)) if _HOST_TROUBLE.search(line)), "")


def _full(directory: Path) -> Optional[str]:
    try:
        space = os.statvfs(directory)
    except OSError as error:
        logger.debug("The space left in %s can't be told: %s", directory, error)
        return None
    if space.f_bavail * space.f_frsize < _NOTHING_LEFT:
        return f"no space left in {directory}"
    if space.f_files and not space.f_favail:
        return f"no inodes left in {directory}"
    return None
