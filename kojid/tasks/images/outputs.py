"""What an image tool has left in a buildroot: files, packages and logs, found without following a link (contract 6.9).

Scriptlets of packages have run in there as root, so every name is reached from a descriptor.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import koji

from kojid.buildroot.chrootfiles import open_directory
from kojid.sources import specs
from kojid.system.beneath import list_beneath, open_beneath

_FIELDS = ("name", "version", "release", "epoch", "arch", "buildtime", "sigmd5")
_MOST_FILES = 10_000


@dataclass(frozen=True)
class Found:
    """What there is below a directory, by paths from it, sorted.

    Args:
        files: regular files.
        others: links, devices and the like, which are not to be used.
    """

    files: List[str]
    others: List[str]

    @property
    def doubles(self) -> List[str]:
        """Names that more than one file has, which would take each other's place on the hub."""
        names = [os.path.basename(path) for path in self.files]
        return sorted({name for name in names if names.count(name) > 1})


def below(root: str, relative: str) -> Found:
    """What lies in or below a directory of a buildroot; nothing where there is no such directory.

    Args:
        root: the buildroot's top, itself trusted.
        relative: the directory, from there.

    Raises:
        koji.GenericError: there are too many files.
    """
    files: List[str] = []
    others: List[str] = []
    with contextlib.suppress(OSError), open_directory(root, relative.strip("/")) as top:
        for directory, _directories, names, descriptor in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            regular = set(list_beneath(descriptor, "*"))
            for name in names:
                path = os.path.normpath(os.path.join(directory, name))
                (files if name in regular else others).append(path)
            if len(files) > _MOST_FILES:
                raise koji.GenericError(f"there are more than {_MOST_FILES} files in /{relative.strip('/')}")
    return Found(sorted(files), sorted(others))


def logs(root: str, relative: str) -> List[str]:
    """Names of the logs directly in a directory of a buildroot that have something in them."""
    with contextlib.suppress(OSError), open_directory(root, relative.strip("/")) as directory:
        names = list_beneath(directory, "*.log")
        return [name for name in names if os.stat(name, dir_fd=directory, follow_symlinks=False).st_size]
    return []


def packages(root: str, relative: str) -> List[Dict[str, Any]]:
    """The packages in a cache directory of a buildroot, as the hub lists those of an image.

    Args:
        root: the buildroot's top.
        relative: the directory; directories in it count.

    Returns:
        name, version, release, epoch, arch, buildtime, size (bytes of the file) and payloadhash of each; a package
        that lies there twice is told once.

    Raises:
        koji.BuildError: one of the files is no package.
    """
    described: Dict[Tuple[Any, ...], Dict[str, Any]] = {}
    for header, size in _headers(root, relative):
        package = koji.get_header_fields(header, _FIELDS)
        package.update(size=size, payloadhash=koji.hex_string(package.pop("sigmd5")))
        described.setdefault(tuple(sorted(package.items(), key=lambda item: str(item[0]))), package)
    return list(described.values())


def _headers(root: str, relative: str) -> Iterator[Tuple[Any, int]]:
    for path in below(root, relative).files:
        if path.endswith(".rpm"):
            with open_directory(root, relative.strip("/")) as top, open_beneath(top, path) as opened:
                yield specs.read_header(opened, Path(path).name), os.fstat(opened.fileno()).st_size
