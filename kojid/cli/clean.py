"""`kojid clean`: have what is over removed now, or see what would go, why, and how much space that makes."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Set

from kojid.cli import local, words
from kojid.config.options import Options
from kojid.daemon import offline
from kojid.daemon.cleaner import Chore
from kojid.daemon.cleanrun import planned
from kojid.errors import KojidError, explain
from kojid.system import priority
from kojid.system.diskusage import disk_usage

_DESCRIPTION = """\
Remove now what is over on this host: content of ended tasks' buildroots, stray buildroots, stale mounts, working
directories of dead tasks, old logs, warm roots of repos that are over. The daemon does the same by itself when each
thing's time has come; here it tries again at once what failed before. With --all also what is over but kept for a
while, as when space is short: buildroots of ended tasks, those of failed ones too; working directories, and stray
buildroots that the hub has as expired, that have not changed for 10 minutes; all warm roots. Nothing that a running
task uses ever goes.

While no daemon runs this program does it itself, by the ledger and the age of things alone, as no hub is asked: a
buildroot goes when it has not changed for failed_buildroot_lifetime (10 minutes with --all)."""
_EPILOG = """\
exit status:
  0    all that was due is gone; with --dry-run: it is listed
  1    something could not be removed, or the configuration can't be used
  2    wrong command line
  4    the daemon runs and does not answer
  130  interrupted; the daemon goes on with what it has begun
"""
_PAUSE = 0.2
_SWEEP_SECONDS = 120.0  # a sweep asks the hub, which may take its time


def main(argv: List[str]) -> int:
    """Run the sub-command; returns the exit status."""
    return local.carry_out("clean", lambda: _run(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    made = local.parser("clean", _DESCRIPTION, _EPILOG)
    made.add_argument("--dry-run", action="store_true", help="remove nothing: list what would go, why, how much space")
    made.add_argument("--all", action="store_true", dest="everything", help="also what is over but kept for a while")
    return made


def _run(arguments: argparse.Namespace) -> int:
    options = local.options_of(arguments.config)
    try:
        progress = local.ask(options, op="clean", dry=arguments.dry_run, everything=arguments.everything)
    except local.NoDaemon:
        return _alone(options, dry=arguments.dry_run, everything=arguments.everything)
    return _list(_listed(options, progress)) if arguments.dry_run else _follow(options, progress)


def _listed(options: Options, progress: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """What the daemon's next sweep finds."""
    until = time.monotonic() + _SWEEP_SECONDS
    while not progress["listed"]:
        if time.monotonic() >= until:
            raise local.Silent(
                f"the daemon has not swept within {_SWEEP_SECONDS:g} s", "does the hub answer? see kojid status"
            )
        time.sleep(_PAUSE)
        progress = local.ask(options, op="progress", run=progress["run"])
    if progress["trouble"]:
        raise KojidError(str(progress["trouble"]))
    return list(progress["chores"])


def _list(chores: List[Dict[str, Any]]) -> int:
    """Show what would go; measuring it is done here, at the lowest priority."""
    priority.step_back()
    total = 0
    for chore in chores:
        taken = _size(chore)
        total += taken
        print(
            f"would go: {chore['key']}, {words.size(taken)}: {chore['why']}; {words.duration(chore['age'])} old",
            flush=True,
        )
    print(f"{_count(len(chores))} would go, {words.size(total)}" if chores else "there is nothing to clean up now")
    return 0


def _size(chore: Mapping[str, Any]) -> int:
    return sum(disk_usage(Path(path)) for path in chore["paths"])


def _count(number: int) -> str:
    return "1 thing" if number == 1 else f"{number} things"


def _follow(options: Options, progress: Dict[str, Any]) -> int:
    """Show what becomes of each."""
    run = progress["run"]
    if not _listed(options, progress):
        print("there is nothing to clean up now")
        return 0
    shown: Set[str] = set()
    failed = False
    while True:
        progress = local.ask(options, op="progress", run=run)
        for chore in progress["chores"]:
            if chore["outcome"] and chore["key"] not in shown:
                shown.add(chore["key"])
                failed = _tell(chore["key"], chore["outcome"], chore["why"]) or failed
        if progress["done"]:
            return local.FAILED if failed else 0
        time.sleep(_PAUSE)


def _tell(key: str, outcome: str, why: str) -> bool:
    """One line for what was done; returns whether it failed."""
    said = {
        "done": "removed",
        "gone": "no longer there or no longer due",
        "failed": "COULD NOT BE REMOVED, see the log",
    }
    print(f"{key}: {said[outcome]} ({why})", flush=True)
    return outcome == "failed"


def _alone(options: Options, *, dry: bool, everything: bool) -> int:
    """Do it here, under the daemon's own lock, so that none starts meanwhile."""
    print("no daemon runs: going by the ledger and the age of things", file=sys.stderr)
    ledger = local.ledger_of(options)
    if dry:
        return _list([vars(planned(chore)) for chore in offline.chores(options, ledger, everything=everything)])
    ledger.open()
    try:
        priority.step_back()
        outcomes = [_do(options, chore) for chore in offline.chores(options, ledger, everything=everything)]
    finally:
        ledger.close()
    if not outcomes:
        print("there is nothing to clean up now")
    return 0 if all(outcomes) else local.FAILED


def _do(options: Options, chore: Chore) -> bool:
    try:
        offline.carry_out(options, chore)
    except (KojidError, OSError) as error:
        print(f"{chore.key}: {explain(error)}", file=sys.stderr)
        return False
    return not _tell(chore.key, "done", chore.why)
