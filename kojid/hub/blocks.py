"""What one request of an upload carries: its size follows the latency, and what is big is read while it goes out.

The hub takes the blocks of a file one after the other (contract 7.6): a second connection gets LockError, and each
block cuts off what lies behind it. So what a long way to the hub costs is one latency for each block, and the only
remedy within one file is to have fewer of them.
"""

from __future__ import annotations

import os
import stat
import zlib
from typing import Any, BinaryIO, Iterator, Optional, Union

import koji

BLOCKSIZE = 8 * 1024 * 1024  # bytes of a block before anything is known of the way to the hub
LEAST = 1024 * 1024
MOST = 64 * 1024 * 1024
_SHARE = 0.02  # of an upload's time that may go by in waiting for answers
_LONGEST = 5.0  # seconds of sending: more would be too much to send again after a broken connection
_GROWTH = 4
_GUESS = 0.005  # seconds of latency while nothing is known
_PIECE = 1024 * 1024
_MODULUS = 65521  # of adler32


class Pace:
    """How large the next block should be, by how long the ones before have taken.

    Args:
        latency: seconds that a call to the hub takes at least; None when that is not known.
    """

    def __init__(self, latency: Union[float, None] = None) -> None:
        self.size = BLOCKSIZE
        self._latency = _GUESS if latency is None else latency

    def note(self, size: int, seconds: float) -> None:
        """A block of so many bytes has taken so long."""
        self._latency = min(self._latency, seconds)
        # A quarter at the least goes to the transfer: what is measured within a latency's jitter says nothing.
        rate = size / max(seconds - self._latency, seconds / 4, 1e-4)
        wanted = rate * min(self._latency / _SHARE, _LONGEST)
        self.size = int(max(LEAST, min(wanted, self.size * _GROWTH, MOST)))


class Streamed:
    """A piece of a file as the body of a request: read while it is sent, and anew each time that it is sent.

    Args:
        descriptor: the file; it stays open.
        offset: where in it the piece begins, in bytes.
        size: its length in bytes.
    """

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._size = size
        self._adler: Optional[int] = None

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """The content; raises koji.GenericError when the file has become shorter."""
        sent, adler = 0, 1
        while sent < self._size:
            piece = os.pread(self._descriptor, min(_PIECE, self._size - sent), self._offset + sent)
            if not piece:
                raise koji.GenericError(f"the file became {self._size - sent} bytes shorter while it was uploaded")
            adler = zlib.adler32(piece, adler)
            sent += len(piece)
            yield piece
        self._adler = adler

    def part(self, begin: int, size: int) -> Streamed:
        """A part of this one that begins so many bytes behind its beginning; shorter at its end."""
        return Streamed(self._descriptor, self._offset + begin, min(size, self._size - begin))

    @property
    def adler32(self) -> int:
        """The checksum of what was sent the last time; of what there is, when it was not sent as a whole."""
        if self._adler is None:
            for _ in self:
                pass
        return self._adler or 0


Block = Union[bytes, Streamed]


def read(source: BinaryIO, size: int, *, streamed: bool) -> Block:
    """The next block of a file; an empty one at its end.

    Args:
        source: an open file; its position moves on.
        size: the most that the block may have, in bytes.
        streamed: whether a large block of a file on disk may be left there until it is sent.
    """
    if not streamed or size <= LEAST:
        return source.read(min(size, BLOCKSIZE))
    try:
        status = os.fstat(source.fileno())
    except OSError:  # what lies in memory has no descriptor
        return source.read(min(size, BLOCKSIZE))
    offset = source.tell() if stat.S_ISREG(status.st_mode) else 0
    length = min(size, status.st_size - offset)
    if not stat.S_ISREG(status.st_mode) or length <= LEAST:
        return source.read(min(size, BLOCKSIZE))
    source.seek(offset + length)
    return Streamed(source.fileno(), offset, length)


def split(block: Block, size: int) -> Iterator[Block]:
    """A block in pieces of at most so many bytes."""
    for begin in range(0, len(block), size):
        yield block.part(begin, size) if isinstance(block, Streamed) else block[begin : begin + size]


def adler32(block: Any) -> int:
    """The checksum of a block that has been sent."""
    return block.adler32 if isinstance(block, Streamed) else zlib.adler32(block)


def joined_adler32(first: int, second: int, size: int) -> int:
    """The checksum of two blocks in a row from those of each.

    Args:
        first, second: their checksums.
        size: length of the second, in bytes.
    """
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % _MODULUS
    high = ((first >> 16) + (second >> 16) + size * ((first & 0xFFFF) - 1)) % _MODULUS
    return high << 16 | low
