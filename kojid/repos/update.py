"""Making an arch's metadata from an older repo's without going through all of it with createrepo_c (contract 9.3).

Where nothing has changed the older metadata is what is wanted; where something has, createrepo_c reads the packages
that are new, and the older lists are spliced with theirs. What is not as expected is left to createrepo_c --update.
"""

from __future__ import annotations

import filecmp
import logging
import shutil
from pathlib import Path
from typing import Callable, NamedTuple

from kojid.repos import contents, lists, repomd
from kojid.repos.contents import Changes
from kojid.repos.repomd import Malformed
from kojid.repos.splice import splice

logger = logging.getLogger("koji.build")

_FRESH = "fresh"
_DATABASE = "primary_db"
_MERGED = "origin"


class Job(NamedTuple):
    """An arch of a repo whose metadata is wanted.

    Args:
        arch_dir: its directory, as the hub has made it; only read.
        old_repodata: an older repo's metadata of the arch; only read.
        out: directory for the outcome, ``out/repodata``; must exist.
        log: what was done is told here.
        databases: whether SQLite databases are wanted too.
    """

    arch_dir: Path
    old_repodata: Path
    out: Path
    log: Path
    databases: bool

    @property
    def repodata(self) -> Path:
        """Where the metadata goes."""
        return self.out / "repodata"


def update(job: Job, create: Callable[[Path, Path], Path]) -> bool:
    """Make the metadata.

    Args:
        job: what is wanted.
        create: makes the metadata of packages with createrepo_c: the list of them, the directory for the outcome. Its
            faults go through.

    Returns:
        Whether it is made; if not, nothing is left behind.

    Raises:
        OSError: the outcome can't be written.
    """
    changes = contents.changes(job.old_repodata.parent, job.arch_dir)
    try:
        done = changes is not None and (_take_over(job, changes) or _splice(job, changes, create))
    except (Malformed, FileNotFoundError) as error:
        # Files that vanish: another host may be deleting that repo just now.
        logger.info("The metadata of %s is left to createrepo_c: %s", job.arch_dir, error)
        done = False
    if not done:
        shutil.rmtree(job.repodata, ignore_errors=True)
    return done


def _take_over(job: Job, changes: Changes) -> bool:
    """Copy the older metadata if it is what is wanted."""
    if changes.added or changes.removed or not _same_groups(job):
        return False
    older = repomd.read(job.old_repodata)
    if (_DATABASE in older.kinds) != job.databases or _MERGED in older.kinds:
        return False
    job.repodata.mkdir()
    for kind in older.kinds:
        name = older.name(kind)
        shutil.copyfile(job.old_repodata / name, job.repodata / name)
        lists.require(job.repodata / name, older.checksum(kind))
    (job.repodata / "repomd.xml").write_text(older.text, encoding="utf-8")
    _note(job, f"Nothing has changed since {job.old_repodata}: it is taken over.")
    return True


def _splice(job: Job, changes: Changes, create: Callable[[Path, Path], Path]) -> bool:
    """Make the lists from the older ones."""
    wanted = len(changes.wanted)
    if job.databases or len(set(changes.wanted)) != wanted:
        return False
    if len(changes.added) > wanted // 2:
        return False  # most has to be read anyway
    _note(job, f"{len(changes.added)} packages are new and {changes.removed} gone since {job.old_repodata}.")
    fresh = job.out / _FRESH
    fresh.mkdir()
    try:
        added = fresh / "pkglist"
        added.write_text("".join(f"{place}\n" for place in changes.added), encoding="utf-8")
        splice(job.old_repodata, create(added, fresh), job.repodata, changes)
    finally:
        shutil.rmtree(fresh)
    _note(job, f"The metadata of {wanted - len(changes.added)} packages has been taken over.")
    return True


def _same_groups(job: Job) -> bool:
    one, other = (
        directory / "groups" / "comps.xml" for directory in (job.old_repodata.parents[1], job.arch_dir.parent)
    )
    if not one.exists() or not other.exists():
        return one.exists() == other.exists()
    return filecmp.cmp(one, other, shallow=False)


def _note(job: Job, text: str) -> None:
    with job.log.open("a", encoding="utf-8") as opened:
        opened.write(f"{text}\n")
