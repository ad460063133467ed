"""The chroot: made by dnf, locked, mounted, and the place where commands run."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from kojid import __version__
from kojid.sandbox.mock import accounts, hardware, mounts
from kojid.sandbox.mock.caller import Caller
from kojid.sandbox.mock.errors import RootLocked
from kojid.sandbox.mock.lock import RootLock
from kojid.sandbox.mock.logs import Logs
from kojid.sandbox.mock.packages import PackageManager
from kojid.sandbox.mock.process import Confinement, Runner, Words, end_descendants

VERSION = f"kojid-sandbox-{__version__}"
_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
#: Architectures whose builds must not see a 64-bit kernel.
_NARROW = frozenset({"i386", "i486", "i586", "i686", "athlon", "ppc", "s390", "sparc", "mips", "mipsel"})
_MARKER = ".initialized"


class Buildroot:
    """One configured root.

    Args:
        config: its options.
        caller: who builds in it.
        verbosity: see `Logs`.
    """

    def __init__(self, config: Dict[str, Any], caller: Caller, verbosity: int = 1) -> None:
        self.config = config
        self.caller = caller
        self.base = Path(config["basedir"]) / config["root"]
        self.root = Path(config["rootdir"] or self.base / "root")
        self.results = Path(config["resultdir"] or self.base / "result")
        self.logs = Logs(self.results, caller, verbosity)
        self._lock = RootLock(self.base / "buildroot.lock")
        self._exclusive = False
        self.runner = Runner(self.logs.root, self._environment("/bin/sh"))
        self.packages = PackageManager(self.root, self.base / "installer", config, self.runner, self.logs.root)

    def _environment(self, shell: str) -> Dict[str, str]:
        return {"TERM": "vt100", "SHELL": shell, "HOME": self.config["chroothome"], "HOSTNAME": "mock",
                "PATH": _PATH, "LANG": "C.UTF-8"}  # fmt: skip

    @property
    def initialized(self) -> bool:
        """Whether the minimal buildroot is installed."""
        return (self.root / _MARKER).exists()

    def clean(self) -> None:
        """Removes chroot, results and logs.

        Raises:
            RootLocked: another run uses the root.
        """
        with self.logs_closed():
            if not self.base.exists():
                return
            if not self._lock.exclusive():
                raise RootLocked("the root is in use by another run")
            shutil.rmtree(self.root, ignore_errors=True)
            for entry in self.base.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry.name != "buildroot.lock":
                    entry.unlink()

    @contextmanager
    def logs_closed(self) -> Iterator[None]:
        """The logs are closed, as their directory may go."""
        self.logs.close()
        yield

    def forget(self) -> None:
        """Removes what `clean` leaves: the lock and its directory."""
        self._lock.release(remove=True)
        if self.base.exists():
            self.base.rmdir()

    @contextmanager
    def ready(self) -> Iterator[None]:
        """The chroot is installed, mounted and locked while this lasts; nothing runs in it afterwards.

        Raises:
            RootLocked: another run is making or removing it.
            PackageManagerError: the minimal buildroot can't be installed.
        """
        mounts.enter_namespace()
        try:
            self._initialize()
            yield
        finally:
            end_descendants()
            self.logs.close()
            self._lock.release()

    def _initialize(self) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        os.chown(self.base, 0, self.caller.gid)
        self.base.chmod(0o775)
        alone = self._lock.exclusive()
        if not alone:
            self._lock.shared()
        self.logs.begin(VERSION)
        with self.logs.state("chroot init"):
            self.root.mkdir(mode=0o755, exist_ok=True)
            fresh = alone and not self.initialized
            if alone:
                hardware.write(self.logs, self.runner, self.root)
            mounts.mount_all(self.root, self.config)
            if alone:
                self.packages.prepare()
            if fresh:
                self._install()
            if alone:
                accounts.add_build_user(self.root, self.config["chroothome"], self.caller)
        if fresh:
            self._list_packages()
        self._lock.shared()

    def _install(self) -> None:
        with self.logs.state("installing minimal buildroot with dnf"):
            self.packages.set_up()
        self._write_files()
        accounts.make_home(self.root, self.config, self.caller)
        (self.root / _MARKER).touch()

    def _write_files(self) -> None:
        """The config's `files`, and name resolution where the network is allowed."""
        files = dict(self.config["files"])
        if self.config["use_host_resolv"]:
            for name in ("etc/resolv.conf", "etc/hosts"):
                if Path("/", name).exists():
                    files.setdefault(name, Path("/", name).read_text())
        for name, text in files.items():
            accounts.write_inside(self.root, name, text)

    def _list_packages(self) -> None:
        names = self.packages.installed("%{nevra}")
        self.logs.info("Installed packages:")
        for name in names:
            self.logs.terminal(name)

    def run(self, words: Words, output: Callable[[str], None], *, user: bool, cwd: str = "/", timeout: float = 0,
            runner: Optional[Runner] = None) -> int:  # fmt: skip
        """Runs a command in the chroot and returns its exit status.

        Args:
            words: program and arguments, or one string for the shell.
            output: takes its lines.
            user: as the build user instead of root.
            cwd: directory in the chroot.
            timeout: in seconds; 0 for none.
            runner: whose log has the command's own lines; root.log's by default.
        """
        environment = self._inner_environment()
        return (runner or self.runner).run(words, output, self._confinement(user, cwd), timeout, environment)

    def shell(self, words: Sequence[str], *, user: bool, cwd: str) -> int:
        """Runs a command, or without one a shell, on the caller's own terminal; returns its exit status."""
        argv = ["/bin/sh", "-c", " ".join(words)] if words else ["/bin/sh", "-i", "-l"]
        done = subprocess.run(
            argv, env=self._inner_environment(), preexec_fn=self._confinement(user, cwd).enter, check=False
        )
        return done.returncode if done.returncode >= 0 else 128 - done.returncode

    def _confinement(self, user: bool, cwd: str) -> Confinement:
        return Confinement(
            root=self.root, cwd=cwd, uid=self.caller.build_uid if user else None, gid=self.caller.gid,
            network=bool(self.config["rpmbuild_networking"]), die_with_mock=bool(self.config["children_die_with_mock"]),
            narrow=self.config["arch"] in _NARROW,
        )  # fmt: skip

    def _inner_environment(self) -> Dict[str, str]:
        return {**self._environment("/bin/bash"), "PROMPT_COMMAND": 'printf "\\033]0;<mock-chroot>\\007"',
                "PS1": "<mock-chroot> \\s-\\v\\$ ", **self.config["environment"]}  # fmt: skip

    def record_packages(self) -> None:
        """Writes installed_pkgs.log: a package per line, with its build time and size."""
        with self.logs.state("Outputting list of installed packages"):
            lines = self.packages.installed("%{nevra} %{buildtime} %{size} installed")
            with self.logs.create("installed_pkgs.log", append=False) as stream:
                stream.writelines(f"{line}\n" for line in lines)

    def copy_results(self, files: Sequence[Path]) -> List[Path]:
        """Copies files into the result directory, owned by the caller."""
        copied = []
        for file in files:
            with file.open("rb") as source, self.logs.create(file.name, append=False) as target:
                shutil.copyfileobj(source, target.buffer)
            copied.append(self.results / file.name)
        return copied
