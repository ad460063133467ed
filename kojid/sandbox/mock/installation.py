"""Puts the stand-in where a builder finds it: a set-uid wrapper, the group and the user that a build host has."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import kojid
from kojid.sandbox.mock.caller import GROUP
from kojid.sandbox.mock.errors import MockError

USER = "kojibuilder"
_PROGRAMS = ("rpm", "dnf")
_INSTALL = "apt-get install --no-install-recommends rpm dnf dnf-plugins-core"  # the last one for dnf builddep
_SOURCE = Path(__file__).with_name("wrapper.c")


class InstallError(MockError):
    """The stand-in can't be installed; the message says what is missing."""


def install(prefix: Path) -> Path:
    """Compiles the wrapper to `prefix/bin/mock`, owned by root and group mock, mode 4750.

    It starts the stand-in with the Python that runs this, from the package that this module is in, be it installed or
    a checkout.

    Args:
        prefix: directory for `bin/mock` and for the stand-in's compiled modules; only root should be able to write it.

    Returns:
        The wrapper's path.

    Raises:
        InstallError: not root, no compiler, a path that can't be compiled in, or a program that it calls is missing.
    """
    if os.geteuid() != 0:
        raise InstallError("the stand-in for mock is set-uid root: only root can install it")
    _look_for_programs()
    ensure_accounts()
    wrapper = prefix.absolute() / "bin/mock"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    cache = prefix.absolute() / "lib/mock-pycache"
    cache.mkdir(parents=True, exist_ok=True)
    new = wrapper.with_name(".mock.new")
    _compile(new, cache)
    os.chown(new, 0, grp.getgrnam(GROUP).gr_gid)
    new.chmod(0o4750)
    new.replace(wrapper)
    return wrapper


def _look_for_programs() -> None:
    """A missing one would come out in the middle of the first build."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise InstallError(f"the stand-in for mock calls {' and '.join(missing)}, not found here (run: {_INSTALL})")


def _compile(target: Path, cache: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise InstallError("there is no C compiler for the wrapper (run: apt-get install gcc libc6-dev)")
    modules = Path(kojid.__file__).absolute().parent.parent
    values = {"PYTHON": sys.executable, "MODULES": str(modules), "CACHE": str(cache)}
    for name, value in values.items():
        if set(value) & set("\"'\\\n"):
            raise InstallError(f"{name} has a character that can't be compiled in: {value}")
    words = [compiler, "-O2", "-Wall", "-o", str(target), *(f'-D{name}="{value}"' for name, value in values.items())]
    done = subprocess.run([*words, str(_SOURCE)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError(f"the wrapper does not compile: {done.stderr.strip()}")


def ensure_accounts() -> None:
    """Makes the system group `mock` and the system user `kojibuilder` in it, where they are missing.

    Raises:
        InstallError: not root, or the machine's tools refuse.
    """
    if not _has(grp.getgrnam, GROUP):
        _run(["groupadd", "--system", GROUP])
    if not _has(pwd.getpwnam, USER):
        _run(["useradd", "--system", "--user-group", "--groups", GROUP, "--home-dir", "/builddir",
              "--no-create-home", "--shell", "/bin/bash", USER])  # fmt: skip
    elif USER not in grp.getgrnam(GROUP).gr_mem:
        _run(["usermod", "--append", "--groups", GROUP, USER])


def _has(lookup: Callable[[str], object], name: str) -> bool:
    try:
        lookup(name)
    except KeyError:
        return False
    return True


def _run(command: List[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError(f"{command[0]} failed: {done.stderr.strip()}")
