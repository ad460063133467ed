"""Making the metadata of one arch of a repo with createrepo_c, or with createrepo (contract 9.3, 1 to 3).

What an older repo's metadata spares is `update`'s to know.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional

import koji

from kojid.repos import contents, metadata, update
from kojid.repos.faults import failure, quote
from kojid.repos.update import Job
from kojid.repos.verify import require_whole
from kojid.system import phases
from kojid.system.process import run

logger = logging.getLogger("koji.build")

CREATEREPO_C = "/usr/bin/createrepo_c"
CREATEREPO = "/usr/bin/createrepo"
LOG = "createrepo.log"
EMPTY_MARK = "EMPTY_REPO"
_EMPTY_TEXT = "No packages belong to this repository, so its metadata is empty on purpose.\n"

OnTick = Optional[Callable[[], None]]


def command(
    options: Any,
    arch_dir: Path,
    out: Path,
    *,
    pkglist: Optional[Path],
    comps: Optional[Path],
    updated: bool = False,
    databases: bool = True,
) -> List[str]:
    """The command line (contract 9.3, 2).

    Args:
        options: the daemon's options.
        arch_dir: the repo's directory for the arch.
        out: where the metadata goes.
        pkglist: the list of packages; None when there are none, and then `out`, which is empty, is gone through.
        comps: the package groups, if there are any.
        updated: whether `out` holds older metadata to be used again.
        databases: whether SQLite databases are made too; the older createrepo always makes them.
    """
    argv = [CREATEREPO_C, "--error-exit-val"] if options.use_createrepo_c else [CREATEREPO]
    argv += ["-vd"] if databases or not options.use_createrepo_c else ["-v", "--no-database"]
    argv += ["-o", str(out)]
    if pkglist is not None:
        argv += ["-i", str(pkglist)]
    if comps is not None:
        argv += ["-g", str(comps)]
    if updated:
        argv.append("--update")
        if options.createrepo_skip_stat:
            argv.append("--skip-stat")
    return [*argv, str(arch_dir if pkglist is not None else out)]


def wants_databases(options: Any, tag_extra: Mapping[str, Any]) -> bool:
    """Whether a repo gets SQLite databases: only yum has a use for them, and making them is most of the work.

    Args:
        options: the daemon's options; `createrepo_databases` is yes, no or auto.
        tag_extra: the extra of the repo's tag, which says what its buildroots are filled with.
    """
    if options.createrepo_databases == "auto":
        return str(tag_extra.get("mock.package_manager", "")).startswith("yum")
    return bool(options.createrepo_databases == "yes")


@phases.during("createrepo")
def create(
    options: Any,
    arch_dir: Path,
    out: Path,
    *,
    log: Path,
    old_repodata: Optional[Path] = None,
    databases: bool = True,
    on_tick: OnTick = None,
) -> Path:
    """Make the metadata of one arch and make sure that no package was left out.

    Args:
        options: the daemon's options.
        arch_dir: ``<topdir>/repos/<tag>/<repo id>/<arch>`` as the hub has made it; only read.
        out: directory for the outcome; made when missing.
        log: file that the output of the command is appended to.
        old_repodata: metadata of an older repo to be used again, if any; a missing one is only a warning.
        databases: whether SQLite databases are made too.
        on_tick: called while the command runs, for streaming the log.

    Returns:
        The directory of the metadata, ``out/repodata``.

    Raises:
        koji.GenericError: the command failed, or left packages out. CommandTimeout: it took too long.
        HostFault: it is not installed, or this host's disk or memory is full.
    """
    out.mkdir(parents=True, exist_ok=True)
    maker = _Maker(options, arch_dir, log, databases, on_tick)
    if is_empty(arch_dir):
        return maker.run(out, None)
    pkglist = arch_dir / "pkglist"
    if not options.createrepo_update or old_repodata is None:
        return maker.run(out, pkglist)
    if not old_repodata.is_dir():
        logger.warning("Old repodata is missing: %s", old_repodata)
        return maker.run(out, pkglist)
    job = Job(arch_dir, old_repodata, out, log, databases)
    if options.use_createrepo_c and options.createrepo_skip_stat and update.update(job, maker.run_some):
        return job.repodata
    return maker.run(out, pkglist, old_repodata)


class _Maker:
    """Runs the command and looks at what it has made; arguments and errors as `create`."""

    def __init__(self, options: Any, arch_dir: Path, log: Path, databases: bool, on_tick: OnTick) -> None:
        self._options, self._arch_dir, self._log = options, arch_dir, log
        self._databases, self._on_tick = databases, on_tick
        comps = arch_dir.parent / "groups" / "comps.xml"
        self._comps = comps if comps.exists() else None

    def run_some(self, pkglist: Path, out: Path) -> Path:
        """Make metadata of the packages on a list, perhaps of none."""
        return self.run(out, pkglist if pkglist.stat().st_size > 0 else None)

    def run(self, out: Path, pkglist: Optional[Path], old_repodata: Optional[Path] = None) -> Path:
        """Make metadata; `old_repodata` is used again where it can be."""
        updated = old_repodata is not None and reuse(old_repodata, out / "repodata")
        argv = command(
            self._options,
            self._arch_dir,
            out,
            pkglist=pkglist,
            comps=self._comps,
            updated=updated,
            databases=self._databases,
        )
        if updated and old_repodata is not None and not contents.same_packages(old_repodata.parent, self._arch_dir):
            logger.warning("Packages have been replaced since the metadata of %s was made", old_repodata)
            argv = [word for word in argv if word != "--skip-stat"]
        status = run(argv, timeout=float(self._options.command_timeout), log=self._log, on_tick=self._on_tick)
        if not status.ok:
            raise failure("failed to create repo", argv[0], status, self._log)
        require_whole(out / "repodata", argv[0])
        check_count(out / "repodata", pkglist, self._log)
        return out / "repodata"


def mark_empty(repodata: Path) -> None:
    """Say in the metadata of a repo without packages that it is meant to be so (contract 9.3, 4)."""
    (repodata / EMPTY_MARK).write_text(_EMPTY_TEXT, encoding="utf-8")


def is_empty(arch_dir: Path) -> bool:
    """Whether the hub has put no package into an arch of a repo."""
    listed = arch_dir / "pkglist"
    return not listed.exists() or listed.stat().st_size == 0


def reuse(old_repodata: Optional[Path], repodata: Path) -> bool:
    """Put older metadata where the command looks for it.

    Args:
        old_repodata: the older repository's; None: there is none.
        repodata: where the new one's goes.

    Returns:
        Whether there is any.
    """
    if old_repodata is None:
        return False
    # Without it the command would leave the older files beside its own.
    if not (old_repodata / "repomd.xml").is_file():
        logger.warning("Old repodata is missing: %s", old_repodata)
        return False
    # Where packages came from is a matter of the merge, which is done anew; databases are never read.
    ignore = shutil.ignore_patterns("*pkgorigins.gz", "*.sqlite*", EMPTY_MARK)
    try:
        shutil.copytree(old_repodata, repodata, symlinks=True, ignore=ignore)
    except (OSError, shutil.Error) as error:
        # Another host may be deleting that repo just now; without it this only takes longer.
        logger.warning("Old repodata of %s can't be used: %s", old_repodata, error)
        shutil.rmtree(repodata, ignore_errors=True)
        return False
    return True


def check_count(repodata: Path, pkglist: Optional[Path], log: Path) -> None:
    """Compare what went in with what came out: a package that can't be read is not always an error to the command.

    Args:
        repodata: the metadata.
        pkglist: what the command was told to list; None: nothing.
        log: of the command.

    Raises:
        koji.GenericError: packages are missing.
    """
    wanted: List[str] = []
    if pkglist is not None:
        wanted = metadata.entries(pkglist.read_text(encoding="utf-8").splitlines())
    count = metadata.package_count(repodata)
    if count is None:
        logger.warning("How many packages the repo has can't be told; they should be %d", len(wanted))
        return
    # A package that is listed twice may count once or twice.
    if not len(set(wanted)) <= count <= len(wanted):
        missing = f"failed to create repo: it has {count} packages instead of {len(set(wanted))}"
        raise koji.GenericError("\n".join([f"{missing}; see {log.name} for more information", *quote(log)]))
