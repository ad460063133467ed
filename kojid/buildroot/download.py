"""Files of a repo, from `topurl` or from the mounted `topdir`, held in memory: what recording a buildroot reads.

See contract 7.8; the transfer itself is `hub/volume.py`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Sequence

import koji

from kojid.buildroot.repocache import RepoCache
from kojid.hub.volume import DownloadFailed, read_whole, volume_url

_GONE = (404, 410)


class FileMissing(koji.GenericError):
    """The server, or the volume, has no such file."""


def fetch(options: Any, relative: str, stamp: str = "") -> bytes:
    """Read a file of the Koji volume.

    Args:
        options: the daemon's options; the URLs of `topurl` are tried in their order, `topdir` when there is none.
        relative: path below the volume's top, as `repos/TAG/ID/...`.
        stamp: what, with the path, tells this file from any other that a hub has ever had; what is fetched is then kept
            for later tasks. Empty for a file that may change.

    Raises:
        FileMissing: there is none.
        koji.GenericError: it can't be had.
    """
    relative = relative.lstrip("/")
    urls = _urls(options)
    if not urls:
        return _read(Path(options.topdir) / relative)
    if stamp and getattr(options, "workdir", None):
        key = "\n".join([*urls, relative, stamp])
        return RepoCache(options.workdir).get(key, lambda: _fetch(urls, relative))
    return _fetch(urls, relative)


def _fetch(urls: Sequence[str], relative: str) -> bytes:
    failures: List[str] = []
    for url in urls:
        try:
            return read_whole(volume_url(url, relative))
        except DownloadFailed as error:  # noqa: PERF203 - a try is a request
            if error.status in _GONE:
                raise FileMissing(str(error)) from None
            failures.append(str(error))
    raise koji.GenericError("; ".join(failures))


def _urls(options: Any) -> List[str]:
    several = getattr(options, "topurls", None) or [getattr(options, "topurl", None)]
    return [url for url in several if url]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileMissing(f"there is no {path}") from None
    except OSError as error:
        raise koji.GenericError(f"{path} can't be read: {error.strerror}") from error
