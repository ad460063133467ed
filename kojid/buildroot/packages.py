"""What is installed in a buildroot, read from its rpm database with this host's rpm (contract 7.8)."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any, Dict, Iterator, List, Tuple

import koji

from kojid.buildroot.chrootfiles import open_directory
from kojid.errors import HostFault

Package = Dict[str, Any]

# Where the database is; the first one that is there counts.
DATABASES = ("usr/lib/sysimage/rpm", "var/lib/rpm")
#: Files by which a database shows its format, and what rpm calls it.
FORMATS = {"rpmdb.sqlite": "sqlite", "Packages.db": "ndb", "Packages": "bdb"}
# Stand-ins that are no packages: an old way to install the build group, and signing keys.
_NOT_PACKAGES = ("buildsys-build", "gpg-pubkey")
_FIELDS = ("name", "version", "release", "epoch", "arch", "buildtime")


def installed(root: str) -> List[Package]:
    """The packages of a chroot.

    Args:
        root: path of the chroot; nothing in it is trusted.

    Returns:
        One dict each: name, version, release, epoch, arch, buildtime (epoch seconds), size (bytes), payloadhash, and
        the header digests that the koji library names.

    Raises:
        koji.BuildrootError: there is no database, or there is nothing in it.
        HostFault: this host's rpm can't read it.
    """
    relative = _find(root)
    kind = _format(root, relative)
    packages = list(_read(os.path.join(root, relative), kind))
    if not packages:
        raise koji.BuildrootError(
            f"the {kind} database of the buildroot, /{relative}, lists no packages for this host's rpm {_rpm_version()}"
        )
    return packages


def identity(package: Package) -> Tuple[Any, ...]:
    """By what a package that is installed is told from all others."""
    return tuple(package.get(field) for field in ("name", "epoch", "version", "release", "arch", "payloadhash"))


def _find(root: str) -> str:
    for relative in DATABASES:
        # One of them may be a link to the other; the one that is the directory counts.
        with contextlib.suppress(OSError), open_directory(root, relative) as directory:
            _drop_dangling(directory)
            return relative
    raise koji.BuildrootError("Can't get list of installed rpms: the buildroot has no rpm database")


def _drop_dangling(directory: int) -> None:
    """Remove links left by a migrated database (__db*) that lead nowhere and that an older rpm stumbles over."""
    for name in os.listdir(directory):
        if name.startswith("__db") and stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=directory)


def _format(root: str, relative: str) -> str:
    """The database's format by its file.

    Beside it lie indexes, journals and locks: all must be regular files, for rpm, which runs as root here, would follow
    a link out of the chroot, and wait for the other end of a pipe.
    """
    with open_directory(root, relative) as directory, os.scandir(directory) as entries:
        regular = {
            entry.name: entry.is_file(follow_symlinks=False)
            for entry in entries
            if not entry.is_dir(follow_symlinks=False) or entry.name in FORMATS
        }
    for name in sorted(name for name, is_regular in regular.items() if not is_regular):
        raise koji.BuildrootError(f"the buildroot's rpm database /{relative}/{name} is no regular file")
    for name, kind in FORMATS.items():
        if name in regular:
            return kind
    # Asked all the same, rpm would make an empty one.
    raise koji.BuildrootError(f"the buildroot's /{relative} holds no rpm database of a known format")


def _read(path: str, kind: str) -> Iterator[Package]:
    rpm = _rpm()
    with _database(rpm, path):
        try:
            headers = rpm.TransactionSet().dbMatch()
            for header in headers:
                package = describe(header)
                if package["name"] not in _NOT_PACKAGES:
                    yield package
        except rpm.error as error:
            raise HostFault(
                f"this host's rpm {_rpm_version()} can't read the buildroot's {kind} database: {error}",
                "a newer rpm on the host may",
            ) from error


def describe(header: Any) -> Package:
    """One package as the hub wants it, from its header."""
    if hasattr(koji, "get_rpm_ident_fields"):
        package: Package = dict(koji.get_rpm_ident_fields(header))
    else:
        package = dict(koji.get_header_fields(header, _FIELDS))
        package["payloadhash"] = koji.hex_string(koji.get_header_field(header, "sigmd5"))
    package["size"] = koji.get_header_field(header, "size")
    return package


@contextlib.contextmanager
def _database(rpm: Any, path: str) -> Iterator[None]:
    """Point librpm, which only knows one database per process, at the chroot's."""
    rpm.addMacro("_dbpath", path)
    try:
        yield
    finally:
        rpm.delMacro("_dbpath")


def _rpm() -> Any:
    try:
        # Here and not above: it reads rpm's configuration when imported, and only buildroots need it.
        import rpm
    except ImportError as error:
        raise HostFault("rpm's Python bindings are missing on this host", "install python3-rpm") from error
    return rpm


def _rpm_version() -> str:
    return str(getattr(_rpm(), "__version__", "(of unknown version)"))
