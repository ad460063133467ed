"""Merging a repo with the external ones of its tag, by mergerepo_c (contract 9.3, 4)."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

import koji

from kojid.errors import HostFault
from kojid.repos import metadata
from kojid.repos.createrepo import OnTick, failure
from kojid.repos.origins import External, premerge, premerge_url
from kojid.system import phases
from kojid.system.process import capture, clean_environment, run

logger = logging.getLogger("koji.build")

MERGEREPO_C = "/usr/bin/mergerepo_c"
LOG = "mergerepos.log"
_MODES = {
    "koji": ("--koji",),
    "simple": ("--koji", "--simple"),
    "bare": ("--pkgorigins", "--all"),
}
_SIMPLE_SINCE = (0, 13, 0)
_ARCH_EXPAND_SINCE = (0, 15, 11)
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
    """

    arch: str
    repo_id: int
    arch_dir: Path
    workdir: Path
    out: Path


def command(target: Target, external: External, version: Version) -> List[str]:
    """The command line.

    Raises:
        HostFault: this mergerepo_c is too old for the mode.
    """
    if external.mode == "simple" and version < _SIMPLE_SINCE:
        raise HostFault("mergerepo_c is too old for external repos in the mode simple", "it needs version 0.13.0")
    argv = [MERGEREPO_C, *_MODES[external.mode]]
    blocklist = target.arch_dir / "blocklist"
    if external.mode != "bare" and blocklist.exists():
        argv += ["-b", str(blocklist)]
    argv += ["-a", target.arch, "-o", str(target.out)]
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
        koji.GenericError: the command failed. CommandTimeout: it took too long.
        HostFault: it is not installed, or too old.
    """
    argv = command(target, external, installed_version())
    os.rename(target.out, premerge(target.workdir, target.repo_id))
    environment = {**clean_environment(), "TMPDIR": str(target.workdir)}
    status = run(argv, timeout=timeout, log=log, on_tick=on_tick, env=environment)
    if not status.ok:
        raise failure("failed to merge repos", argv[0], status, log)
    repodata = target.out / "repodata"
    if not (repodata / "repomd.xml").exists() or not metadata.has_origins(repodata):
        raise koji.GenericError(f"failed to merge repos: the outcome is incomplete; see {log.name}")
    return repodata


def installed_version() -> Version:
    """The version of this host's mergerepo_c. Raises HostFault when there is none."""
    status, output = capture([MERGEREPO_C, "--version"], timeout=30.0)
    found: Optional[re.Match[str]] = _VERSION.search(output.decode("utf-8", "replace"))
    if not status.ok or found is None:
        raise HostFault("mergerepo_c does not tell its version", f"run {MERGEREPO_C} --version")
    return tuple(int(part) for part in found.groups())
