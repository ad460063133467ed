"""The sources of a Maven build: what is kept of them, the patches that are applied, and what the POM says of itself.

Contract 6.8. Sources and patches lie in the chroot, so no link in them is followed; patches are applied by a process
without privileges, as mock's user.
"""

from __future__ import annotations

import os
import stat
import time
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Sequence
from xml.sax import SAXException

import koji

from kojid.sources.scmlog import LogFeed
from kojid.sources.scmworkplace import Workplace
from kojid.system.accounts import credentials_of
from kojid.system.directories import is_directory_beneath
from kojid.system.files import UnsafeFile, list_beneath, open_beneath
from kojid.tasks.srpm import MOCK_GROUP

PATCH_LOG = "patches.log"
PATCH = "/usr/bin/patch"
_METADATA = ("CVS", ".svn", ".git")
_LINK = (stat.S_IFLNK | 0o777) << 16
_EARLIEST, _LATEST = 1980, 2107  # what the times of a zip archive can say
_BLOCK = 1024 * 1024
_LARGEST_POM = 32 * 1024 * 1024
# Options of mvn that begin like -f and mean how failures are dealt with.
_NO_POM = ("-fae", "-ff", "-fn")


def zip_tree(top: str, target: Path) -> None:
    """Pack a checkout: regular files and links, below the directory's own name, without what version control keeps.

    Args:
        top: the directory.
        target: the archive to be made.
    """
    base = os.path.basename(top.rstrip("/"))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, directories, files, descriptor in os.fwalk(top, follow_symlinks=False):
            directories[:] = sorted(name for name in directories if name not in _METADATA)
            below = os.path.join(base, os.path.relpath(path, top))
            # links to directories count as directories there
            for name in sorted([*files, *directories]):
                _add(archive, descriptor, name, os.path.normpath(os.path.join(below, name)))


def _add(archive: zipfile.ZipFile, directory: int, name: str, inside: str) -> None:
    status = os.lstat(name, dir_fd=directory)
    when = time.localtime(status.st_mtime)[:6]
    within = _EARLIEST <= when[0] <= _LATEST
    info = zipfile.ZipInfo(os.fsencode(inside).decode("utf-8", "replace"), when if within else (1980, 1, 1, 0, 0, 0))
    if stat.S_ISLNK(status.st_mode):
        info.external_attr = _LINK
        archive.writestr(info, os.fsencode(os.readlink(name, dir_fd=directory)))
    elif stat.S_ISREG(status.st_mode):
        info.external_attr = (status.st_mode & 0xFFFF) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        info.file_size = status.st_size
        with open_beneath(directory, name) as source, archive.open(info, "w") as out:
            for block in iter(lambda: source.read(_BLOCK), b""):
                out.write(block)


def apply_patches(handler: Any, patchdir: str, sourcedir: str, url: str) -> None:
    """Apply the patches of a checkout, `*.patch` in the order of their names.

    Args:
        handler: the task; what is said goes to patches.log.
        patchdir: where they are.
        sourcedir: the sources; both belong to mock's user.
        url: where the patches came from.

    Raises:
        koji.BuildError: there are none, or one does not apply.
        HostFault: `patch` is missing here, or there is no space.
    """
    names = list_beneath(patchdir, "*.patch")
    if not names:
        raise koji.BuildError(f"no patches found at {url}")
    feed = LogFeed(Path(handler.workdir, PATCH_LOG), handler.session, handler.getUploadDir())
    user = credentials_of(handler.options.mockuser, MOCK_GROUP) if os.geteuid() == 0 else None
    place = Workplace(handler.options, Path(sourcedir), Path(sourcedir), feed, user)
    try:
        for name in names:
            words = ["--verbose", "--no-backup-if-mismatch", "-d", sourcedir, "-p1", "-i", f"{patchdir}/{name}"]
            place.run("patch", [PATCH, *words])
    except Exception:  # a task that is being stopped does not wait for the hub
        feed.finish()
        raise
    feed.finish()


def pom_file(options: Sequence[str]) -> str:
    """The POM that mvn is told to build by its options, `pom.xml` by default.

    Args:
        options: of mvn: `-f FILE`, `--file FILE`, `-f=FILE`, `--file=FILE` and `-fFILE` name one.

    Raises:
        koji.BuildError: the option's argument is missing.
    """
    for number, option in enumerate(options):
        if option in ("-f", "--file"):
            if number + 1 == len(options):
                raise koji.BuildError(f"{option} option requires a file path")
            return options[number + 1]
        if option.startswith(("-f=", "--file=")):
            return option.split("=", 1)[1]
        if option.startswith("-f") and option not in _NO_POM:
            return option[2:]
    return "pom.xml"


def read_pom(root: str, sourcedir: str, name: str) -> Dict[str, str]:
    """What a POM says of itself: group_id, artifact_id and version.

    Args:
        root: the chroot, as a path of the host.
        sourcedir: the sources, as a path inside the chroot.
        name: the POM, or the directory of a pom.xml, from there.

    Raises:
        koji.BuildError: there is none, it says too little, or it lies behind a link.
    """
    inside = os.path.normpath(os.path.join(sourcedir, name)).lstrip("/")
    if is_directory_beneath(root, inside):
        inside = f"{inside}/pom.xml"
    try:
        with open_beneath(root, inside) as opened:
            text = opened.read(_LARGEST_POM).decode("utf-8", "replace")
        found: Dict[str, str] = koji.pom_to_maven_info(koji.parse_pom(contents=text))
    except FileNotFoundError:
        raise koji.BuildError(f"{name} does not exist") from None
    except (UnsafeFile, OSError, SAXException) as error:
        raise koji.BuildError(f"{name} can't be read: {error}") from error
    except koji.GenericError as error:
        raise koji.BuildError(f"{name}: {error}") from error
    for field, value in found.items():
        if not value or "/" in value or not value.isprintable():
            raise koji.BuildError(f"the {field} of {name} can't be part of a name: {value!r}")
    return found


def collect(outputdir: str) -> Dict[str, List[str]]:
    """The names of the files that a build has deployed, by their directory from the top, which itself is "".

    Raises:
        koji.BuildError: something is neither a file nor a directory.
    """
    found: Dict[str, List[str]] = {}
    for path, directories, files, descriptor in os.fwalk(outputdir, follow_symlinks=False):
        below = os.path.relpath(path, outputdir)
        directories.sort()
        for name in sorted([*files, *directories]):
            mode = os.lstat(name, dir_fd=descriptor).st_mode
            if stat.S_ISREG(mode):
                found.setdefault("" if below == "." else below, []).append(name)
            elif not stat.S_ISDIR(mode):
                raise koji.BuildError(f"unexpected file in the output of the build: {os.path.join(below, name)}")
    return found
