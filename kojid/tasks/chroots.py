"""A buildroot for the length of a task, and files put into it or taken out of it.

Whatever way the task ends, the hub is told that the buildroot is over: none is left INIT or BUILDING (contract 7.7).
What is in a buildroot may be the work of a package's scriptlets, so nothing is written through a link in there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Iterator, Union

import koji

from kojid.buildroot import disktrouble
from kojid.buildroot.buildroot import BuildRoot
from kojid.buildroot.chrootfiles import make_directory, open_directory
from kojid.errors import BuildFailed, BuildrootFailed, HostFault, explain

logger = logging.getLogger("koji.build.BaseTaskHandler")

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def buildroot(handler: Any, tag: Union[int, str], arch: str, **options: Any) -> Iterator[Any]:
    """A new, initialised buildroot; it is expired at the end, after a failure as well.

    Args:
        handler: the task; its working directory takes mock's output.
        tag: id or name of the build tag.
        arch: the arch of the buildroot.
        options: more of BuildRoot's arguments, `repo_id` among them.

    Raises:
        HostFault: what the block, or the buildroot's making, failed with is the doing of this host's disks.
    """
    broot = BuildRoot(handler.session, handler.options, tag, arch, handler.id, **options)
    broot.workdir = handler.workdir
    try:
        handler.logger.debug("Initializing buildroot")
        broot.init()
        yield broot
    except Exception as error:
        _expire_quietly(broot)
        _blame_disks(error, handler.options)
        raise
    broot.expire()


def _blame_disks(error: Exception, options: Any) -> None:
    """Raise HostFault in place of an error that this host's disks have caused; mock's failures are judged already."""
    if isinstance(error, (BuildFailed, BuildrootFailed, HostFault)):
        return
    vague = isinstance(error, (koji.BuildError, koji.BuildrootError))
    trouble = disktrouble.of_error(error) or (disktrouble.found(options) if vague else "")
    if trouble:
        raise HostFault(f"this host can't do it: {explain(error)}", trouble) from error


def _expire_quietly(broot: Any) -> None:
    try:
        broot.expire()
    except Exception:
        # what went wrong before matters more
        logger.exception("Buildroot %s could not be expired", broot.id)


def put_file(root: Path, directory: str, source: Path) -> str:
    """Copy a file of the host into a buildroot, following no link in there.

    Args:
        root: the buildroot's top; itself trusted.
        directory: where in there; made as far as it is missing.
        source: the file, whose name it keeps.

    Returns:
        the copy's path as seen from inside.

    Raises:
        koji.BuildrootError: a link, a file or anything else is in the way.
    """
    inside = "/" + os.path.join(directory.strip("/"), source.name)
    try:
        make_directory(str(root), directory)
        with open_directory(str(root), directory) as descriptor:
            copy = os.open(source.name, _NEW_FILE, 0o644, dir_fd=descriptor)
    except (OSError, ValueError) as error:
        raise koji.BuildrootError(f"{inside} can't be made in the buildroot: {error}") from error
    with open(copy, "wb") as out, open(source, "rb") as opened:
        os.fchmod(copy, 0o644)
        shutil.copyfileobj(opened, out, 1024 * 1024)
    return inside
