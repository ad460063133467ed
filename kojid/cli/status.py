"""`kojid status`: how this host is and what it does; without a daemon, what is known all the same."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from typing import Iterator, List, Optional

from kojid.cli import local, picture, show, taskview
from kojid.cli.picture import Picture
from kojid.cli.words import shortened
from kojid.config.options import Options
from kojid.errors import KojidError
from kojid.system import usage

_EPILOG = """\
exit status:
  0    the daemon runs and has answered, ready or not
  1    the configuration can't be used, or there is no such task
  2    wrong command line
  3    no daemon runs: what is shown comes from its last status file and its ledger
  4    a daemon runs and does not answer: as with 3
"""
_STATUS = {picture.RUNS: 0, picture.SILENT: local.SILENT, picture.DEAD: local.NO_DAEMON, picture.NEVER: local.NO_DAEMON}
_CLEAR = "\x1b[H\x1b[2J"
_SIZES_SECONDS = 2.0  # for buildroots that have never been measured


def main(argv: List[str]) -> int:
    """Run the sub-command; returns the exit status."""
    return local.carry_out("status", lambda: _run(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    made = local.parser("status", "How this build host is, and what it does. Needs root, and no hub.", _EPILOG)
    made.add_argument("task", nargs="?", type=local.task_id, metavar="TASK", help="one task in full")
    made.add_argument("--json", action="store_true", help="as JSON (docs/operations.md has the fields)")
    made.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=2.0,
        metavar="SECONDS",
        help="again and again, every 2 seconds unless told otherwise; ends with Ctrl-C. With --json, a line each time",
    )
    return made


def _run(arguments: argparse.Namespace) -> int:
    options = local.options_of(arguments.config)
    if arguments.watch is None:
        return _once(options, arguments, indent=1)
    try:
        while True:
            if not arguments.json and sys.stdout.isatty():
                print(_CLEAR, end="")
            _once(options, arguments, indent=None)
            sys.stdout.flush()
            time.sleep(max(0.2, arguments.watch))
    except KeyboardInterrupt:
        return 0


def _once(options: Options, arguments: argparse.Namespace, indent: Optional[int]) -> int:
    found = _measured(options) if arguments.watch is None else picture.take(options)
    if arguments.task is not None:
        return _one(options, found, arguments, indent)
    if arguments.json:
        print(json.dumps(found, indent=indent))
    else:
        _print(show.lines(found))
    return _STATUS[found["daemon"]]


def _measured(options: Options) -> Picture:
    """A picture; where buildroots have never been measured, that is given a moment."""
    found = picture.take(options)
    until = time.monotonic() + _SIZES_SECONDS
    while found["measuring"] and any(row["bytes"] is None for row in found["buildroots"]) and time.monotonic() < until:
        time.sleep(0.1)
        found = picture.take(options)
    return found


def _print(lines: Iterator[str]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        print(line if width is None else shortened(line, width))


def _one(options: Options, found: Picture, arguments: argparse.Namespace, indent: Optional[int]) -> int:
    task = taskview.find(found["tasks"], arguments.task)
    if task is None:
        log = taskview.log_of(options, arguments.task)
        hint = f"its log is still here: kojid logs {arguments.task}" if log else ""
        raise KojidError(f"task {arguments.task} is not open on this host", hint)
    phases = picture.phases(options, arguments.task)
    processes = usage.names(task["processes"])
    if arguments.json:
        print(json.dumps({**task, "phases": phases, "processes": processes, "daemon": found["daemon"]}, indent=indent))
    else:
        if found["daemon"] != picture.RUNS:
            print(show.headline(found))
        for line in show.task_lines(task, phases, processes):
            print(line)
    return _STATUS[found["daemon"]]
