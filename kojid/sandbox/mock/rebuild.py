"""Builds: a source package from a spec file, binary packages from a source package."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from pathlib import Path
from typing import List, Sequence

from kojid.sandbox.mock import accounts
from kojid.sandbox.mock.buildroot import Buildroot
from kojid.sandbox.mock.caller import acting_as
from kojid.sandbox.mock.errors import BadCommandLine, MockError, NothingToDo, SourcePackageError
from kojid.sandbox.mock.process import Runner, end_descendants

#: The first bytes of every rpm; rpm takes a file without them for a list of packages.
_RPM_MAGIC = b"\xed\xab\xee\xdb"


class Builder:
    """rpmbuild in a chroot, as the build user.

    Args:
        buildroot: a root that is ready.
    """

    def __init__(self, buildroot: Buildroot) -> None:
        self._buildroot = buildroot
        self._config = buildroot.config
        self._logs = buildroot.logs
        self._top = f"{self._config['chroothome']}/build"

    def rebuild(self, source_package: Path) -> List[Path]:
        """Builds a source package; its results are in the result directory afterwards, and are returned.

        Raises:
            SourcePackageError: it can't be unpacked.
            PackageManagerError: its build requirements can't be met.
            MockError: rpmbuild failed.
            TimeoutExpired: rpmbuild took longer than `rpmbuild_timeout`.
        """
        name = source_package.name
        began = time.monotonic()
        self._logs.info(f"Start({source_package})  Config({self._config['root']})")
        try:
            with self._logs.state(f"build phase for {name}"):
                with self._logs.state(f"build setup for {name}"):
                    spec = self._unpack(source_package)
                    written = self._source_package(spec)
                    self._buildroot.packages.install_requirements(written)
                with self._logs.state(f"rpmbuild {name}"):
                    self._buildroot.record_packages()
                    self._rpmbuild(["-bb", *([] if self._config["check"] else ["--nocheck"])], spec)
                results = self._results("RPMS") + self._results("SRPMS")
                copied = self._buildroot.copy_results(results)
        except MockError:
            self._logs.terminal(f"ERROR: Exception({source_package}) Config({self._config['root']}) {_since(began)}")
            raise
        self._logs.info(f"Done({source_package}) Config({self._config['root']}) {_since(began)}")
        return copied

    def write_source_package(self, spec: Path, sources: str) -> List[Path]:
        """Writes a source package from a spec file and a directory of sources, or a single one.

        Raises:
            MockError: rpmbuild failed.
        """
        with self._logs.state(f"buildsrpm {spec.name}"):
            accounts.make_home(self._buildroot.root, self._config, self._buildroot.caller)
            self._copy_in(spec, "SPECS")
            for source in _source_files(sources):
                self._copy_in(source, "SOURCES")
            with self._logs.state(f"rpmbuild -bs {spec.name}"):
                written = self._source_package(f"{self._top}/SPECS/{spec.name}")
            return self._buildroot.copy_results([written])

    def _unpack(self, source_package: Path) -> str:
        """Installs the source package in the build user's home; the spec file's path in the chroot."""
        accounts.make_home(self._buildroot.root, self._config, self._buildroot.caller)
        self._copy_in(source_package, "originals")
        inner = f"{self._top}/originals/{source_package.name}"
        if self._buildroot.run(["/bin/rpm", "-Uvh", "--nodeps", inner], self._logs.root, user=True):
            raise SourcePackageError(f"rpm can't install {source_package.name}")
        listing: List[str] = []
        self._buildroot.run(["/bin/rpm", "-qpl", inner], listing.append, user=True)
        specs = [line for line in listing if line.endswith(".spec")]
        if not specs:
            raise SourcePackageError(f"there is no spec file in {source_package.name}")
        return f"{self._top}/SPECS/{os.path.basename(specs[0])}"

    def _source_package(self, spec: str) -> Path:
        """Writes the source package anew for the target and returns its place."""
        self._rpmbuild(["-bs"], spec)
        found = self._results("SRPMS")
        if not found:
            raise MockError("rpmbuild wrote no source package")
        return found[0]

    def _rpmbuild(self, mode: Sequence[str], spec: str) -> None:
        options = ["--noclean", "--target", self._config["rpmbuild_arch"], "--nodeps"]
        command = ["/usr/bin/rpmbuild", *mode, *options, *shlex.split(self._config["rpmbuild_opts"]), spec]
        words = ["bash", "--login", "-c", shlex.join(command)]
        runner = Runner(self._logs.build)
        try:
            status = self._buildroot.run(words, self._logs.build, user=True, runner=runner,
                                         timeout=float(self._config["rpmbuild_timeout"] or 0))  # fmt: skip
        finally:
            end_descendants()
        if status:
            raise MockError(f"Command failed with status {status}: {shlex.join(words)}")

    def _copy_in(self, source: Path, directory: str) -> None:
        """Copies a file that the caller can read into the build user's home, with the caller's rights."""
        target = accounts.inside(self._buildroot.root, f"{self._top}/{directory}/{source.name}")
        caller = self._buildroot.caller
        with acting_as(caller):
            shutil.copyfile(source, target)
        if caller.build_uid != caller.uid:
            os.chown(target, caller.build_uid, caller.gid)

    def _results(self, directory: str) -> List[Path]:
        place = accounts.inside(self._buildroot.root, f"{self._top}/{directory}/x").parent
        return sorted(path for path in place.rglob("*.rpm") if path.is_file() and not path.is_symlink())


def check_source_packages(buildroot: Buildroot, names: Sequence[str]) -> List[Path]:
    """The source packages of a command line, each with a header that rpm can read.

    Raises:
        NothingToDo: none is named.
        BadCommandLine: several, whose results would mix in the root's own result directory.
        MockError: one is missing or broken.
    """
    if not names:
        raise NothingToDo("no source package to rebuild")
    if len(names) > 1 and not buildroot.config["resultdir"]:
        raise BadCommandLine("several source packages need --resultdir")
    paths = [Path(name) for name in names]
    for path in paths:
        lines: List[str] = []
        if not path.is_file():
            raise MockError(f"there is no source package {path}")
        with path.open("rb") as stream:
            if stream.read(len(_RPM_MAGIC)) != _RPM_MAGIC:
                raise MockError(f"can't read source package {path}: it is no rpm")
        if Runner(lambda _line: None, buildroot.runner.environment).run(
            ["rpm", "-qp", "--nosignature", str(path)], lines.append
        ):
            raise MockError(f"can't read source package {path}: {' '.join(lines[-1:])}")
    return paths


def check_spec(spec: str) -> Path:
    """The spec file of a command line.

    Raises:
        BadCommandLine: it is not there.
    """
    path = Path(spec).expanduser()
    if not path.is_file():
        raise BadCommandLine(f"there is no spec file {path}")
    return path


def _source_files(sources: str) -> List[Path]:
    if not sources:
        return []
    path = Path(sources).expanduser()
    if not path.exists():
        raise BadCommandLine(f"there are no sources {path}")
    return sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]


def _since(began: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    return f"{minutes} minutes {seconds} seconds"
