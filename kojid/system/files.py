"""Files: written whole or not at all, read at the end, and (from the neighbours) removed and opened safely.

`trees` removes directory trees, `beneath` opens what lies under directories that nobody here trusts.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, List, Union

from kojid.system.beneath import UnsafeFile, copy_beneath, list_beneath, open_beneath, open_for_upload
from kojid.system.trees import empty_tree, remove_tree

__all__ = [
    "UnsafeFile",
    "copy_beneath",
    "empty_tree",
    "list_beneath",
    "open_beneath",
    "open_for_upload",
    "printable",
    "remove_tree",
    "tail_lines",
    "write_atomic",
]

_TAIL_BYTES = 64 * 1024


def write_atomic(path: Path, data: Union[bytes, str], mode: int = 0o644, *, sync: bool = True) -> None:
    """Put a whole file in place at once: a reader finds the old one or the new one, after a crash too.

    Args:
        path: where it goes; the directory must exist.
        data: the content; text is written as UTF-8.
        mode: its permissions, whatever the umask.
        sync: wait until the disk has it; without that it may be empty after the machine has crashed.

    Raises:
        OSError: it could not be written; nothing is left of it and the old one stays.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as out:
            os.fchmod(out.fileno(), mode)
            out.write(content)
            out.flush()
            if sync:
                os.fsync(out.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if sync:
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def printable(text: str) -> str:
    """The text with every control character but the tab shown as a question mark, so that no terminal obeys it."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text)


def tail_lines(source: Union[BinaryIO, Path, str], count: int = 20, limit: int = _TAIL_BYTES) -> List[str]:
    """The last lines of a log, fit to be quoted.

    Args:
        source: an open binary file (left open) or a path; a path must be in a trusted directory.
        count: how many lines at most.
        limit: how many bytes at the end are looked at; a line cut by that is shown from there on.

    Raises:
        OSError: the file can't be read.
    """
    if isinstance(source, (str, Path)):
        with open(source, "rb") as opened:
            return tail_lines(opened, count, limit)
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - limit))
    text = source.read(limit).decode("utf-8", errors="replace")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [printable(line.rstrip()) for line in lines[-count:]] if count > 0 else []
