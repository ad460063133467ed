"""The demo's source package: GNU hello 2.10, or a small C program where its source is out of reach."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Tuple

from kojid.sandbox.distro.errors import DistributionError
from kojid.sandbox.distro.sources.archive import Archive
from kojid.sandbox.distro.sources.package import srpm

_HERE = Path(__file__).parent
VERSION = "2.10"
_TARBALL = f"hello-{VERSION}.tar.gz"


@dataclass(frozen=True)
class SourcePackage:
    """A source package on disk.

    `path` is the .src.rpm, `origin` says in words where its source came from, `upstream` whether that is the upstream
    project's own.
    """

    path: Path
    name: str
    version: str
    origin: str
    upstream: bool


def hello(out: Path, *, time_limit: float = 90.0) -> SourcePackage:
    """Writes a source package of GNU hello 2.10 with our own spec file.

    The upstream tarball comes from the source archive of the mirror that this machine's apt is configured with, and
    is kept in `out` for the next time. Where it can't be had, a small C program that ships with the sandbox takes its
    place, and `origin` says so and why.

    Args:
        out: directory for the package; made when missing.
        time_limit: seconds for the download.

    Raises:
        MissingPackages: rpmbuild is not on this machine.
    """
    out.mkdir(parents=True, exist_ok=True)
    tarball = out / _TARBALL
    try:
        source = _cached_origin(tarball) or _download(tarball, time_limit)
    except DistributionError as error:
        return _small(out, str(error))
    path = srpm(out, "hello", (_HERE / "gnu-hello.spec").read_text(), {_TARBALL: tarball})
    return SourcePackage(path, "hello", VERSION, f"GNU hello {VERSION}, the upstream tarball from {source}", True)


def _small(out: Path, reason: str) -> SourcePackage:
    sources = {"small-hello.c": _HERE / "small-hello.c"}
    path = srpm(out, "hello", (_HERE / "small-hello.spec").read_text(), sources)
    origin = f"the small C program that ships with the sandbox, for want of GNU hello's source ({reason})"
    return SourcePackage(path, "hello", VERSION, origin, False)


def _note(tarball: Path) -> Path:
    return tarball.with_name(tarball.name + ".origin")


def _cached_origin(tarball: Path) -> str:
    """Where a tarball that is there already came from, or "" when there is none."""
    return _note(tarball).read_text() if tarball.is_file() and _note(tarball).is_file() else ""


def _download(tarball: Path, time_limit: float) -> str:
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=tarball.parent) as scratch:
        archive = Archive(Path(scratch).resolve(), time_limit)
        source, mirror = _wanted(archive)
        source.replace(tarball)
    _note(tarball).write_text(mirror)
    return mirror


def _wanted(archive: Archive) -> Tuple[Path, str]:
    for source in archive.tarball("hello"):
        if source.name == f"hello_{VERSION}.orig.tar.gz":
            return source, f"the source archive {archive.mirrors[0].uri} ({archive.mirrors[0].suite})"
    raise DistributionError(f"the source archive has another version than {VERSION}")
