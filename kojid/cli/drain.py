"""`kojid drain`: this host takes no more tasks, until `kojid undrain`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import List, Optional

from kojid.cli import local
from kojid.cli.words import shortened
from kojid.config.options import Options
from kojid.daemon import drain
from kojid.daemon.reattach import describe, living
from kojid.errors import KojidError
from kojid.system.files import printable

_DESCRIPTION = """\
Take no more tasks on this host. Those that run end in their own time; parents that only wait for their subtasks are
given back as soon as nothing else is left, so that another host goes on with them. The hub shows the host as not ready.
It stays so over restarts of daemon and machine, until `kojid undrain`."""
_EPILOG = """\
exit status:
  0    it is drained; with --wait: and nothing runs any more
  1    it could not be drained, or the configuration can't be used
  2    wrong command line
  4    the daemon runs and does not answer: it takes no more tasks as soon as it goes on
  5    the time of --timeout is up; the host stays drained
  130  --wait was interrupted; the host stays drained
"""
_TIMED_OUT = 5
_PAUSE = 0.5
_NEWS = 30.0  # seconds between two lines that say nothing new


def main(argv: List[str]) -> int:
    """Run the sub-command; returns the exit status."""
    return local.carry_out("drain", lambda: _run(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    made = local.parser("drain", _DESCRIPTION, _EPILOG)
    made.add_argument("--reason", default="", metavar="TEXT", help="why, for the log, `kojid status` and colleagues")
    made.add_argument("--wait", action="store_true", help="come back when no task is left")
    made.add_argument("--timeout", type=float, metavar="SECONDS", help="with --wait: no longer than this")
    return made


def _run(arguments: argparse.Namespace) -> int:
    options = local.options_of(arguments.config)
    try:
        made = drain.begin(options.state_dir, arguments.reason)
    except PermissionError:
        raise
    except OSError as error:
        raise KojidError(f"{Path(options.state_dir, 'drained')} can't be written: {error.strerror}") from error
    status = tell(options, f"{made}: this host takes no more tasks")
    if not arguments.wait:
        return status
    until = None if arguments.timeout is None else time.monotonic() + arguments.timeout
    try:
        return _wait(options, until)
    except KeyboardInterrupt:
        print("\nnot waited any longer; the host stays drained (kojid undrain ends that)", file=sys.stderr)
        return local.INTERRUPTED


def tell(options: Options, what: str) -> int:
    """Have the daemon look at the change at once; prints what there is to say, returns the exit status."""
    try:
        local.ask(options, op="look")
    except local.NoDaemon:
        print(f"{what}; no daemon runs now, the next one will know")
    except local.Silent as error:
        print(what)
        print(f"kojid: {error.message}; it will know as soon as it goes on", file=sys.stderr)
        return local.SILENT
    else:
        print(what)
    return 0


def _wait(options: Options, until: Optional[float]) -> int:
    told, next_news = "", 0.0
    while True:
        left = _left(options)
        if left == []:
            print("no task is left on this host")
            return 0
        text = "the daemon does not answer" if left is None else f"waiting for {len(left)}: {'; '.join(left)}"
        if text != told or time.monotonic() >= next_news:
            print(shortened(text, 500), flush=True)
            told, next_news = text, time.monotonic() + _NEWS
        if until is not None and time.monotonic() >= until:
            print("the time is up; the host stays drained", file=sys.stderr)
            return _TIMED_OUT
        time.sleep(_PAUSE)


def _left(options: Options) -> Optional[List[str]]:
    """The tasks that are still here, in words; None when that can't be told now.

    The daemon is to have looked at the hub since it was drained: until then it may just be taking one.
    """
    running = [printable(describe(record)) for record in living(local.ledger_of(options))]
    try:
        said = local.ask(options, op="status")
    except local.NoDaemon:
        return running
    except local.Silent:
        return running or None
    if running or said["kind"] != "drained":
        return running or ["the daemon's next look at the hub"]
    return [f"task {row['id']}" for row in said["tasks"]]
