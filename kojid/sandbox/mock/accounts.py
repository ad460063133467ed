"""The build user of a chroot, and its home with the macros."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any, Dict

from kojid.sandbox.mock.caller import GROUP, Caller
from kojid.sandbox.mock.errors import MockError

USER = "mockbuild"
_SUBDIRECTORIES = ("BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS", "originals")


def add_build_user(root: Path, home: str, caller: Caller) -> None:
    """Gives the chroot the user `mockbuild`, with the caller's number, and the group `mock` with the host's."""
    _set_entry(root, "etc/group", GROUP, f"{GROUP}:x:{caller.gid}:")
    _set_entry(root, "etc/passwd", USER, f"{USER}:!:{caller.build_uid}:{caller.gid}::{home}:/bin/bash")


def _set_entry(root: Path, relative: str, name: str, line: str) -> None:
    path = inside(root, relative)
    others = [old for old in path.read_text().splitlines() if old.partition(":")[0] != name] if path.exists() else []
    write_inside(root, relative, "\n".join([*others, line, ""]))


def make_home(root: Path, config: Dict[str, Any], caller: Caller) -> None:
    """Wipes the build user's home and lays it out anew, with the config's macros in `.rpmmacros`."""
    home = inside(root, config["chroothome"])
    if home.is_symlink():
        home.unlink()
    shutil.rmtree(home, ignore_errors=True)
    top = home / "build"
    for directory in (home, top, *(top / name for name in _SUBDIRECTORIES)):
        directory.mkdir(mode=0o755, parents=True)
        os.chown(directory, caller.build_uid, caller.gid)
    macros = home / ".rpmmacros"
    # Without a name of its own, rpmbuild would ask the network, which is cut off, for the host's full name.
    macros.write_text(macro_file({"%_buildhost": socket.gethostname(), **config["macros"]}))
    os.chown(macros, caller.build_uid, caller.gid)


def macro_file(macros: Dict[str, str]) -> str:
    """The text of a macro file; `%_topdir` comes first, as other macros may use it."""
    ordered = sorted(macros.items(), key=lambda item: (item[0] != "%_topdir", item[0]))
    return "".join(f"{name if name.startswith('%') else '%' + name} {value}\n" for name, value in ordered)


def inside(root: Path, path: str) -> Path:
    """A path of the chroot, seen from the host.

    Raises:
        MockError: it leads out of the chroot.
    """
    target = root / path.lstrip("/")
    base = os.path.realpath(root)
    if os.path.commonpath([os.path.realpath(target.parent), base]) != base:
        raise MockError(f"{path} lies outside the chroot")
    return target


def write_inside(root: Path, path: str, text: str) -> None:
    """Writes a file of the chroot; a link in its place is replaced, not followed.

    Raises:
        MockError: it leads out of the chroot.
    """
    target = inside(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    target.write_text(text)
