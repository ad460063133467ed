"""Making source packages inside a buildroot: from a checkout, and anew from another one (contract 7.4, 6.4, 6.5)."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence

import koji

from kojid.buildroot import failures, mock
from kojid.buildroot.chrootfiles import open_directory
from kojid.system.directories import is_directory_beneath
from kojid.system.files import UnsafeFile, copy_beneath, list_beneath, open_beneath

if TYPE_CHECKING:
    from kojid.buildroot.buildroot import BuildRoot

logger = logging.getLogger("koji.build.buildroot")

_UNPACKED = "srpm_unpacked"


def build(broot: BuildRoot, spec: str, sourcedir: str, source_cmd: Optional[Sequence[str]]) -> None:
    """Fetch the sources with the package's own command, then have mock make the source package.

    Args:
        broot: the buildroot.
        spec: path of the spec file on the host.
        sourcedir: the checkout, below the buildroot's root.
        source_cmd: words of the command, run as the unprivileged user; None when there is none.

    Raises:
        BuildFailed, HostFault: see `failures`.
        koji.BuildError: the command has put a link in the place of the checkout or the spec file.
    """
    broot.session.host.setBuildRootState(broot.id, "BUILDING")
    if source_cmd:
        # mock.py's trap: without `--` the command's own options would be taken for mock's.
        command = mock.source_command(source_cmd, broot.path_without_to_within(sourcedir))
        broot._check(failures.SOURCES, broot.mock(command))
        _check_plain(broot, spec, sourcedir)
    layout = os.path.join(sourcedir, "SOURCES")
    if broot.options.support_rpm_source_layout and os.path.isdir(layout) and not os.path.islink(layout):
        sourcedir = layout
    broot._check(failures.BUILD_SRPM, broot.mock(mock.buildsrpm(spec, sourcedir)))


def _check_plain(broot: BuildRoot, spec: str, sourcedir: str) -> None:
    """What mock is to copy must not lead out of the chroot, whatever the command has done to it."""
    root = broot.rootdir()
    try:
        if not is_directory_beneath(root, os.path.relpath(sourcedir, root)):
            raise UnsafeFile(f"{os.path.basename(sourcedir)} is no directory any more")
        open_beneath(Path(root), os.path.relpath(spec, root)).close()
    except (UnsafeFile, OSError) as error:
        broot.expire()
        raise koji.BuildError(f"the source command has spoilt the checkout: {error}") from error


def rebuild(broot: BuildRoot, srpm: str) -> None:
    """Unpack a source package in the chroot and make it anew with the buildroot's macros.

    The outcome is put into the result directory, as if mock had made it.

    Args:
        broot: the buildroot.
        srpm: the package's path inside the chroot.

    Raises:
        koji.BuildError: there is no spec file in it, or several.
        BuildFailed: it can't be unpacked or made.
    """
    broot.session.host.setBuildRootState(broot.id, "BUILDING")
    outside = broot.make_tmpdir(_UNPACKED)
    inside = broot.path_without_to_within(outside)
    define = ("--define", f"_topdir {inside}")
    unpacked = broot.mock(mock.in_chroot("rpm", *define, "-iv", srpm))
    specs = _names(broot, f"{inside}/SPECS", "*.spec")
    if unpacked and not specs:
        broot._check(failures.REBUILD_SRPM, unpacked)
    if len(specs) != 1:
        broot.expire()
        raise koji.BuildError(f"Multiple spec files found: {', '.join(specs)}" if specs else "No spec file found")
    spec = f"{inside}/SPECS/{specs[0]}"
    status = broot.mock(mock.in_chroot("rpmbuild", *define, "-bs", "--nodeps", spec))
    _collect(broot, f"{inside}/SRPMS")
    broot._check(failures.REBUILD_SRPM, status)


def _names(broot: BuildRoot, directory: str, pattern: str) -> List[str]:
    try:
        with open_directory(broot.rootdir(), directory) as opened:
            return list_beneath(opened, pattern)
    except OSError as error:
        logger.debug("%s can't be listed in the buildroot: %s", directory, error)
        return []


def _collect(broot: BuildRoot, directory: str) -> None:
    """Put the source packages that were made into the result directory; no link is followed."""
    for name in _names(broot, directory, "*.src.rpm"):
        with open_directory(broot.rootdir(), directory) as opened:
            copy_beneath(opened, name, Path(broot.resultdir()) / name)
