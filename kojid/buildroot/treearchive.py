"""A directory tree of a chroot as a tar archive, written while it is read: nothing of it is kept in memory or on disk.

Whatever a build has left may be in there: links are stored and not followed, of devices and pipes only that they are
there, other file systems that are mounted in there are left out, and files with holes stay small (GNU.sparse 1.0).
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
import tarfile
from typing import Any, BinaryIO, Dict, List, Optional, Sequence, Tuple

from kojid.buildroot.chrootfiles import open_directory
from kojid.system.mounts import mounts_under

_BLOCK = 1024 * 1024
_RECORD = 512
_DEEPEST = 500  # directories; a tree that is deeper was made to hurt
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}
Extents = List[Tuple[int, int]]


class TreeArchive:
    """Writes a tree.

    Args:
        out: takes the archive; its `write` is all that is used.
        top: the tree's directory; itself trusted and no link.
        filters: globs; what matches one is left out, a directory with all that is in it. They are matched against the
            names in the archive, which are the paths of the host without the first slash; `*` matches slashes, too.

    Attributes:
        left_out: what could not be read, in words.
    """

    def __init__(self, out: Any, top: str, filters: Sequence[str] = ()) -> None:
        self.left_out: List[str] = []
        self._tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - `write` closes it
        self._top = top.rstrip("/")
        self._filters = list(filters)
        self._mounts = set(mounts_under(self._top)) - {self._top}
        self._linked: Dict[Tuple[int, int], str] = {}

    def write(self) -> None:
        """Write all of it.

        Raises:
            FileNotFoundError: there is no such directory. OSError: `out` does not take it.
        """
        with self._tar:
            with open_directory(self._top) as directory:
                info = self._info("", os.fstat(directory))
            if self._omitted(info):
                return
            self._tar.addfile(info)
            pending = [""]
            while pending:
                pending += reversed(self._directory(pending.pop()))

    def _directory(self, relative: str) -> List[str]:
        """Write what is in a directory; returns the directories in it."""
        if relative.count("/") >= _DEEPEST:
            self._leave_out(relative, "it is nested too deep")
            return []
        try:
            with open_directory(self._top, relative) as directory:
                names = sorted(os.listdir(directory))
                return [below for name in names for below in self._entry(directory, f"{relative}/{name}".lstrip("/"))]
        except _Broken as error:
            raise error.cause from error
        except OSError as error:
            self._leave_out(relative, error.strerror)
            return []

    def _entry(self, directory: int, relative: str) -> List[str]:
        name = relative.rpartition("/")[2]
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_IFMT(status.st_mode) not in _KINDS:
                return []  # a socket: there is nothing to keep of it
            info = self._info(relative, status)
            if self._omitted(info):
                return []
            if f"{self._top}/{relative}" in self._mounts:
                self._leave_out(relative, "something is mounted on it")
                return []
            if info.issym():
                info.linkname = os.readlink(name, dir_fd=directory)
            if info.isreg():
                self._file(directory, name, info, status)
                return []
        except OSError as error:
            self._leave_out(relative, error.strerror)
            return []
        self._add(info)
        return [relative] if info.isdir() else []

    def _info(self, relative: str, status: os.stat_result) -> tarfile.TarInfo:
        info = tarfile.TarInfo(f"{self._top}/{relative}".strip("/"))
        info.type = _KINDS[stat.S_IFMT(status.st_mode)]
        info.mode = stat.S_IMODE(status.st_mode)
        info.uid, info.gid, info.mtime = status.st_uid, status.st_gid, status.st_mtime
        if info.ischr() or info.isblk():
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        return info

    def _omitted(self, info: tarfile.TarInfo) -> bool:
        return any(fnmatch.fnmatch(info.name, pattern) for pattern in self._filters)

    def _file(self, directory: int, name: str, info: tarfile.TarInfo, status: os.stat_result) -> None:
        identity = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and identity in self._linked:
            info.type, info.linkname = tarfile.LNKTYPE, self._linked[identity]
            self._add(info)
            return
        descriptor = os.open(name, _READ, dir_fd=directory)
        with open(descriptor, "rb", buffering=0) as source:
            opened = os.fstat(descriptor)
            if (opened.st_dev, opened.st_ino) != identity:
                raise OSError(errno.ESTALE, "it was replaced while it was looked at", name)
            self._content(source, info, opened)
        if status.st_nlink > 1:
            self._linked[identity] = info.name

    def _content(self, source: BinaryIO, info: tarfile.TarInfo, status: os.stat_result) -> None:
        size = status.st_size
        extents = data_extents(source.fileno(), size)
        if sum(length for _, length in extents) == size:
            info.size = size
            self._add(info, _Extents(source, [(0, size)] if size else []))
            return
        # GNU.sparse 1.0: the map of the data stands before them, in decimal, filled up to a record
        extents.append((size, 0))
        numbers = [len(extents), *(number for extent in extents for number in extent)]
        table = "".join(f"{number}\n" for number in numbers).encode("ascii")
        table += b"\0" * (-len(table) % _RECORD)
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": info.name,
            "GNU.sparse.realsize": str(size),
        }
        # What the plain header holds is for programs that know no holes. It has to be short: Python's tarfile takes a
        # long name, which gets a header of its own, for the file's.
        info.name = f"GNUSparseFile.0/{status.st_ino}"
        info.size = len(table) + sum(length for _, length in extents)
        self._add(info, _Extents(source, extents, table))
        info.name = info.pax_headers["GNU.sparse.name"]

    def _add(self, info: tarfile.TarInfo, content: Optional[_Extents] = None) -> None:
        """Trouble with the way out is not the file's: it ends the archive."""
        try:
            self._tar.addfile(info, content)
        except OSError as error:
            raise _Broken(error) from error

    def _leave_out(self, relative: str, why: object) -> None:
        self.left_out.append(f"/{relative}: {why}")


class _Broken(Exception):
    """The archive can't be written on."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Extents:
    """Reads the parts of a file that hold data, one after the other; what was cut off meanwhile reads as nought."""

    def __init__(self, source: BinaryIO, extents: Extents, table: bytes = b"") -> None:
        self._source = source
        self._extents = [extent for extent in extents if extent[1]]
        self._table = table

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as many as asked for unless the end is reached."""
        parts: List[bytes] = []
        wanted = _BLOCK if size < 0 else size
        while wanted and (self._table or self._extents):
            part = self._next(wanted)
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _next(self, wanted: int) -> bytes:
        if self._table:
            part, self._table = self._table[:wanted], self._table[wanted:]
            return part
        start, length = self._extents[0]
        wanted = min(wanted, length)
        try:
            part = os.pread(self._source.fileno(), wanted, start)
        except OSError:
            part = b""  # the header is written: what can't be read is nought, or the rest of the archive is lost
        part += b"\0" * (0 if part else wanted)
        self._extents[0] = (start + len(part), length - len(part))
        if self._extents[0][1] == 0:
            self._extents.pop(0)
        return part


def data_extents(descriptor: int, size: int) -> Extents:
    """Where a file holds data: pairs of offset and length. All of it, where the file system knows of no holes."""
    found: Extents = []
    position = 0
    try:
        while position < size:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
            position = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
            if start < position:
                found.append((start, position - start))
    except OSError as error:
        if error.errno != errno.ENXIO:  # from there on there is only a hole
            return [(0, size)]
    return found
