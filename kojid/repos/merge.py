"""Merging a repo with the external ones of its tag, by mergerepo_c (contract 9.3, 4)."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

import koji

from kojid.errors import HostFault
from kojid.repos import metadata
from kojid.repos.createrepo import OnTick
from kojid.repos.faults import failure
from kojid.repos.origins import External, premerge, premerge_url
from kojid.repos.verify import require_whole
from kojid.system import phases
from kojid.system.files import printable
from kojid.system.process import capture, clean_environment, run

logger = logging.getLogger("koji.build")

MERGEREPO_C = "/usr/bin/mergerepo_c"
LOG = "mergerepos.log"
_MODES = {
    "koji": ("--koji",),
    "simple": ("--koji", "--simple"),
    "bare": ("--pkgorigins", "--all"),
}
SIMPLE_SINCE = (0, 13, 0)
_ARCH_EXPAND_SINCE = (0, 15, 11)
_FOR_DOWNLOADS = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "curl_ca_bundle", "ssl_cert_file")
_UNREAD = "Cannot load repo"
_SHOWN = 5
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")

Version = Tuple[int, ...]


class Target(NamedTuple):
    """What is merged into what.

    Args:
        arch: the arch of the repo.
        repo_id: the repo.
        arch_dir: its directory for the arch, as the hub has made it.
        workdir: the task's working directory.
        out: where the merged metadata goes; the repo's own lies there before and is moved aside.
        databases: whether SQLite databases are made too.
    """

    arch: str
    repo_id: int
    arch_dir: Path
    workdir: Path
    out: Path
    databases: bool = True


def command(target: Target, external: External, version: Version) -> List[str]:
    """The command line.

    Raises:
        HostFault: this mergerepo_c is too old for the mode.
    """
    if external.mode == "simple" and version < SIMPLE_SINCE:
        raise HostFault("mergerepo_c is too old for external repos in the mode simple", "it needs version 0.13.0")
    argv = [MERGEREPO_C, *_MODES[external.mode]]
    blocklist = target.arch_dir / "blocklist"
    if external.mode != "bare" and blocklist.exists():
        argv += ["-b", str(blocklist)]
    argv += ["-a", target.arch, "-o", str(target.out)]
    if not target.databases:
        argv.append("--no-database")
    if version >= _ARCH_EXPAND_SINCE:
        argv.append("--arch-expand")
    comps = target.arch_dir.parent / "groups" / "comps.xml"
    if comps.exists():
        argv += ["-g", str(comps)]
    for url in (premerge_url(target.workdir, target.repo_id), *external.urls):
        argv += ["-r", url]
    return argv


@phases.during("mergerepo")
def merge(target: Target, external: External, *, log: Path, timeout: float, on_tick: OnTick = None) -> Path:
    """Merge a repo, which has been made already, with external ones; the origin of each package is noted.

    Args:
        target: the repo.
        external: the others.
        log: file that the output of the command is appended to.
        timeout: seconds that it may take.
        on_tick: called while the command runs, for streaming the log.

    Returns:
        The directory of the merged metadata, ``out/repodata``.

    Raises:
        koji.GenericError: the command failed, or left out a repo or packages of the first one. CommandTimeout: it took
            too long.
        HostFault: it is not installed, or too old, or this host's disk or memory is full.
    """
    argv = command(target, external, installed_version())
    os.rename(target.out, premerge(target.workdir, target.repo_id))
    environment = {**clean_environment(), **_for_downloads(), "TMPDIR": str(target.workdir)}
    status = run(argv, timeout=timeout, log=log, on_tick=on_tick, env=environment)
    if not status.ok:
        raise failure("failed to merge repos", argv[0], status, log)
    _check_log(log)
    repodata = target.out / "repodata"
    require_whole(repodata, argv[0])
    _check_content(target, external.mode, metadata.origins(repodata), log)
    return repodata


def _for_downloads() -> Dict[str, str]:
    """What a site may have given the daemon for its downloads: proxies, and certificates of its own."""
    return {name: value for name, value in os.environ.items() if name.lower() in _FOR_DOWNLOADS}


def _check_log(log: Path) -> None:
    """Find a repo that was left out: one that it can fetch but not read is no error to the program."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        unread = [f"  {printable(line.rstrip())}" for line in lines if _UNREAD in line]
    if unread:
        raise koji.GenericError("\n".join([f"failed to merge repos: one can't be read; see {log.name}", *unread]))


def _check_content(target: Target, mode: str, origins: metadata.Origins, log: Path) -> None:
    """Find packages of the tag that were left out although nothing takes their place."""
    before = premerge(target.workdir, target.repo_id)
    own = premerge_url(target.workdir, target.repo_id).rstrip("/")
    kept = {nvra for nvra, urls in origins.items() if own in urls}
    listed = metadata.entries(_text(target.arch_dir / "pkglist").splitlines())
    missing = [nvra for nvra in dict.fromkeys(map(_nvra, listed)) if nvra not in kept and _counts(nvra, target.arch)]
    if missing and mode != "bare":
        allowed = set(_text(target.arch_dir / "blocklist").split())
        missing = _unexplained(missing, allowed, kept if mode == "koji" else set(), before / "repodata")
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise koji.GenericError(
            f"failed to merge repos: {len(missing)} packages of the tag are missing afterwards: {shown}; "
            f"see {log.name} for more information"
        )


def _counts(nvra: str, repo_arch: str) -> bool:
    """Whether a merge has to keep a package: it may leave out arches that only count to the repo's, as ppc64p7."""
    arch = nvra.rpartition(".")[2]
    if arch in (repo_arch, "noarch"):
        return True
    return repo_arch in ("i386", "armhfp") and arch.startswith(("i", "armv7")) and koji.canonArch(arch) == repo_arch


def _unexplained(missing: Sequence[str], allowed: Set[str], kept: Set[str], before: Path) -> List[str]:
    """Those packages that neither are blocked nor give way to another version of their source package (mode koji)."""
    sources = metadata.source_packages(before)
    explained = allowed | {_source_name(sources.get(nvra, "")) for nvra in kept}
    return [nvra for nvra in missing if nvra in sources and _source_name(sources[nvra]) not in explained]


def _source_name(file_name: str) -> str:
    return file_name.rsplit("-", 2)[0]


def _nvra(path: str) -> str:
    return os.path.basename(path)[: -len(".rpm")]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def installed_version(program: str = MERGEREPO_C) -> Version:
    """The version of one of createrepo_c's programs on this host. Raises HostFault when there is none."""
    status, output = capture([program, "--version"], timeout=30.0)
    found: Optional[re.Match[str]] = _VERSION.search(output.decode("utf-8", "replace"))
    if not status.ok or found is None:
        raise HostFault(f"{os.path.basename(program)} does not tell its version", f"run {program} --version")
    return tuple(int(part) for part in found.groups())
