"""What is mounted in the chroot: /proc, /sys, /dev and the configured bind mounts.

All of it lives in this run's private mount namespace: it goes when the run and the last process in the chroot are
gone, however they end, and the host never sees it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Dict, Iterable, Tuple

from kojid.sandbox.mock import kernel
from kojid.sandbox.mock.errors import MockError

#: Device nodes of a chroot: major and minor number.
DEVICES: Dict[str, Tuple[int, int]] = {
    "null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0),
}  # fmt: skip
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}


def enter_namespace() -> None:
    """From here on, mounts are this process's and its children's alone."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)


def mount_all(root: Path, config: Dict[str, Any]) -> None:
    """Mounts everything in the chroot.

    Raises:
        MockError: a bind mount's target lies outside the chroot.
        OSError: the kernel refuses.
    """
    for name in ("proc", "sys", "dev"):
        (root / name).mkdir(exist_ok=True)
    _pseudo(root)
    if config["internal_dev_setup"]:
        _devices(root / "dev")
    plugins = config["plugin_conf"]
    if plugins.get("bind_mount_enable", True):
        _bind_mounts(root, plugins.get("bind_mount_opts", {}).get("dirs", ()))


def _pseudo(root: Path) -> None:
    read_only = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    for name in ("proc", "sys"):
        target = str(root / name)
        kernel.mount(f"/{name}", target, flags=kernel.MS_BIND | kernel.MS_REC)
        kernel.mount("none", target, flags=kernel.MS_BIND | kernel.MS_REMOUNT | read_only)


def _devices(dev: Path) -> None:
    kernel.mount("tmpfs", str(dev), "tmpfs", kernel.MS_NOSUID, "mode=0755")
    mask = os.umask(0)
    try:
        for name, (major, minor) in DEVICES.items():
            os.mknod(dev / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
    finally:
        os.umask(mask)
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    for name, kind, data in (
        ("shm", "tmpfs", "mode=1777"),
        ("pts", "devpts", "gid=5,mode=0620,ptmxmode=0666,newinstance"),
    ):
        (dev / name).mkdir()
        kernel.mount(kind, str(dev / name), kind, kernel.MS_NOSUID, data)


def _bind_mounts(root: Path, pairs: Iterable[Tuple[str, str]]) -> None:
    for source, inside in pairs:
        target = root / inside.lstrip("/")
        if os.path.commonpath([os.path.realpath(target), os.path.realpath(root)]) != os.path.realpath(root):
            raise MockError(f"the bind mount {inside} would lie outside the chroot")
        if Path(source).is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        kernel.mount(source, str(target), flags=kernel.MS_BIND | kernel.MS_REC)
