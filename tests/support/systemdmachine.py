"""A container with a real systemd as PID 1, made of this machine's own file system.

Its root is an overlay: everything below is this machine's, what the container writes is in memory and goes with it.
Of this machine's units none is started. The network is the machine's own, so that a hub on loopback is in reach.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence

import pytest

from kojid.sandbox.requirements import environment
from kojid.system import processes
from tests.support.sandbox import wait_for

NEEDED = ("systemd-nspawn", "systemctl", "nsenter", "mount", "umount")
_SYSTEMD = (Path("/usr/lib/systemd/systemd"), Path("/lib/systemd/systemd"))
# These take the machine's devices, network or settings in hand, which are not the container's.
_MASKED = (
    "systemd-networkd", "systemd-resolved", "systemd-timesyncd", "systemd-logind", "systemd-sysctl", "systemd-udevd",
    "systemd-udev-trigger", "systemd-modules-load", "systemd-hwdb-update", "systemd-journal-catalog-update",
    "systemd-update-utmp", "ldconfig",
)  # fmt: skip
_TARGET = "[Unit]\nDescription=The container is up\nRequires=basic.target\nAfter=basic.target\n"


class Machine:
    """A container that is being set up or runs.

    Args:
        root: its file system.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.console = root.parent / "console.log"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def file(self, path: str) -> Path:
        """A path of the container, seen from here; its directory is made."""
        found = self.root / path.lstrip("/")
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def forget_account(self, name: str) -> None:
        """Take a user of this machine out of the container's accounts, before it runs."""
        for database in ("passwd", "shadow", "group", "gshadow"):
            path = self.root / "etc" / database
            if path.exists():
                lines = [line for line in path.read_text().splitlines() if line.partition(":")[0] != name]
                path.write_text("".join(f"{line}\n" for line in lines))

    def boot(self, binds: Sequence[Path], timeout: float = 120) -> None:
        """Start it and wait until systemd says that it runs; skips the test where the kernel refuses."""
        command = [
            "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--capability=all",
            f"--directory={self.root}", *(f"--bind={path}" for path in binds),
        ]  # fmt: skip
        # Builds mount and make device nodes in their chroots: no filter of system calls, as on a real machine.
        variables = {**environment(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_SECCOMP": "0"}
        with self.console.open("wb") as output:
            self._nspawn = subprocess.Popen(
                command, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        deadline = time.monotonic() + timeout
        while self._state() not in ("running", "degraded"):
            if self._nspawn.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"no systemd container can be run here: {self.console.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)

    def _state(self) -> str:
        assert self._nspawn is not None
        for state in processes.snapshot().values():
            if state.parent == self._nspawn.pid:
                self._leader = state.pid
                return self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return ""

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program in it; with `check` a failure fails the test with its output."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._leader), "--all", "--", *command],
            env=environment(), cwd="/", capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done

    def show(self, unit: str, *properties: str) -> Dict[str, str]:
        """Properties of a unit."""
        names = [f"--property={name}" for name in properties]
        lines = self.run("systemctl", "show", unit, *names).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def journal(self, *matches: str) -> List[Dict[str, Any]]:
        """The records of the journal that match, as `TASK_ID=12`."""
        # its status is 1 when nothing matches --grep
        output = self.run("journalctl", "--output=json", "--all", "--no-pager", *matches, check=False).stdout
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def halt(self) -> None:
        """End it; whatever still runs in it ends with it."""
        if self._nspawn is None:
            return
        if self._nspawn.poll() is None:
            self._nspawn.terminate()
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()


@contextlib.contextmanager
def container() -> Iterator[Machine]:
    """A container to set up and boot; skips with the reason where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a container is made")
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or not any(path.exists() for path in _SYSTEMD):
        pytest.skip(f"missing: {' '.join(missing) or 'systemd'}")
    directory = Path(tempfile.mkdtemp(prefix="kojid-systemd-", dir="/var/tmp"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        _mount(stack, ["-t", "tmpfs", "-o", "mode=755,size=2g", "tmpfs"], directory)
        for name in ("upper", "work", "root"):
            (directory / name).mkdir()
        layers = f"lowerdir=/,upperdir={directory}/upper,workdir={directory}/work"
        _mount(stack, ["-t", "overlay", "-o", layers, "overlay"], directory / "root")
        machine = Machine(directory / "root")
        _strip(machine)
        stack.callback(machine.halt)
        yield machine


def _mount(stack: contextlib.ExitStack, what: List[str], where: Path) -> None:
    done = subprocess.run(["mount", *what, str(where)], capture_output=True, text=True, check=False)
    if done.returncode:
        stack.close()
        pytest.skip(f"the kernel refuses: {done.stderr.strip()}")
    stack.callback(_unmount, where)


def _unmount(where: Path) -> None:
    """What the container held open may take a moment to go."""
    wait_for(lambda: subprocess.run(["umount", str(where)], capture_output=True, check=False).returncode == 0, 10)


def _strip(machine: Machine) -> None:
    """Take this machine's own units and mounts out of the container."""
    for path in ("etc/systemd/system", "etc/init.d", *(f"etc/rc{level}.d" for level in "0123456S")):
        shutil.rmtree(machine.root / path, ignore_errors=True)
    machine.file("/etc/machine-id").write_text("")
    machine.file("/etc/fstab").write_text("")
    machine.file("/etc/systemd/system/container.target").write_text(_TARGET)
    machine.file("/etc/systemd/system/default.target").symlink_to("container.target")
    for name in _MASKED:
        machine.file(f"/etc/systemd/system/{name}.service").symlink_to("/dev/null")
