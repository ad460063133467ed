"""Reading and writing the lists of packages that a repo's metadata consists of, one package after the other.

createrepo_c reads the older lists into memory, and writes what it has understood. Here a package's part of a list goes
through as it is, as bytes, so that only what is new has to be understood, and the whole is never in memory.
"""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from pathlib import Path
from typing import Iterator, List

from kojid.repos import metadata
from kojid.repos.repomd import Facts, Malformed

KINDS = ("primary", "filelists", "other")
_END = b"</package>\n"
_COUNT = re.compile(rb'(\spackages=")(\d+)(")')
_BLOCK = 1024 * 1024  # bytes
_GZIP = 31  # zlib's word for a gzip header and the largest window
_LEVEL = 6


class PackageList:
    """A list that is read.

    Args:
        path: of the file; packed as `metadata.readable` tells.
        checksum: the SHA-256 that it must have.

    Raises:
        Malformed: it has another checksum, or this host can't unpack it.
        OSError: it can't be read.
    """

    def __init__(self, path: Path, checksum: str) -> None:
        if not metadata.readable(path):
            raise Malformed(f"{path.name} is packed in a way that is not known here")
        require(path, checksum)
        self._blocks = metadata.blocks(path)
        self._name = path.name
        self._buffer = b""
        self.head = self._until_first()
        self.foot = b""
        self.count = 0

    def _until_first(self) -> bytes:
        while True:
            start = self._buffer.find(b"<package ")
            if start >= 0:
                head, self._buffer = self._buffer[:start], self._buffer[start:]
                return head
            block = next(self._blocks, b"")
            if not block:
                break
            self._buffer += block
        closing = self._buffer.rfind(b"</")
        head, self._buffer = self._buffer[:closing], self._buffer[closing:]
        return head

    def packages(self) -> Iterator[bytes]:
        """The part of each package; `foot` is what comes behind the last one.

        Raises:
            Malformed: there are not as many as the list says.
        """
        rest = self._buffer
        while True:
            start = 0
            end = rest.find(_END)
            while end >= 0:
                end += len(_END)
                self.count += 1
                yield rest[start:end]
                start, end = end, rest.find(_END, end)
            rest = rest[start:]
            block = next(self._blocks, b"")
            if not block:
                break
            rest += block
        self.foot = rest
        if self.count != packages_in(self.head) or not rest.startswith(b"</"):
            raise Malformed(f"{self._name} does not have the {packages_in(self.head)} packages that it speaks of")


class ListWriter:
    """A list that is written, as a gzip file.

    Args:
        path: of the file.
        head: what comes before the first package.
        foot: what comes behind the last one.
        count: of the packages.
    """

    def __init__(self, path: Path, head: bytes, foot: bytes, count: int) -> None:
        self._file = path.open("wb")
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._packed, self._plain = hashlib.sha256(), hashlib.sha256()
        self._size = self._whole_size = 0
        self._foot = foot
        self._waiting: List[bytes] = [_COUNT.sub(rb"\g<1>%d\g<3>" % count, head, count=1)]
        self._length = 0

    def add(self, package: bytes) -> None:
        """Add the part of a package. Raises OSError."""
        self._waiting.append(package)
        self._length += len(package)
        if self._length >= _BLOCK:
            self._flush()

    def finish(self) -> Facts:
        """Write what is left; what repomd.xml has to say. Raises OSError."""
        self._waiting.append(self._foot)
        self._flush()
        self._write(self._packer.flush())
        self._file.flush()
        return Facts(
            self._packed.hexdigest(), self._plain.hexdigest(), self._size, self._whole_size, timestamp=int(time.time())
        )

    def _flush(self) -> None:
        block = b"".join(self._waiting)
        self._waiting, self._length = [], 0
        self._plain.update(block)
        self._whole_size += len(block)
        self._write(self._packer.compress(block))

    def _write(self, packed: bytes) -> None:
        self._packed.update(packed)
        self._size += len(packed)
        self._file.write(packed)

    def __enter__(self) -> ListWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def packages_in(head: bytes) -> int:
    """How many packages a list speaks of in its head. Raises Malformed."""
    found = _COUNT.search(head)
    if not found:
        raise Malformed("a list does not say how many packages it has")
    return int(found.group(2))


def same_form(one: bytes, other: bytes) -> bool:
    """Whether two heads differ in nothing but the number of packages."""
    return _COUNT.sub(rb"\g<1>\g<3>", one) == _COUNT.sub(rb"\g<1>\g<3>", other)


def require(path: Path, checksum: str) -> None:
    """Look at a file's SHA-256. Raises Malformed: it is another one; OSError: the file can't be read."""
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != checksum:
        raise Malformed(f"{path.name} has another checksum than repomd.xml says")
