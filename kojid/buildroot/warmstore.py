"""Where warm roots are kept: one directory each, which appears whole or not at all and is locked while it is used.

NAME/root, NAME/bootstrap (if mock has made one), NAME/about.json and NAME/packages.json are a warm root. NAME.spare is
a copy of its trees that has been made beforehand. NAME.making is something that is being made, NAME.gone-N something
that is being removed; what a killed process has left of either is removed by the next one. Locks are on the directories
themselves and go with the processes that hold them: whoever makes or removes has it alone, whoever copies shares it.
Nobody ever waits for a lock, so there is nothing to be locked up in.

Only root can enter the store, builds are in chroots elsewhere, and nothing is ever written to a warm root once it has
its name. One that was made before the machine was last started is not used: its files were never forced to the disk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from kojid.errors import HostFault
from kojid.system import processes
from kojid.system.files import remove_tree, write_atomic

DIRECTORY = ".warm"  # below mockdir; no name of a buildroot begins with a dot
FORMAT = 1
_ABOUT, _PACKAGES = "about.json", "packages.json"
_MAKING, _GONE, _SPARE = ".making", ".gone-", ".spare"
_MARKS = (_MAKING, _GONE, _SPARE)
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Package = Dict[str, Any]


@dataclass(frozen=True)
class About:
    """What a warm root is.

    Args:
        name: of its directory.
        digest: of all that it depends on, see `warmkey.key_of`.
        repo_id: the repo that it was installed from.
        what: tag, arch and install group, for people.
        task_id: the task whose buildroot it was copied from.
        buildroot_id: that buildroot.
        made: when, seconds since the epoch.
        bytes: how much it takes on disk, where no blocks are shared.
        owners: uid, gid and mode of the directories that mock makes around a root: "base", "result", "bootstrap".
        boot_id: of the machine when it was made.
        format: of these files.
    """

    name: str
    digest: str
    repo_id: int
    what: str
    task_id: Optional[int]
    buildroot_id: int
    made: float
    bytes: int
    owners: Dict[str, Tuple[int, int, int]]
    boot_id: str
    format: int = FORMAT


@dataclass(frozen=True)
class Warm:
    """A warm root that is there.

    Args:
        path: its directory.
        about: what it is; None when that can't be read, so that it is of no use.
        used: when it was used last, seconds since the epoch.
        spare: a copy that has been made beforehand; None when there is none.
    """

    path: Path
    about: Optional[About]
    used: float
    spare: Optional[Path] = None

    @property
    def bytes(self) -> int:
        """How much it takes with its spare copy; 0 when that is not known."""
        return 0 if self.about is None else self.about.bytes * (1 if self.spare is None else 2)

    @property
    def usable(self) -> bool:
        """Whether it can be copied."""
        return self.about is not None and self.about.format == FORMAT and self.about.boot_id == processes.boot_id()


def directory_of(options: Any) -> Path:
    """The store's directory, by the options warm_buildroots_dir and mockdir."""
    return Path(options.warm_buildroots_dir or os.path.join(options.mockdir, DIRECTORY))


class Store:
    """The warm roots of this host.

    Args:
        directory: where they are; see `directory_of`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def prepare(self) -> None:
        """Make the directory, and be sure that it is ours alone.

        Raises:
            HostFault: it is not, or it can't be made.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.trouble():
                self.directory.chmod(0o700)  # below mockdir it inherits a set-group-id bit, and so would the roots
        except OSError as error:
            raise HostFault(f"the directory of warm buildroots {self.directory} can't be made: {error}") from error
        trouble = self.trouble()
        if trouble:
            raise HostFault(f"the directory of warm buildroots {self.directory} {trouble}")

    def trouble(self) -> str:
        """Why the directory can't be used; empty when it can, or is not there yet."""
        try:
            status = self.directory.lstat()
        except FileNotFoundError:
            return ""
        if not stat.S_ISDIR(status.st_mode):
            return "is no directory"
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            return "is not the daemon's alone"
        return ""

    def found(self) -> List[Warm]:
        """The warm roots, the one first that was not used for the longest time; none from a directory in trouble."""
        roots = []
        for name in self._names():
            if not any(mark in name for mark in _MARKS):
                with contextlib.suppress(FileNotFoundError):
                    roots.append(_warm(self.directory / name))
        return sorted(roots, key=lambda one: one.used)

    def remains(self) -> List[Path]:
        """What killed processes have left of what they were making or removing, and spares whose root is gone."""
        names = self._names()
        left = [name for name in names if _MAKING in name or _GONE in name]
        left += [name for name in names if name.endswith(_SPARE) and name[: -len(_SPARE)] not in names]
        return [self.directory / name for name in left if not _is_locked(self.directory / name)]

    def _names(self) -> List[str]:
        if self.trouble():
            return []
        try:
            with os.scandir(self.directory) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return []

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[Optional[Tuple[Warm, int]]]:
        """A warm root and the descriptor of its lock, which others may share; None when there is none to be had."""
        path = self.directory / name
        with _locked(path, fcntl.LOCK_SH) as lock:
            yield None if lock is None else (_warm(path), lock)

    def touch(self, name: str) -> None:
        """It has been used."""
        with contextlib.suppress(OSError):
            os.utime(self.directory / name)

    def make_spare(self, name: str, copy: Callable[[Path, Path, int], None]) -> None:
        """Make a copy of a warm root beforehand, unless there is one.

        Args:
            name: of the warm root.
            copy: copies the trees of one directory into another one, given a lock to hold.
        """
        with self.using(name) as found, self.making(f"{name}{_SPARE}") as place:
            if found is None or place is None or not found[0].usable:
                return
            copy(found[0].path, place[0], place[1])
            os.rename(place[0], self.directory / f"{name}{_SPARE}")

    @contextlib.contextmanager
    def spare(self, name: str) -> Iterator[Optional[Path]]:
        """The directory of a spare copy, whose trees may be moved away; what is left at the block's end is removed."""
        path = self.directory / f"{name}{_SPARE}"
        with _locked(path, fcntl.LOCK_EX) as lock:
            if lock is None:
                yield None
                return
            doomed = _doomed(path)
            path.rename(doomed)
            try:
                yield doomed
            finally:
                remove_tree(doomed)

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[Optional[Tuple[Path, int]]]:
        """An empty directory for a new warm root, and the descriptor of its lock.

        None when there is one already, or somebody else is making it. What is in the directory when the block ends
        without `publish` is removed.
        """
        path, final = self.directory / f"{name}{_MAKING}", self.directory / name
        self.prepare()
        path.mkdir(mode=0o700, exist_ok=True)
        with _locked(path, fcntl.LOCK_EX) as lock:
            if lock is None:
                yield None
                return
            try:
                if final.exists():
                    yield None
                    return
                for left in path.iterdir():
                    remove_tree(left)
                yield path, lock
            finally:
                if _is_at(lock, path):
                    remove_tree(path)

    def publish(self, about: About, packages: List[Package]) -> None:
        """Give what `making` has brought about its name; from here on it is used.

        Args:
            about: what it is.
            packages: what is installed, as the hub gets it.

        Raises:
            OSError: it can't be written.
            ValueError: the packages would not be the same when they are read again.
        """
        path = self.directory / f"{about.name}{_MAKING}"
        text = json.dumps(packages)
        if json.loads(text) != packages:
            raise ValueError("the list of its packages can't be kept")
        write_atomic(path / _PACKAGES, text, 0o600, sync=False)
        write_atomic(path / _ABOUT, json.dumps(dataclasses.asdict(about)), 0o600, sync=False)
        os.rename(path, self.directory / about.name)

    def packages(self, name: str) -> List[Package]:
        """The recorded packages of a warm root. Raises OSError, ValueError."""
        found: List[Package] = json.loads((self.directory / name / _PACKAGES).read_text(encoding="utf-8"))
        return found

    def remove(self, path: Path) -> None:
        """Remove a warm root, or what is left of one, unless somebody uses it.

        Args:
            path: of `found` or `remains`.

        Raises:
            HostFault: it is in use, or something of it can't be removed.
        """
        with _locked(path, fcntl.LOCK_EX) as lock:
            if lock is None:
                if path.exists():
                    raise HostFault(f"{path} is in use by a task that copies it")
                return
            doomed = path
            if _GONE not in path.name:
                # It loses its name at once: a removal that is broken off leaves nothing that looks whole.
                doomed = _doomed(path)
                path.rename(doomed)
            remove_tree(doomed)
        if not any(mark in path.name for mark in _MARKS):
            with self.spare(path.name):
                pass


def _doomed(path: Path) -> Path:
    return path.with_name(f"{path.name}{_GONE}{os.getpid()}")


def _warm(path: Path) -> Warm:
    used = path.stat().st_mtime
    beside = path.with_name(f"{path.name}{_SPARE}")
    spare = beside if beside.is_dir() else None
    try:
        fields = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        fields["owners"] = {which: (int(one[0]), int(one[1]), int(one[2])) for which, one in fields["owners"].items()}
        about = About(**fields)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Warm(path, None, used, spare)
    return Warm(path, about if about.name == path.name else None, used, spare)


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[Optional[int]]:
    """The descriptor of a locked directory; None when it is not there, or locked by somebody else."""
    try:
        descriptor = os.open(path, _DIRECTORY_FLAGS)
    except OSError:
        yield None
        return
    try:
        yield descriptor if _lock(descriptor, kind) and _is_at(descriptor, path) else None
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a directory still has its name: between opening and locking, somebody may have moved it."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _is_locked(path: Path) -> bool:
    with _locked(path, fcntl.LOCK_EX) as lock:
        return lock is None
