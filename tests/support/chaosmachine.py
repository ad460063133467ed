"""Parts of the machine that give out: disks, descriptors, processes, the clock, a file system that stops.

Each context manager takes its fault back at the end. What a machine can't do is told by a reason: `why_no_...`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence

_CLOCK = Path(__file__).with_name("clock.c")
_PIDS_V1 = Path("/sys/fs/cgroup/pids")
_PIDS_V2 = Path("/sys/fs/cgroup")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command; its status is the caller's business."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def must(*command: str) -> None:
    """Run a command that can't fail."""
    done = run(*command)
    assert done.returncode == 0, f"{command}: {done.stderr}"


# file systems


def mount_small(place: Path, size: str = "8m", inodes: int = 4000) -> str:
    """Give a directory a small file system of its own; the reason when it can't be."""
    if os.geteuid() != 0:
        return "needs root: file systems of their own"
    place.mkdir(exist_ok=True, parents=True)
    done = run("mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}", "none", str(place))
    return f"no tmpfs can be mounted: {done.stderr.strip()}" if done.returncode else ""


@contextlib.contextmanager
def full(place: Path) -> Iterator[None]:
    """A file system has no byte left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as out:
        for size in (1 << 16, 4096, 1):
            with contextlib.suppress(OSError):
                while out.write(b"x" * size):
                    pass
    assert os.statvfs(place).f_bavail == 0, f"{filler} did not fill its file system"
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def without_inodes(place: Path) -> Iterator[None]:
    """A file system takes no further file."""
    filler = place / "files"
    with contextlib.suppress(OSError):
        filler.mkdir()
        for number in range(1 << 20):
            (filler / str(number)).touch()
    assert os.statvfs(place).f_favail == 0, f"{filler} did not use up the inodes"
    try:
        yield
    finally:
        shutil.rmtree(filler)


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Nothing can be opened for writing on a file system; what is open stays so."""
    must("mount", "--bind", str(place), str(place))
    try:
        must("mount", "-o", "remount,ro,bind", str(place))
        yield
    finally:
        must("umount", "-l", str(place))


class LoopDisk:
    """A file system in a file, big enough for buildroots, that can be filled or stopped.

    Args:
        place: where it is mounted.
        megabytes: its size.
    """

    def __init__(self, place: Path, megabytes: int) -> None:
        self.place = place
        self._image = place.with_suffix(".image")
        self.trouble = self._make(megabytes)

    def _make(self, megabytes: int) -> str:
        if os.geteuid() != 0:
            return "needs root: a file system to fill"
        missing = [name for name in ("mkfs.ext4", "e2fsck") if shutil.which(name) is None]
        if missing:
            return f"not installed: {' '.join(missing)}"
        with self._image.open("wb") as out:
            out.truncate(megabytes << 20)
        made = run("mkfs.ext4", "-q", "-m", "0", "-N", "200000", str(self._image))
        return f"mkfs.ext4: {made.stderr.strip()}" if made.returncode else self._mount()

    def _mount(self) -> str:
        done = run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.place))
        return f"mount: {done.stderr.strip()}" if done.returncode else ""

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Nothing is left of it but what was promised to others before."""
        filler = self.place / "filler"
        with filler.open("wb") as out:
            for size in (1 << 24, 1 << 20, 1 << 16, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(out.fileno(), os.fstat(out.fileno()).st_size, size)
        try:
            yield
        finally:
            filler.unlink()

    def stop(self) -> None:
        """The kernel finds an error on it and lets nobody write any more."""
        device = Path(run("findmnt", "-n", "-o", "SOURCE", str(self.place)).stdout.strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a test")

    @property
    def why_it_cant_stop(self) -> str:
        """Why this kernel can't be asked to find an error; empty when it can."""
        triggers = list(Path("/sys/fs/ext4").glob("*/trigger_fs_error"))
        return "" if any(os.access(path, os.W_OK) for path in triggers) else "no /sys/fs/ext4/*/trigger_fs_error here"

    def mended(self) -> bool:
        """Put another disk with its content in its place; False while something is in use there.

        Another one, because mount namespaces of strangers on this machine may have kept this one from before. It is
        made ready beforehand: as long as nothing is mounted, the daemon would build in the directory beneath.
        """
        ready = self.place.with_suffix(".mended")
        if not ready.exists():
            ready.mkdir()
            broken, self._image = self._image, self._image.with_suffix(".image2")
            must("cp", "--sparse=always", str(broken), str(self._image))
            _repair(self._image)
            must("mount", "-o", "loop,errors=remount-ro", str(self._image), str(ready))
        if run("umount", str(self.place)).returncode:
            return False
        must("mount", "--bind", str(ready), str(self.place))
        must("umount", str(ready))
        return True

    def close(self) -> None:
        """Unmount it."""
        if not self.trouble:
            run("umount", "-l", str(self.place))


def _repair(image: Path) -> None:
    """Have the errors of an ext4 mended; what one pass has changed may be another one's concern."""
    for _ in range(3):
        done = run("e2fsck", "-fy", str(image))
        if done.returncode in (0, 1):
            return
    raise AssertionError(f"e2fsck ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr}")


class Freezer:
    """A file system that can be made to stop: whoever writes to it then sleeps uninterruptibly (state D).

    Args:
        place: where it is mounted.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._frozen = False
        self.trouble = self._mount()

    def _mount(self) -> str:
        if os.geteuid() != 0:
            return "needs root: a file system to freeze"
        missing = [name for name in ("mkfs.ext4", "fsfreeze") if shutil.which(name) is None]
        if missing:
            return f"not installed: {' '.join(missing)}"
        image = self.place.with_suffix(".image")
        with image.open("wb") as out:
            out.truncate(4 << 20)
        self.place.mkdir()
        for command in (("mkfs.ext4", "-q", str(image)), ("mount", "-o", "loop", str(image), str(self.place))):
            done = run(*command)
            if done.returncode:
                return f"{command[0]}: {done.stderr.strip()}"
        return ""

    def freeze(self) -> None:
        must("fsfreeze", "-f", str(self.place))
        self._frozen = True

    def thaw(self) -> None:
        """Let it go on, if it was stopped."""
        if self._frozen:
            self._frozen = False
            must("fsfreeze", "-u", str(self.place))

    def close(self) -> None:
        """Thaw and unmount it."""
        self.thaw()
        if not self.trouble:
            run("umount", "-l", str(self.place))


# descriptors


@contextlib.contextmanager
def descriptors(pid: int, spare: int) -> Iterator[None]:
    """A running process may only open so many more files; one that ends meanwhile is no trouble."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
            free = [number for number in range(len(used) + spare + 1) if number not in used]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[spare], before[1]))
            stack.callback(_limit, pid, before)
        yield


def _limit(pid: int, limits: Sequence[int]) -> None:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limits[0], limits[1]))


# processes


class Crowd:
    """A control group that grants its members so many processes and no more.

    Args:
        name: of the group, unique on this machine.
    """

    def __init__(self, name: str) -> None:
        self._group: Optional[Path] = None
        self.trouble = self._make(name)

    def _make(self, name: str) -> str:
        parent = _PIDS_V1 if (_PIDS_V1 / "cgroup.procs").exists() else _PIDS_V2
        try:
            (parent / name).mkdir()
        except OSError as error:
            return f"no control group can be made: {error.strerror}"
        if not (parent / name / "pids.max").exists():
            (parent / name).rmdir()
            return "the kernel's pids controller is not there, or not for us"
        self._group = parent / name
        return ""

    def join(self, pid: int) -> None:
        """A process becomes a member, with all that it starts from now on."""
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(pid))

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Its members get no further process."""
        assert self._group is not None
        (self._group / "pids.max").write_text("1")  # what is above it stays and can't fork
        try:
            yield
        finally:
            (self._group / "pids.max").write_text("max")

    def close(self) -> None:
        """Take it away; its members have ended."""
        if self._group is not None:
            self._group.rmdir()


# the clock


class Clock:
    """The wall clock of processes that are started with `environment`; the monotonic one goes on as it is.

    A small library that is preloaded does it. (libfaketime would, too, but has `time.sleep` fail at each jump.)

    Args:
        file: where it is set, made here, with the library beside it.
    """

    YEAR = 365 * 24 * 3600

    def __init__(self, file: Path) -> None:
        self._file = file
        self._library = file.with_suffix(".so")
        self._file.write_bytes(bytes(8))
        self.trouble = self._compile()

    def _compile(self) -> str:
        if shutil.which("gcc") is None:
            return "gcc is not installed"
        done = run("gcc", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(_CLOCK))
        return f"gcc: {done.stderr.strip()}" if done.returncode else ""

    def environment(self) -> Dict[str, str]:
        """What a process has to be started with."""
        return {} if self.trouble else {"LD_PRELOAD": str(self._library), "KOJID_TEST_CLOCK": str(self._file)}

    @contextlib.contextmanager
    def off(self, seconds: int) -> Iterator[None]:
        """It is off by so many seconds."""
        self._set(seconds)
        try:
            yield
        finally:
            self._set(0)

    def _set(self, seconds: int) -> None:
        with self._file.open("r+b", buffering=0) as out:
            out.write(struct.pack("=q", seconds))
