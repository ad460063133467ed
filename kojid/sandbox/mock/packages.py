"""The package manager: dnf on the host, told to work on the chroot."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

from kojid.sandbox.mock.accounts import write_inside
from kojid.sandbox.mock.errors import PackageManagerError
from kojid.sandbox.mock.process import HOST, Runner

#: Without `local` disabled, Debian's dnf takes packages from what an earlier run kept on the host.
_OPTIONS = ("--setopt=deltarpm=False", "--setopt=allow_vendor_change=yes", "--allowerasing", "--disableplugin=local",
            "--disableplugin=spacewalk", "--disableplugin=versionlock")  # fmt: skip
_NOWHERE = "/no-such-home"


class PackageManager:
    """dnf and rpm with `--installroot`, their output in root.log.

    Args:
        root: the chroot.
        home: directory for this run's macro file; beside the chroot, where builds can't reach it.
        config: the options, with `dnf.conf` or `yum.conf`.
        runner: runs the commands.
        output: takes their lines.
    """

    def __init__(
        self, root: Path, home: Path, config: Dict[str, Any], runner: Runner, output: Callable[[str], None]
    ) -> None:
        self._root = root
        self._home = home
        self._config = config
        self._runner = runner
        self._output = output

    def prepare(self) -> None:
        """Writes the configuration for dnf into the chroot and the macros for rpm beside it."""
        text = self._config.get("dnf.conf") or self._config.get("yum.conf") or ""
        for relative in ("etc/dnf/dnf.conf", "etc/yum/yum.conf"):
            write_inside(self._root, relative, text)
        self._home.mkdir(mode=0o700, exist_ok=True)
        # rpm must leave alone what is mounted, and need not wait for the disk: a root that a crash hits is made anew.
        macros = f"%_dbpath {database_path(self._runner)}\n%_netsharedpath /proc:/sys\n%_flush_io 0\n"
        (self._home / ".rpmmacros").write_text(macros)

    def set_up(self) -> None:
        """Installs the minimal buildroot."""
        for action, specs in self._config["module_setup_commands"]:
            self._dnf(["module", action, *specs.replace(",", " ").split()])
        command = self._config["chroot_setup_cmd"]
        self._dnf(command.split() if isinstance(command, str) else list(command))

    def install(self, action: str, packages: Sequence[str]) -> None:
        """`install`, `remove` or `update`."""
        self._dnf([action, *packages])

    def install_requirements(self, source_package: Path) -> None:
        """Installs what a source package requires for its build."""
        self._dnf([str(source_package)], ["builddep"])

    def installed(self, form: str) -> List[str]:
        """One line per installed package, sorted, in rpm's query format."""
        lines: List[str] = []
        command = ["rpm", "--root", str(self._root), "-qa", "--qf", form + "\\n"]
        if self._runner.run(command, lines.append, environment=self._environment()):
            raise PackageManagerError(f"can't read the chroot's package database: {' '.join(lines[-2:])}")
        return sorted(lines)

    def _dnf(self, words: List[str], before: Sequence[str] = ()) -> None:
        program = shutil.which("dnf-3") or shutil.which("dnf")
        if not program:
            raise PackageManagerError("this machine has no dnf")
        extra = [*self._config["yum_common_opts"], *self._config["dnf_common_opts"]]
        if self._config.get("releasever"):
            extra.append(f"--releasever={self._config['releasever']}")
        command = [program, *before, "--installroot", f"{self._root}/", *_OPTIONS, *extra, *words]
        tail: List[str] = []

        def output(line: str) -> None:
            self._output(line)
            tail.append(line)
            del tail[:-6]

        status = self._runner.run(command, output, environment=self._environment())
        if status:
            raise PackageManagerError("\n".join([f"Command failed with status {status}: {' '.join(command)}", *tail]))

    def _environment(self) -> Dict[str, str]:
        return {**self._runner.environment, "HOME": str(self._home), "LC_MESSAGES": "C.UTF-8"}


def database_path(runner: Runner) -> str:
    """Where rpm keeps its database in a chroot: the host's place, unless that is in the caller's home.

    Debian's rpm has it in the home, where neither the chroot's rpm nor a reader of the package list would look.
    """
    lines: List[str] = []
    home = {**runner.environment, "HOME": _NOWHERE}
    runner.run(["rpm", "-E", "%_dbpath"], lines.append, HOST, environment=home)
    path = lines[-1] if lines else ""
    return path if os.path.isabs(path) and not path.startswith(_NOWHERE) else "/var/lib/rpm"
