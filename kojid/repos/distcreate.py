"""Making the metadata of a dist-repo with createrepo_c: deltas and zchunk if asked for (contract 9.5, 11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

import koji

from kojid.errors import HostFault
from kojid.repos import createrepo
from kojid.repos.createrepo import CREATEREPO, CREATEREPO_C, OnTick
from kojid.repos.faults import failure
from kojid.repos.verify import require_whole
from kojid.system.process import capture, run


class Wishes(NamedTuple):
    """How the metadata of a repository is to be made.

    Args:
        skip_stat: whether older metadata is trusted without a look at the packages.
        deltas: directories with older packages to make delta packages against.
        zchunk: whether files come as zchunk too.
        dictionaries: directory of zchunk dictionaries on this host, if any.
    """

    skip_stat: bool = False
    deltas: Sequence[Path] = ()
    zchunk: bool = False
    dictionaries: Optional[Path] = None


def wishes(options: Any, task: Mapping[str, Any], deltas: Sequence[Path]) -> Wishes:
    """What the options of a task and of this host come to.

    Args:
        options: the daemon's.
        task: the task's: createrepo_skip_stat, zck, zck_dict_dir.
        deltas: see `Wishes`.

    Raises:
        koji.GenericError: they contradict each other, or the dictionaries are no directory.
        HostFault: this host's createrepo can't do it.
    """
    asked = task.get("createrepo_skip_stat")
    dictionaries = task.get("zck_dict_dir")
    zchunk = bool(task.get("zck"))
    if dictionaries and not zchunk:
        raise koji.GenericError("zck_dict_dir is for zck only: ask for both or for neither")
    if zchunk and not options.use_createrepo_c:
        raise koji.GenericError("createrepo makes no zchunk files; use_createrepo_c is off on this host")
    if dictionaries and not Path(dictionaries).is_dir():
        raise koji.GenericError(f"zck_dict_dir is no directory on this host: {dictionaries}")
    skip_stat = bool(options.distrepo_skip_stat if asked is None else asked)
    made = Wishes(skip_stat, tuple(deltas), zchunk, Path(dictionaries) if dictionaries else None)
    _require_support(options, made)
    return made


def _require_support(options: Any, asked: Wishes) -> None:
    """createrepo_c leaves the option out of its help when it was built without the library for it."""
    wanted = [("--deltas", "delta packages", bool(asked.deltas)), ("--zck", "zchunk files", asked.zchunk)]
    wanted = [want for want in wanted if want[2]]
    if not wanted or not options.use_createrepo_c:
        return
    _status, text = capture([CREATEREPO_C, "--help"], timeout=60.0)
    for option, what, _ in wanted:
        if f"{option} ".encode() not in text:
            raise HostFault(f"createrepo_c of this host makes no {what}", f"install one that has the option {option}")


def command(
    options: Any, directory: Path, asked: Wishes, *, comps: Optional[Path], old_repodata: Optional[Path]
) -> List[str]:
    """The command line.

    Args:
        options: the daemon's.
        directory: of the repository, with a `pkglist`.
        asked: how it is to be made.
        comps: the package groups, if there are any.
        old_repodata: metadata that has been put into the directory to be used again, if any.
    """
    argv = [CREATEREPO_C, "--error-exit-val"] if options.use_createrepo_c else [CREATEREPO]
    argv += ["-vd", "-i", str(directory / "pkglist")]
    if comps is not None:
        argv += ["-g", str(comps)]
    if old_repodata is not None:
        argv.append("--update")
        if asked.skip_stat:
            argv.append("--skip-stat")
    if asked.deltas:
        argv.append("--deltas")
    for older in asked.deltas:
        argv += ["--oldpackagedirs", str(older)]
    if asked.zchunk:
        argv.append("--zck")
    if asked.dictionaries is not None:
        argv += ["--zck-dict-dir", str(asked.dictionaries)]
    return [*argv, str(directory)]


def create(
    options: Any,
    directory: Path,
    asked: Wishes,
    *,
    log: Path,
    comps: Optional[Path] = None,
    old_repodata: Optional[Path] = None,
    on_tick: OnTick = None,
) -> None:
    """Make the metadata of a repository, in its own directory, and make sure that no package was left out.

    Args:
        options: the daemon's.
        directory: of the repository, with its packages and a `pkglist`.
        asked: how it is to be made.
        log: file that the output of the command is appended to.
        comps: the package groups; left out when there are none.
        old_repodata: metadata of an older repository to be used again; a missing one is only a warning.
        on_tick: called while the command runs.

    Raises:
        koji.GenericError: the command failed, or left packages out. CommandTimeout: it took too long.
        HostFault: it is not installed, or this host's disk or memory is full.
    """
    reused = (
        old_repodata if options.createrepo_update and createrepo.reuse(old_repodata, directory / "repodata") else None
    )
    groups = comps if comps is not None and comps.is_file() else None
    argv = command(options, directory, asked, comps=groups, old_repodata=reused)
    status = run(argv, timeout=float(options.command_timeout), log=log, on_tick=on_tick)
    if not status.ok:
        raise failure("failed to create repo", argv[0], status, log)
    require_whole(directory / "repodata", argv[0])
    createrepo.check_count(directory / "repodata", directory / "pkglist", log)


def mark_empty(directory: Path) -> None:
    """Say in the metadata of a repository without packages that it is meant to be so."""
    createrepo.mark_empty(directory / "repodata")
