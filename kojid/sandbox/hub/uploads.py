"""Files that builders and users send: where they may lie, and writing them (contract 7.6, 12 "Uploads")."""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import hashlib
import os
import posixpath
import stat
import zlib
from pathlib import Path
from typing import IO, Any, Iterator, Optional, Sequence, Tuple, Union

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

#: The volume that is always there.
DEFAULT_VOLUME = "DEFAULT"
_BLOCK = 256 * 1024
#: In a directory that a user uploads to: the id of that user.
_OWNER_FILE = ".user"


class _Adler32:
    """adler32 with the face of a hashlib object."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes) -> None:
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value & 0xFFFFFFFF:08x}"


def checksum_of(name: Optional[str]) -> Any:
    """A new, empty checksum by its name; one that is never looked at for an empty name.

    Raises:
        koji.GenericError: a checksum that is not known here.
    """
    if not name or name == "adler32":
        return _Adler32()
    if name in ("md5", "sha1", "sha256", "sha512"):
        return hashlib.new(name)
    raise koji.GenericError(f"Unsupported verify type: {name}")


def work_path(ctx: Context, relpath: str, volume: Optional[str] = None) -> Path:
    """The file or directory that a path relative to the hub's work directory means.

    Raises:
        koji.GenericError: the path leads out of it; there is no such volume.
    """
    clean = posixpath.normpath(relpath or ".")
    if clean.startswith(("/", "..")):
        raise koji.GenericError(f"Invalid path: {relpath}")
    return _work_root(ctx, volume) / clean


def _work_root(ctx: Context, volume: Optional[str]) -> Path:
    if volume not in (None, "", DEFAULT_VOLUME):
        queries.row_of(ctx, "volume", str(volume), "volume")
        return Path(ctx.settings.pathinfo.work(volume=volume))
    return Path(ctx.settings.pathinfo.work())


def upload_path(ctx: Context, directory: str, name: str, volume: Optional[str] = None) -> Path:
    """The file of an upload, as clients name it.

    Raises:
        koji.GenericError: a name with a directory in it or that begins with a dot; a directory that leads out.
    """
    if "/" in name or name.startswith(".") or not name:
        raise koji.GenericError(f"Invalid upload filename: {name}")
    clean = posixpath.normpath(directory or "")
    if not directory or clean.startswith(("/", "..")) or clean == ".":
        raise koji.GenericError(f"Invalid upload directory: {directory}")
    return work_path(ctx, clean, volume) / name


def claim(ctx: Context, path: Path, volume: Optional[str] = None) -> None:
    """Let the caller write to an upload path, and make its directory.

    Below tasks/ only the host that has that task open may write; a directory elsewhere belongs to the user who
    was there first.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host; nobody is logged in.
        koji.GenericError: another user's directory, or no task's.
    """
    user_id = ctx.user_id()
    root = _work_root(ctx, volume)
    parts = path.parent.relative_to(root).parts
    _no_links(root, parts)
    if parts[0] == "tasks":
        if len(parts) < 3 or not parts[2].isdigit():
            raise koji.GenericError(f"Invalid task upload directory: {'/'.join(parts)}")
        ctx.owned_task(int(parts[2]))
        path.parent.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if _owner(path.parent / _OWNER_FILE, user_id) != user_id:
        raise koji.GenericError(f"Invalid upload directory, not owner: {'/'.join(parts)}")


def _no_links(root: Path, parts: Sequence[str]) -> None:
    current = root
    for part in parts:
        current = current / part
        if current.is_symlink():
            raise koji.GenericError(f"upload directory is a symlink: {current}")


def _owner(marker: Path, user_id: int) -> int:
    try:
        with open(marker, "x", encoding="ascii") as handle:
            handle.write(str(user_id))
    except FileExistsError:
        return int(marker.read_text(encoding="ascii") or user_id)
    return user_id


@contextlib.contextmanager
def opened(path: Path, flags: int, lock: int) -> Iterator[int]:
    """A file descriptor of a regular file, locked against other writers.

    Raises:
        koji.LockError: somebody else writes to it.
        koji.GenericError: it is a link or no regular file.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise koji.GenericError(f"destination is a symlink: {path}") from error
        if error.errno == errno.EISDIR:
            raise koji.GenericError(f"destination not a file: {path}") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise koji.GenericError(f"destination not a file: {path}")
        try:
            # flock, not lockf: its locks tell threads of one process apart.
            fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise koji.LockError(str(error)) from error
        yield descriptor
    finally:
        os.close(descriptor)


def receive(path: Path, body: IO[bytes], length: int, *, offset: int, overwrite: bool, verify: str) -> Row:
    """Write an upload's body to its file, block by block.

    Args:
        body: what is read from; length bytes of it.
        offset: where in the file it goes; -1 is the end.
        overwrite: cut the file at the offset first (logs of a task that runs again).
        verify: name of the checksum that the sender wants to compare; may be empty.

    Returns:
        What rawUpload answers: size, fileverify, offset and hexdigest.

    Raises:
        koji.GenericError: the file exists and is not to be overwritten, or is longer than the upload leaves it;
            the body ended early.
        koji.LockError: somebody else writes to it.
    """
    if offset == 0 and not overwrite and path.exists():
        raise koji.GenericError(f"upload path exists: {path}")
    digest = checksum_of(verify)
    with opened(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as descriptor:
        start = os.lseek(descriptor, 0, os.SEEK_END) if offset == -1 else offset
        if overwrite and offset != -1:
            os.ftruncate(descriptor, start)
        size = _copy(descriptor, start, body, length, digest)
        end = os.fstat(descriptor).st_size
    if not overwrite and end != start + size:
        raise koji.GenericError(f"Incorrect upload length for {path} - Expected {start + size}, actual {end}")
    answer: Row = {"size": size, "fileverify": verify, "offset": start}
    if verify:
        answer["hexdigest"] = digest.hexdigest()
    return answer


def _copy(descriptor: int, start: int, body: IO[bytes], length: int, digest: Any) -> int:
    size = 0
    while size < length:
        block = body.read(min(_BLOCK, length - size))
        if not block:
            raise koji.GenericError(f"upload ended after {size} of {length} bytes")
        os.pwrite(descriptor, block, start + size)
        digest.update(block)
        size += len(block)
    return size


@export("rawUpload", own_transactions=True)
def raw_upload(ctx: Context) -> Row:
    """An upload whose bytes are the request's body (contract 12); parameters come in the query.

    filename, filepath, fileverify, offset, overwrite, volume. The transaction ends before the bytes are read.

    Raises:
        koji.ActionNotAllowed: not logged in, or the task is not open on this host.
        koji.GenericError: see `upload_path`, `claim`, `receive`.
    """
    if ctx.session is None:
        raise koji.ActionNotAllowed("you must be logged-in to upload a file")
    query = ctx.request.query
    volume = query.get("volume") or DEFAULT_VOLUME
    offset = queries.integer(query.get("offset", "0"), "offset")
    if offset < -1:
        raise koji.GenericError(f"Invalid upload offset: {offset}")
    with ctx.kernel.transaction(ctx.request, ctx.session, "rawUpload", reads=True) as reading:
        path = upload_path(reading, query.get("filepath", ""), query.get("filename", ""), volume)
        claim(reading, path, volume)
    return receive(
        path,
        ctx.request.body,
        ctx.request.length,
        offset=offset,
        overwrite=bool(query.get("overwrite")),
        verify=query.get("fileverify", ""),
    )


@export("uploadFile", reads=True)
def upload_file(
    ctx: Context,
    path: str,
    name: str,
    size: Union[int, str, None],
    md5sum: Union[str, Sequence[str], None],
    offset: Union[int, str],
    data: str,
    volume: Optional[str] = None,
    checksum: Union[str, Sequence[str], None] = None,
) -> bool:
    """An upload in base64 pieces: one call for each, and a last one with offset -1 (contract 12).

    Args:
        size: bytes of this piece; of the whole file in the last call.
        md5sum: digest (md5) or (type, digest) of this piece; of the whole file in the last call.
        checksum: another name for md5sum.

    Returns:
        False when size or digest don't fit; the sender then sends the piece again.
    """
    ctx.user_id()
    contents = base64.b64decode(data)
    start = queries.integer(offset, "offset")
    expected = None if size is None else queries.integer(size, "size")
    kind, digest = _digest_pair(checksum or md5sum)
    if start != -1 and (expected not in (None, len(contents)) or not _fits(contents, kind, digest)):
        return False
    target = upload_path(ctx, path, name, volume)
    claim(ctx, target, volume)
    if start == 0 and not name.endswith(".log") and target.exists():
        raise koji.GenericError(f"file already exists: {target}")
    with opened(target, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as descriptor:
        if start == 0 or (start == -1 and expected == len(contents)):
            os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, contents, os.fstat(descriptor).st_size if start == -1 else start)
        if start != -1:
            return True
        if expected is not None:
            os.ftruncate(descriptor, expected)
        computed = checksum_of(kind)
        _digest(descriptor, 0, computed)
        return not kind or bool(computed.hexdigest() == digest)


def _digest_pair(given: Union[str, Sequence[str], None]) -> Tuple[str, str]:
    if not given:
        return "", ""
    if isinstance(given, str):
        return "md5", given
    kind, digest = given
    return kind, digest


def _fits(contents: bytes, kind: str, digest: str) -> bool:
    if not kind:
        return True
    computed = checksum_of(kind)
    computed.update(contents)
    return bool(computed.hexdigest() == digest)


def _digest(descriptor: int, position: int, digest: Any) -> int:
    """Feed a file from a position on to a checksum; return the number of bytes."""
    start = position
    while True:
        block = os.pread(descriptor, _BLOCK, position)
        if not block:
            return position - start
        digest.update(block)
        position += len(block)


@export("checkUpload", reads=True)
def check_upload(
    ctx: Context,
    path: str,
    name: str,
    verify: Optional[str] = None,
    tail: Optional[int] = None,
    volume: Optional[str] = None,
) -> Optional[Row]:
    """Size and mtime of an uploaded file, with `verify` its checksum (of the last `tail` bytes); None if missing.

    Raises:
        koji.LockError: it is being written.
    """
    target = upload_path(ctx, path, name, volume)
    if not target.exists():
        return None
    with opened(target, os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
        about = os.fstat(descriptor)
        answer: Row = {"size": about.st_size, "mtime": about.st_mtime}
        if verify:
            if tail is not None and tail < 0:
                raise koji.GenericError(f"Invalid tail value: {tail!r}")
            digest = checksum_of(verify)
            start = 0 if tail is None else max(about.st_size - tail, 0)
            answer["sumlength"] = _digest(descriptor, start, digest)
            answer["hexdigest"] = digest.hexdigest()
    return answer
