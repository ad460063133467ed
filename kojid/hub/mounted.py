"""Files of the Koji volume by its local mount, where that holds what the server serves (contract 2, `topdir`).

A mount may be another hub's, or empty, or long out of date, so it is not believed: the server is asked for a file's
size and time, and only a local file with the same ones is copied. It may also be dead, and whoever touches it then
stays in the kernel for good: so it is commands that touch it, which have their time.
"""

from __future__ import annotations

import email.utils
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any, Optional, Tuple

import requests

from kojid.errors import HostFault
from kojid.hub.volume import CONNECT_SECONDS, READ_SECONDS
from kojid.system.process import DEVNULL, CommandTimeout, capture, run

logger = logging.getLogger("koji.build.volume")

LEAST = 256 * 1024  # bytes below which asking takes as long as the download
_dead = False

Facts = Tuple[int, int]  # size in bytes, and time of the last change in seconds since the epoch


def copy(options: Any, relative: str, url: str, target: Path, *, seconds: float = 3600.0) -> bool:
    """Copy a file from the mounted volume, if it is there and the one that the server has.

    Args:
        options: the daemon's options; `topdir` and `mount_timeout` matter.
        relative: the file's path below the volume's top.
        url: where the server has it.
        target: where it goes; its directory must exist. It appears there only as a whole.
        seconds: how long copying may take.

    Returns:
        Whether it was copied. If not, it has to be downloaded.
    """
    found = _local(options, relative)
    if found is None or found[0] < LEAST or _served(url) != found:
        return False
    descriptor, name = tempfile.mkstemp(prefix=".copy-", dir=target.parent)
    os.close(descriptor)
    try:
        source = os.path.join(options.topdir, relative)
        copied = run(["cp", "--reflink=auto", "--", source, name], timeout=seconds, stderr=DEVNULL)
        if copied.raw or os.stat(name).st_size != found[0]:
            logger.info("%s can't be copied from the mounted volume, it is downloaded", relative)
            return False
        os.chmod(name, 0o644)
        os.replace(name, target)
        return True
    except (CommandTimeout, HostFault) as error:
        _give_up(error)
        return False
    finally:
        Path(name).unlink(missing_ok=True)


def _local(options: Any, relative: str) -> Optional[Facts]:
    """Size and time of a file below `topdir`, if there is one and the mount answers."""
    if _dead or not options.topdir:
        return None
    command = ["stat", "--dereference", "--format=%f %s %Y", "--", os.path.join(options.topdir, relative)]
    try:
        status, output = capture(command, timeout=float(options.mount_timeout))
    except (CommandTimeout, HostFault) as error:
        _give_up(error)
        return None
    if status.raw:
        return None
    mode, size, changed = output.split()
    return (int(size), int(changed)) if stat.S_ISREG(int(mode, 16)) else None


def _give_up(error: Exception) -> None:
    """A mount that does not answer is not asked again by this task."""
    global _dead
    _dead = True
    logger.warning("The mounted volume is not used for reading: %s", error)


def _served(url: str) -> Optional[Facts]:
    """Size and time of a file as the server tells them; None when it does not."""
    try:
        response = requests.head(
            url,
            headers={"Accept-Encoding": "identity"},
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=True,
        )
        if response.status_code != 200:
            return None
        changed = email.utils.parsedate_to_datetime(response.headers["Last-Modified"])
        return int(response.headers["Content-Length"]), int(changed.timestamp())
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        logger.debug("%s does not tell size and time: %s", url, error)
        return None
