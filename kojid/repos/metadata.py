"""Looking into a directory of repo metadata: which files it has, and how many packages they are about."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import logging
import lzma
import re
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional

from kojid.system.process import capture

logger = logging.getLogger("koji.build")

_COUNT = re.compile(rb'<metadata[^>]*\spackages="(\d+)"')
_HEAD = 4096  # bytes; the count is in the first element
_OPENERS: Dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".xml": open}
_UNPACK_SECONDS = 600.0


def files(repodata: Path) -> List[str]:
    """Names of the regular files in a directory of metadata, sorted; links are left out."""
    return sorted(path.name for path in repodata.iterdir() if path.is_file() and not path.is_symlink())


def has_origins(repodata: Path) -> bool:
    """Whether a merged repo says where its packages came from (contract 9.3, 4)."""
    return any("pkgorigins" in name for name in files(repodata))


def package_count(repodata: Path) -> Optional[int]:
    """How many packages the metadata is about; None when it can't be told on this host.

    Args:
        repodata: the directory with repomd.xml.
    """
    # As zchunk (.zck) the list comes beside the usual one, never alone.
    primaries = [name for name in files(repodata) if re.search(r"(^|-)primary\.xml(\.(?!zck$)\w+)?$", name)]
    if len(primaries) != 1:
        logger.warning("%s has %d lists of packages", repodata, len(primaries))
        return None
    head = _head(repodata / primaries[0])
    found = _COUNT.search(head or b"")
    return int(found.group(1)) if found else None


def _head(path: Path) -> Optional[bytes]:
    if path.suffix == ".zst":
        return _head_of_zstd(path)
    opener = _OPENERS.get(path.suffix)
    if opener is None:
        return None
    with contextlib.suppress(OSError, EOFError, lzma.LZMAError), opener(path, "rb") as opened:
        head: bytes = opened.read(_HEAD)
        return head
    return None


def _head_of_zstd(path: Path) -> Optional[bytes]:
    """Python before 3.14 can't unpack this itself."""
    if shutil.which("zstd") is None:
        return None
    status, output = capture(["zstd", "-q", "-d", "-c", str(path)], timeout=_UNPACK_SECONDS)
    return output[:_HEAD] if status.ok else None


def entries(lines: Iterable[str]) -> List[str]:
    """The entries of a list with one a line: blank lines and blanks around are left out."""
    return [line.strip() for line in lines if line.strip()]
