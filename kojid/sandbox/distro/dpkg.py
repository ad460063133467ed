"""What dpkg knows: the packages installed on this machine, their relations, their files, the alternatives."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

from kojid.sandbox.distro.errors import DistributionError

_FIELDS = ("Package", "Architecture", "Version", "db:Status-Status", "Pre-Depends", "Depends", "Provides")
ALTERNATIVES = Path("/var/lib/dpkg/alternatives")


@dataclass(frozen=True)
class Package:
    """One installed Debian package.

    `depends` has one tuple per relation, holding the names of its alternatives in order of preference.
    """

    name: str
    arch: str
    version: str
    depends: Tuple[Tuple[str, ...], ...] = ()
    provides: Tuple[str, ...] = ()

    @property
    def query_name(self) -> str:
        """The name that is unique where two architectures of one package are installed."""
        return f"{self.name}:{self.arch}"


@dataclass(frozen=True)
class InstalledFile:
    """A path that a package owns, and where its content lies now (another place when it is diverted)."""

    path: str
    source: str


def parse_relations(text: str) -> Tuple[Tuple[str, ...], ...]:
    """The package names of a Depends field: versions, architectures and `:any` marks are left out."""
    relations = (part.strip() for part in text.split(","))
    return tuple(tuple(_bare_name(word) for word in part.split("|")) for part in relations if part)


def _bare_name(relation: str) -> str:
    return relation.strip().split(" ")[0].split("(")[0].split(":")[0]


def _parse_package(line: str) -> Tuple[Package, str]:
    name, arch, version, status, pre_depends, depends, provides = line.split("\t")
    relations = parse_relations(pre_depends) + parse_relations(depends)
    provided = tuple(relation[0] for relation in parse_relations(provides))
    return Package(name, arch, version, relations, provided), status


def native_architecture() -> str:
    """Debian's name for this machine's architecture, as `amd64`."""
    return _run(["dpkg", "--print-architecture"]).strip()


def installed_packages() -> Dict[str, Package]:
    """All packages installed for this machine's architecture (or for all), by name.

    Raises:
        DistributionError: this is not a Debian machine.
    """
    if not shutil.which("dpkg-query"):
        raise DistributionError(
            "the sandbox's distribution is made from Debian packages, and this machine has no dpkg;"
            " for an RPM-based machine it is not built yet"
        )
    native = native_architecture()
    form = "\t".join(f"${{{field}}}" for field in _FIELDS) + "\n"
    packages = (_parse_package(line) for line in _run(["dpkg-query", "-W", "-f", form]).splitlines())
    return {
        package.name: package
        for package, status in packages
        if status == "installed" and package.arch in (native, "all")
    }


def parse_file_lists(output: str) -> List[List[InstalledFile]]:
    """The lists that `dpkg-query -L A B …` prints, one per package in the order asked for.

    A diverted file's content is taken from where dpkg moved it, and keeps its own name.
    """
    lists: List[List[InstalledFile]] = [[]]
    for line in output.splitlines():
        if not line:
            lists.append([])
        elif line.startswith("/"):
            lists[-1].append(InstalledFile(line, line))
        elif line.startswith(("diverted by ", "locally diverted to")) and lists[-1]:
            lists[-1][-1] = InstalledFile(lists[-1][-1].path, line.partition(": ")[2])
    return lists


def file_lists(packages: Sequence[Package]) -> Dict[str, List[InstalledFile]]:
    """The files of each package, by the package's name."""
    output = _run(["dpkg-query", "-L", *(package.query_name for package in packages)])
    return dict(zip((package.name for package in packages), parse_file_lists(output)))


def alternatives(directory: Path = ALTERNATIVES) -> Iterator[Tuple[str, str]]:
    """Each alternative's link and the program it now leads to, as `("/usr/bin/awk", "/usr/bin/mawk")`."""
    for record in sorted(directory.iterdir()) if directory.is_dir() else ():
        lines = record.read_text().splitlines()
        chosen = Path("/etc/alternatives") / record.name
        if len(lines) > 1 and chosen.is_symlink():
            yield lines[1], os.readlink(chosen)


def missing(names: Iterable[str], packages: Dict[str, Package]) -> List[str]:
    """Those of the names that are not installed."""
    return sorted(name for name in names if name not in packages)


def _run(command: List[str]) -> str:
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise DistributionError(f"{command[0]} failed with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout
