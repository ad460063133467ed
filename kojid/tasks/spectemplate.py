"""The spec file of a wrapper package: its template is found in the checkout, files are put beside it, it is rendered.

Contract 6.8. The checkout lies in a buildroot and is anybody's work: its directories are entered one by one, nothing
in it is followed or overwritten through a link, and the template is rendered by a process that is nobody.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Any, BinaryIO, Dict, Iterable, Iterator, Tuple

import koji

from kojid.buildroot.chrootfiles import open_directory
from kojid.errors import HostFault
from kojid.sources import speccheck, templates
from kojid.system.files import open_beneath

SUFFIX = ".spec.tmpl"
_LARGEST_TEMPLATE = 4 * 1024 * 1024
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def find(checkout: str, url: str) -> str:
    """The path of the template below a checkout's directory: of several directories with one the last counts.

    Raises:
        koji.BuildError: there is none.
    """
    found = ""
    for path, directories, files in os.walk(checkout):
        directories.sort()
        named = sorted(name for name in files if name.endswith(SUFFIX))
        if named:
            found = os.path.relpath(os.path.join(path, named[0]), checkout)
    if not found:
        raise koji.BuildError(f"no spec file template found at URL: {url}")
    return found


def fill(directory: int, template: str, values: Dict[str, Any]) -> str:
    """Render a template and write the spec file beside it.

    Args:
        directory: descriptor of the directory that both are in.
        template: the template's name; the spec file's is that without `.tmpl`.
        values: what the template is told.

    Returns:
        the spec file's name.

    Raises:
        koji.BuildError: the template is wrong, or the spec file sets what only the builder sets.
        UnsafeFile: the template is no plain file.
        HostFault: templates can't be rendered here.
    """
    with open_beneath(directory, template) as opened:
        source = opened.read(_LARGEST_TEMPLATE + 1)
    if len(source) > _LARGEST_TEMPLATE:
        raise koji.BuildError(f"the spec file template {template} is too large")
    try:
        text = templates.render(source.decode("utf-8"), values, directory)
    except UnicodeDecodeError as error:
        raise koji.BuildError(f"the spec file template {template} is not UTF-8: {error}") from None
    spec = template[: -len(".tmpl")]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(spec, dir_fd=directory)
    with _create(directory, spec) as out:
        out.write(text.encode("utf-8"))
    speccheck.check(text, spec)
    return spec


def put_beside(directory: int, files: Iterable[Tuple[str, str]]) -> None:
    """Copy files into a directory, as rpm wants all sources in one.

    Args:
        directory: its descriptor.
        files: for each its path on this host, and the path from which its name there comes: the last part, or where
            there is a file of that name already, all of it with hyphens for the slashes.

    Raises:
        koji.BuildError: there is a file of that name, too.
        HostFault: there is no room for it.
    """
    for local, relative in files:
        _put(directory, local, relative)


def _put(directory: int, local: str, relative: str) -> None:
    try:
        with open(local, "rb") as opened, _create_one_of(directory, relative) as out:
            shutil.copyfileobj(opened, out, 1024 * 1024)
    except FileExistsError as error:
        raise koji.BuildError(f"{relative} has no name of its own beside the spec file template") from error
    except OSError as error:
        raise HostFault(f"{relative} can't be put into the buildroot: {error.strerror}") from error


def _create_one_of(directory: int, relative: str) -> BinaryIO:
    try:
        return _create(directory, os.path.basename(relative))
    except FileExistsError:
        return _create(directory, relative.replace("/", "-"))


def _create(directory: int, name: str) -> BinaryIO:
    descriptor = os.open(name, _NEW_FILE, 0o644, dir_fd=directory)
    os.fchmod(descriptor, 0o644)  # whatever the umask: nobody has to read it
    return open(descriptor, "wb")


@contextlib.contextmanager
def opened(root: str, inside: str) -> Iterator[int]:
    """A descriptor of a directory of a chroot.

    Args:
        root: the chroot's top.
        inside: the directory's path inside.

    Raises:
        koji.BuildrootError: there is a link or a file in the way.
    """
    with contextlib.ExitStack() as stack:
        try:
            descriptor = stack.enter_context(open_directory(root, inside))
        except (OSError, ValueError) as error:
            raise koji.BuildrootError(f"{inside} of the buildroot can't be used: {error}") from error
        yield descriptor
