"""Uploads to the hub: whole files and growing ones, in large blocks, each checked on arrival (contract 7.6)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import os
import time
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union, cast

import koji

from kojid.hub import blocks, meter, transfers
from kojid.hub.blocks import BLOCKSIZE, Block, Pace

logger = logging.getLogger("koji.daemon")

# Seconds before each new try of a block that arrived wrong, or that the hub still holds a lock against.
_PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0)
END_OF_FILE = -1
# A third more of it, and the XML, stay below the 4 MiB that a hub takes of a call by default.
_BASE64_BLOCK = 2 * 1024 * 1024


class Uploader:
    """Puts files into a directory of the hub's work area.

    Args:
        session: the hub session; one upload at a time, the hub wants calls in their order.
        upload_dir: where below the hub's work directory, e.g. ``tasks/5/10005``.
        volume: the hub's volume, when it is not the default one.
        blocksize: bytes per request; None fits them to the latency.

    Attributes:
        session: the hub session.
    """

    def __init__(
        self, session: Any, upload_dir: str, *, volume: Optional[str] = None, blocksize: Optional[int] = None
    ) -> None:
        self.session = session
        self._directory = upload_dir
        self._blocksize = blocksize
        took = getattr(getattr(session, "contact", None), "took", None)
        self._in_pieces = False
        self._pace = Pace(took if isinstance(took, float) else None)
        self._named_volume = volume
        self._volume: Dict[str, str] = {} if volume in (None, "", "DEFAULT") else {"volume": str(volume)}

    def file(self, source: Union[Path, str, BinaryIO], name: str, *, subdir: str = "") -> str:
        """Upload a whole file, an empty one too; what was there under the name is replaced.

        Args:
            source: a path, or an open binary file that is read from where it stands and left open.
            name: what it is called on the hub.
            subdir: directories below the upload directory.

        Returns:
            The path below the hub's work directory.

        Raises:
            koji.GenericError: the name is not allowed, or the hub's copy differs from the file.
            OSError: the file can't be read, or the hub not be reached.
        """
        check_name(name)
        directory = self._below(subdir)
        if isinstance(source, (str, os.PathLike)):
            with open(source, "rb", buffering=0) as opened:
                self._whole(opened, directory, name)
        else:
            self._whole(source, directory, name)
        return f"{directory}/{name}"

    def files(self, items: Sequence[transfers.Item]) -> List[str]:
        """Upload files, several at a time; each replaces what was there under its name.

        The session is used meanwhile, and subsessions of it where that pays.

        Returns:
            Their paths below the hub's work directory, in the order of the items.

        Raises:
            as `file` and the items' `open`: the first error; what has not begun by then is not sent any more.
        """
        return transfers.upload(self, items)

    def beside(self, session: Any) -> Uploader:
        """One for the same place with another session."""
        return Uploader(session, self._directory, volume=self._named_volume, blocksize=self._blocksize)

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[BinaryIO]:
        """Upload what is written while it is written, a block at a time: for what is too big to be kept anywhere.

        Args:
            name: what it is called on the hub; what was there under the name is replaced.

        Raises as `file`, at the end or when a block is full.
        """
        check_name(name)
        stream = _BlockWriter(
            lambda data, offset: self._block(self._directory, name, data, offset), self._blocksize or BLOCKSIZE
        )
        yield cast(BinaryIO, stream)
        stream.finish()
        answer = self.session.callMethod("checkUpload", self._directory, name, **self._volume)
        if answer is None or int(answer["size"]) != stream.sent:
            there = "none" if answer is None else f"{answer['size']} bytes"
            raise koji.GenericError(f"the hub has {there} of {self._directory}/{name} instead of {stream.sent} bytes")

    def block(self, name: str, data: bytes, offset: int, *, subdir: str = "") -> None:
        """Upload a piece of a growing file; the hub cuts its copy off behind it. Repeating a block is safe.

        Args:
            name: what the file is called on the hub.
            data: the piece.
            offset: where in the file it begins, in bytes.
            subdir: directories below the upload directory.

        Raises as `file`.
        """
        check_name(name)
        self._block(self._below(subdir), name, data, offset)

    def together(self, files: Sequence[Tuple[str, str, bytes]]) -> List[int]:
        """Upload small files by one request. Each is one call in it, which the hub checks by size and sha256.

        Args:
            files: subdirectory, name and content of each.

        Returns:
            The indices of those that the hub has not taken this way, for whatever reason.

        Raises:
            OSError: the hub can't be reached.
        """
        return self._by_one_request(
            # At the "end of the file" with the whole of it: the hub replaces what it has, and checks what it then has.
            [_encoded(self._below(subdir), name, content, END_OF_FILE) for subdir, name, content in files]
        )

    def blocks(self, pieces: Sequence[Tuple[str, bytes, int]]) -> List[int]:
        """Upload small pieces of several growing files by one request. Repeating them is safe.

        Args:
            pieces: name, content and offset of each. One at offset 0 begins the file anew, if its name ends in ".log".

        Returns, raises as `together`.
        """
        return self._by_one_request([_encoded(self._directory, name, data, offset) for name, data, offset in pieces])

    def _by_one_request(self, arguments: Sequence[Tuple[Any, ...]]) -> List[int]:
        size = sum(one[2] for one in arguments)
        try:
            with meter.block(size), self.session.multicall(strict=False) as calls:
                pending = [calls.uploadFile(*one, **self._volume) for one in arguments]
        except (koji.GenericError, koji.Fault) as error:
            logger.info("The hub does not take %d small files by one request: %s", len(arguments), error)
            return list(range(len(arguments)))
        return [index for index, call in enumerate(pending) if not _is_true(call)]

    def path(self, name: str, subdir: str = "") -> str:
        """Where below the hub's work directory a file goes. Raises koji.GenericError for what a hub would refuse."""
        check_name(name)
        return f"{self._below(subdir)}/{name}"

    def _below(self, subdir: str) -> str:
        if not subdir:
            return self._directory
        for part in subdir.split("/"):
            if part in ("", ".", ".."):
                raise koji.GenericError(f"{subdir!r} does not name a directory below {self._directory}")
        return f"{self._directory}/{subdir}"

    @property
    def _raw(self) -> bool:
        return bool(self.session.opts.get("use_fast_upload", True))

    @property
    def _streams(self) -> bool:
        # The library's debugging shows bodies, and it knows only how to show bytes.
        return self._raw and not self.session.opts.get("debug_xmlrpc")

    def _whole(self, source: BinaryIO, directory: str, name: str) -> None:
        started = time.monotonic()
        whole = _Checksum(with_sha256=not self._raw)
        sent = 0
        repeated = False
        while True:
            data = blocks.read(source, self._blocksize or self._pace.size, streamed=self._streams)
            if not data and sent:
                break
            begun = time.monotonic()
            sent += self._block(directory, name, data, whole.size)
            self._pace.note(len(data), time.monotonic() - begun)
            repeated = repeated or self._in_pieces or getattr(self.session, "retries", 0) > 1
            whole.update(data)
        if not self._raw:
            self._finish_base64(directory, name, whole)
        elif sent > 1:  # the answer to a single block has told size and checksum of the whole file
            self._check(directory, name, whole, with_digest=repeated)
        seconds = time.monotonic() - started
        logger.debug("Upload: %s/%s complete. %d bytes in %.1f seconds", directory, name, whole.size, seconds)

    def _block(self, directory: str, name: str, data: Block, offset: int) -> int:
        """Send a block, in pieces where a whole one is too much; by how many requests."""
        most = BLOCKSIZE if self._raw else _BASE64_BLOCK
        with meter.block(len(data)):
            if len(data) <= most:
                self._put(directory, name, data, offset)
                return 1
            if self._raw and not self._in_pieces and self._put_large(directory, name, data, offset):
                return 1
            pieces = list(blocks.split(data, most))
            for piece in pieces:
                self._put(directory, name, piece, offset)
                offset += len(piece)
            return len(pieces)

    def _put_large(self, directory: str, name: str, data: Block, offset: int) -> bool:
        """Try a large block, without patience: what stands before a hub may take only smaller ones. Whether it went."""
        ours = hasattr(type(self.session), "overriding")
        try:
            with self.session.overriding(patient=False) if ours else contextlib.nullcontext():
                self._put(directory, name, data, offset)
        except (OSError, koji.RetryError, koji.ServerOffline) as error:
            logger.info("A block of %d bytes does not get through, smaller ones follow: %s", len(data), error)
            self._in_pieces = True
        return not self._in_pieces

    def _put(self, directory: str, name: str, data: Block, offset: int) -> None:
        send: Callable[..., Optional[str]] = self._send_raw if self._raw else self._send_base64
        for pause in (*_PAUSES, None):
            try:
                problem = send(directory, name, data, offset)
            except koji.LockError as error:
                # An attempt whose answer got lost may still be going on over there.
                problem = str(error)
            if problem is None:
                return
            if pause is None:
                break
            logger.warning("Upload of %s/%s at offset %d: %s, trying again", directory, name, offset, problem)
            meter.block_retry()
            time.sleep(pause)
        raise koji.GenericError(
            f"upload of {directory}/{name} failed at offset {offset} after {len(_PAUSES) + 1} tries: {problem}"
        )

    def _send_raw(self, directory: str, name: str, data: Block, offset: int) -> Optional[str]:
        """Send a block as it is; returns what was wrong with its arrival."""
        answer = self.session.callMethod("rawUpload", data, offset, directory, name, overwrite=True, **self._volume)
        if answer["size"] != len(data):
            return f"the hub received {answer['size']} bytes of {len(data)}"
        digest = hexadler32(blocks.adler32(data))
        if answer["hexdigest"] != digest:
            return f"the hub received checksum {answer['hexdigest']} instead of {digest}"
        return None

    def _send_base64(self, directory: str, name: str, data: bytes, offset: int) -> Optional[str]:
        if not data:  # an empty file consists of its end
            return None
        done = self.session.callMethod("uploadFile", *_encoded(directory, name, data, offset), **self._volume)
        return None if done else "the hub did not accept the block"

    def _finish_base64(self, directory: str, name: str, whole: _Checksum) -> None:
        done = self.session.callMethod(
            "uploadFile", directory, name, whole.size, ("sha256", whole.sha256), END_OF_FILE, "", **self._volume
        )
        if not done:
            raise koji.GenericError(f"the hub's copy of {directory}/{name} differs from the file")

    def _check(self, directory: str, name: str, whole: _Checksum, *, with_digest: bool) -> None:
        options = {"verify": "adler32", **self._volume} if with_digest else self._volume
        answer = self.session.callMethod("checkUpload", directory, name, **options)
        if answer is None:
            raise koji.GenericError(f"the hub has no {directory}/{name} after its upload")
        if int(answer["size"]) != whole.size:
            raise koji.GenericError(
                f"the hub's copy of {directory}/{name} has {answer['size']} bytes instead of {whole.size}"
            )
        if with_digest and answer["hexdigest"] != whole.adler32:
            raise koji.GenericError(f"the hub's copy of {directory}/{name} has another checksum than the file")


def _encoded(directory: str, name: str, content: bytes, offset: int) -> Tuple[Any, ...]:
    """What `uploadFile` is called with."""
    digest = hashlib.sha256(content).hexdigest()
    return directory, name, len(content), ("sha256", digest), offset, base64.b64encode(content).decode("ascii")


def _is_true(call: Any) -> bool:
    try:
        return call.result is True
    except (koji.GenericError, koji.Fault) as error:
        logger.info("The hub does not take a small file: %s", error)
        return False


class _BlockWriter:
    """A file that is only written to; it gives its content away in blocks."""

    def __init__(self, send: Callable[[bytes, int], object], blocksize: int) -> None:
        self.sent = 0
        self._send = send
        self._blocksize = blocksize
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        """Take data; blocks that are full go out."""
        self._buffer += data
        while len(self._buffer) >= self._blocksize:
            self._give(self._blocksize)
        return len(data)

    def flush(self) -> None:
        """Nothing: blocks go out when they are full."""

    def finish(self) -> None:
        """Give away what is left; of an empty file its empty block."""
        if self._buffer or not self.sent:
            self._give(len(self._buffer))

    def _give(self, size: int) -> None:
        self._send(bytes(self._buffer[:size]), self.sent)
        self.sent += size
        del self._buffer[:size]


class _Checksum:
    """Size and checksums of what has been sent so far; sha256 costs more than sending and is only made on demand."""

    def __init__(self, *, with_sha256: bool) -> None:
        self.size = 0
        self._adler = 1
        self._sha = hashlib.sha256() if with_sha256 else None

    def update(self, data: Block) -> None:
        self.size += len(data)
        self._adler = blocks.joined_adler32(self._adler, blocks.adler32(data), len(data))
        if self._sha is not None and isinstance(data, bytes):  # which it is where blocks are not sent as they are
            self._sha.update(data)

    @property
    def adler32(self) -> str:
        return hexadler32(self._adler)

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest() if self._sha is not None else ""


def hexadler32(value: int) -> str:
    """An adler32 checksum in the form that the hub writes it."""
    return f"{value & 0xFFFFFFFF:08x}"


def check_name(name: str) -> None:
    """Refuse a file name that the hub would refuse, before anything is sent. Raises koji.GenericError."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise koji.GenericError(f"{name!r} is no name for an uploaded file")
