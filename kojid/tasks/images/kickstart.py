"""Kickstart files: read with pykickstart, given the repositories and the tree that an image is to be made from.

They are anybody's, and pykickstart would open whatever file or address an `%include` names, with the daemon's rights,
and quote it in its errors. So includes are put in here, from beneath the checkout only, and pykickstart gets one text.
"""

from __future__ import annotations

import os
import posixpath
import shlex
import warnings
from dataclasses import dataclass
from typing import Any, Iterable, List, Optional, Tuple, Type, Union

import koji

from kojid.system.files import UnsafeFile, open_beneath
from kojid.tasks.parts import library

PYKICKSTART = library("pykickstart", "python3-pykickstart (in a virtual environment: pip install pykickstart)")

_LARGEST = 16 * 1024 * 1024  # bytes, includes counted in
_DEEPEST = 20  # includes in includes


@dataclass(frozen=True)
class Source:
    """Where a kickstart file is.

    Args:
        directory: a trusted path; includes are taken from in or below it, and nothing else is read.
        path: of the file, from there.
        fault: type of the fault that a wrong file is.
    """

    directory: Union[str, os.PathLike[str]]
    path: str
    fault: Type[koji.GenericError] = koji.LiveCDError

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)

    def original(self) -> bytes:
        """The file as it is.

        Raises:
            koji.BuildError: there is none. The type of `fault`: it can't be read, or is too large.
        """
        return self._read(self.path)

    def flat(self) -> str:
        """Its text with all includes put in; raises as `original`, for files that are included, too."""
        lines = self._lines(self.path, 0)
        if sum(map(len, lines)) > _LARGEST:
            raise self.fault(f"Kickstart {self.path} and what it includes are too large")
        return "".join(lines)

    def _lines(self, path: str, depth: int) -> List[str]:
        if depth > _DEEPEST:
            raise self.fault(f"Kickstart {self.path}: {path} is included too deep")
        lines: List[str] = []
        for line in self._read(path).decode("utf-8", errors="replace").splitlines(keepends=True):
            included = _included(line)
            if included is None:
                lines.append(line)
            else:
                lines += self._lines(self._beside(path, included), depth + 1)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        return lines

    def _beside(self, path: str, included: str) -> str:
        """Where an included file is; its name counts from the one that includes it."""
        if included.startswith("/") or "://" in included:
            raise self.fault(f"Kickstart {path}: {included} can't be included, only files of the same checkout can")
        return posixpath.normpath(posixpath.join(posixpath.dirname(path), included))

    def _read(self, path: str) -> bytes:
        try:
            with open_beneath(os.fspath(self.directory), path, links=True) as opened:
                data = opened.read(_LARGEST + 1)
        except FileNotFoundError:
            raise koji.BuildError(f"Kickstart {path} does not exist.") from None
        except (OSError, UnsafeFile) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.fault(f"Failed to read kickstart file '{path}': {reason}") from error
        if len(data) > _LARGEST:
            raise self.fault(f"Kickstart {path} is too large")
        return data


def _included(line: str) -> Optional[str]:
    """The file that a line includes, None if it is another line."""
    if not line.lstrip().startswith("%include"):
        return None
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None  # pykickstart says what is wrong with it
    return words[1] if len(words) > 1 and words[0] == "%include" else None


class Kickstart:
    """A kickstart file that was read.

    Args:
        source: where it is.
        version: the syntax it is in, as `RHEL9`; pykickstart's newest if None.

    Attributes:
        parser: pykickstart's.

    Raises:
        The source's fault: it can't be read or is wrong.
    """

    def __init__(self, source: Source, version: Optional[str] = None) -> None:
        # here, not at the top: only image tasks need it, and not every host has it
        import pykickstart.errors
        import pykickstart.parser
        import pykickstart.version

        text = source.flat()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of commands that later releases will not have
                handler = pykickstart.version.makeVersion(*([version] if version else []))
                self.parser: Any = pykickstart.parser.KickstartParser(handler, followIncludes=False)
                self.parser.readKickstartFromString(text)
        except (pykickstart.errors.KickstartError, ValueError) as error:
            raise source.fault(f"Failed to parse kickstart file '{source.path}': {error}") from error

    @property
    def handler(self) -> Any:
        """The commands, as pykickstart has them."""
        return self.parser.handler

    def use_repos(self, repos: Iterable[Tuple[str, str]], **options: Any) -> None:
        """Put repositories in place of those that the file names.

        Args:
            repos: name and URL of each.
            options: more of the kickstart command `repo`, the same for all.
        """
        from pykickstart.handlers.control import dataMap

        make = dataMap[self.parser.version]["RepoData"]
        self.handler.repo.repoList = [make(name=name, baseurl=url, **options) for name, url in repos]

    def use_url(self, url: str, **options: Any) -> None:
        """Set the tree that is installed from; options are more of the kickstart command `url`."""
        self.handler.url(url=url, **options)

    def root_disk(self) -> Optional[str]:
        """The disk of the partition that is mounted on `/`; None if the file has no such partition."""
        for part in self.handler.partition.partitions:
            if part.mountpoint == "/":
                return str(part.disk)
            volumes = getattr(getattr(self.handler, "btrfs", None), "btrfsList", ())
            if part.fstype == "btrfs" and any(one.subvol and one.mountpoint == "/" for one in volumes):
                return str(part.disk)
        return None

    def boot_arguments(self) -> str:
        """What the file adds to the kernel's command line."""
        return str(getattr(getattr(self.handler, "bootloader", None), "appendLine", None) or "")

    def text(self) -> str:
        """The file as it is now; comments and the order of commands may be lost."""
        return str(self.handler)


def override_repos(wanted: Union[str, Iterable[str]]) -> List[Tuple[str, str]]:
    """The repositories that a task's option `repo` names, a list or a text with commas, under their kickstart names."""
    urls = wanted.split(",") if isinstance(wanted, str) else wanted
    return [(f"koji-override-{number}", url) for number, url in enumerate(dict.fromkeys(urls))]
