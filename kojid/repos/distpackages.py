"""Which packages go into one arch of a dist-repo, and which copy of each: choice by signing key (contract 9.5, 4 to 7).

Keys are compared without regard to case: users type them in either, hubs keep them in lower case (contract 11, 32).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

import koji

logger = logging.getLogger("koji.build")

MISSING_FILES_LOG = "missing_files.log"
MISSING_SIGNATURES_LOG = "missing_signatures.log"
WRITTEN_LOG = "written_signed_rpms.log"
# The hub answers when all of a batch are copied: small enough that it does so in the time that a call may take.
_BATCH = 100

_COMPATIBLE: Dict[str, str] = {
    "aarch64": "aarch64",
    "alpha": "alphaev6 alphaev56 alphaev5 alpha",
    "arm": "arm armv4l armv4tl armv5tel armv5tejl armv6l armv7l",
    "armhfp": "armv7hl armv7hnl",
    "i386": "athlon i686 i586 i486 i386",
    "ppc64": "ppc64p7 ppc64pseries ppc64iseries ppc64",
    "sparc": "sparcv9v sparcv9 sparcv8 sparc",
    "sparc64": "sparc64v sparc64",
    "x86_64": "amd64 ia32e x86_64",
}

Row = Dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """A package of the repo.

    Args:
        rpm: as the hub lists it; `sigkey` is that of the copy chosen, None for the unsigned one.
        available: the keys that the hub has signatures of, as it writes them.
    """

    rpm: Row
    available: Tuple[str, ...]

    @property
    def signed(self) -> bool:
        """Whether it is a copy signed by one of the keys asked for."""
        return self.rpm["sigkey"] is not None

    @property
    def nvra(self) -> str:
        """Its name, version, release and arch as one word."""
        return "{name}-{version}-{release}.{arch}".format(**self.rpm)


def package_arches(repo_arch: str) -> List[str]:
    """The arches of packages that go into an arch of a repo (contract 9.5, 4)."""
    if repo_arch == "src":
        return ["src"]
    return [*_COMPATIBLE.get(repo_arch, repo_arch).split(), "noarch"]


def refuse_drafts(builds: Iterable[Mapping[str, Any]]) -> None:
    """Raises koji.BuildError for draft builds: what is handed out is not to change its name afterwards."""
    for build in builds:
        if build.get("draft"):
            raise koji.BuildError(f"Draft build: {build['nvr']} is not allowed in a dist-repo")


def choose(rpms: Iterable[Row], keys: Sequence[str]) -> List[Choice]:
    """One copy of each package: the one signed by the key that is named first, else the unsigned one.

    Args:
        rpms: rows of `listTaggedRPMS(rpmsigs=True)`: one for each package and signature.
        keys: the keys asked for, the most wanted first, in either case.
    """
    rows: Dict[int, List[Row]] = {}
    for rpm in rpms:
        rows.setdefault(rpm["id"], []).append(rpm)
    rank = {key.lower(): place for place, key in reversed(list(enumerate(keys))) if key}
    return [_copy(copies, rank) for copies in rows.values()]


def _copy(copies: Sequence[Row], rank: Mapping[str, int]) -> Choice:
    available = tuple(row["sigkey"] for row in copies if row["sigkey"])
    wanted = [row for row in copies if (row["sigkey"] or "").lower() in rank]
    if not wanted:
        return Choice({**copies[0], "sigkey": None}, available)
    return Choice(min(wanted, key=lambda row: rank[row["sigkey"].lower()]), available)


def write_signed(session: Any, choices: Sequence[Choice]) -> List[str]:
    """Have the hub write the signed copies of packages; those that it has written already stay (contract 9.5, 6).

    Args:
        session: the task's hub session.
        choices: the packages; unsigned ones are left out.

    Returns:
        A line about each. A copy that could not be written is found missing later on.
    """
    signed = [choice for choice in choices if choice.signed]
    lines: List[str] = []
    for start in range(0, len(signed), _BATCH):
        lines += _write_batch(session, signed[start : start + _BATCH])
    return lines


def _write_batch(session: Any, batch: Sequence[Choice], tries: int = 2) -> List[str]:
    try:
        with session.multicall() as calls:
            pending = [calls.host.writeSignedRPM(choice.rpm["id"], choice.rpm["sigkey"]) for choice in batch]
    except koji.RetryError:
        # Only the answer got lost. Asking for what is written already does no harm.
        if tries <= 1:
            raise
        return _write_batch(session, batch, tries - 1)
    return [_outcome(choice, call) for choice, call in zip(batch, pending)]


def _outcome(choice: Choice, call: Any) -> str:
    try:
        call.result  # noqa: B018 - it raises the fault
    except koji.GenericError as error:
        return f"FAILED: {choice.nvra} with key {choice.rpm['sigkey']}: {error}"
    return f"written: {choice.nvra} with key {choice.rpm['sigkey']}"


class Located:
    """Where the chosen copies lie.

    Args:
        paths: names of the volume's paths.
        builds: the builds that the packages are of, as the hub lists them.
    """

    def __init__(self, paths: koji.PathInfo, builds: Iterable[Row]) -> None:
        self._paths = paths
        self._builds = {build["id"]: Path(paths.build(build)) for build in builds}
        self.packages: Dict[str, Row] = {}
        self.missing: List[Path] = []

    def add(self, choices: Iterable[Choice]) -> None:
        """Look for copies: those that are there go to `packages` by file name, the others' paths to `missing`."""
        for choice in choices:
            path = self.path(choice.rpm)
            if path.exists():
                self.packages[path.name] = {**choice.rpm, "_pkgpath": str(path)}
            else:
                self.missing.append(path)

    def path(self, rpm: Row) -> Path:
        """The file of a copy, on whatever volume its build is."""
        below = self._paths.signed(rpm, rpm["sigkey"]) if rpm["sigkey"] else self._paths.rpm(rpm)
        return self._builds[rpm["build_id"]] / str(below)


def missing_files_text(missing: Iterable[Path]) -> str:
    """What `missing_files.log` says."""
    lines = [
        "Files of packages are not there. Where they are signed copies: koji write-signed-rpm makes them,",
        "or dist-repo --write-signed-rpms.",
        "",
        *sorted(str(path) for path in missing),
    ]
    return "".join(f"{line}\n" for line in lines)


def missing_signatures_text(unsigned: Iterable[Choice], keys: Sequence[str], *, skipped: bool) -> str:
    """What `missing_signatures.log` says.

    Args:
        unsigned: packages without a signature by any of the keys.
        keys: the keys asked for.
        skipped: whether the packages were left out.
    """
    return "".join(f"{line}\n" for line in _signature_lines(unsigned, keys, skipped))


def _signature_lines(unsigned: Iterable[Choice], keys: Sequence[str], skipped: bool) -> Iterator[str]:
    yield f"Packages without a signature by any of the keys asked for ({', '.join(keys) or 'none'})."
    if skipped:
        yield "They are left out of the repository, as skip_missing_signatures says."
    yield ""
    yield "# package: keys that there are signatures of"
    for choice in sorted(unsigned, key=lambda choice: choice.nvra):
        yield f"{choice.nvra}: {', '.join(choice.available) or 'none'}"
