"""`kojid logs`: the log of one task, and the logs of its build as long as they are on this host."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO, Dict, List, Optional, Union

import koji

from kojid.buildroot.chrootfiles import open_directory
from kojid.cli import local, taskview
from kojid.config.options import Options
from kojid.daemon import tasklog
from kojid.daemon.reattach import living
from kojid.errors import KojidError
from kojid.system.files import list_beneath, open_beneath, printable

_EPILOG = """\
The task's own log (task_log_dir) comes first, then what mock and rpmbuild write: build.log, root.log, mock_output.log
and the like. These are here until the buildroot is cleaned up; the task's own log is kept for task_log_lifetime. The
hub has all of them: koji watch-logs TASK.

exit status:
  0    the log was shown; with -f: the task has ended
  1    there is no log of this task here, or the configuration can't be used
  2    wrong command line
"""
_LINES = 50
_PAUSE = 0.3
_BLOCK = 1 << 20


def main(argv: List[str]) -> int:
    """Run the sub-command; returns the exit status."""
    return local.carry_out("logs", lambda: _run(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    made = local.parser("logs", "The logs of a task that runs on this host, or did not long ago.", _EPILOG)
    made.add_argument("task", type=local.task_id, metavar="TASK", help="the task's id")
    made.add_argument("-f", "--follow", action="store_true", help="show what is added, until the task has ended")
    made.add_argument(
        "-n",
        "--lines",
        type=_count,
        default=_LINES,
        metavar="N",
        help=f"last lines of each log, or all (default: {_LINES})",
    )
    made.add_argument("--log", metavar="NAME", help="only this one, e.g. build.log, or the task's own: task")
    return made


def _count(text: str) -> Optional[int]:
    if text == "all":
        return None
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor the word all")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    options = local.options_of(arguments.config)
    reader = _Reader(options, arguments.task, arguments.log)
    alive = _is_alive(options, arguments.task)
    shown = reader.show(arguments.lines)
    if not shown and not (alive and arguments.follow):
        raise KojidError(f"there is no log of task {arguments.task} here", f"koji watch-logs {arguments.task}")
    try:
        while arguments.follow and alive:
            time.sleep(_PAUSE)
            alive = _is_alive(options, arguments.task)  # looked at first, so that its last lines are not missed
            reader.show(None)
    except KeyboardInterrupt:
        pass
    return 0


def _is_alive(options: Options, number: int) -> bool:
    return any(record.task_id == number for record in living(local.ledger_of(options)))


class _Reader:
    """Shows logs, each from where it was read to.

    Args:
        options: the daemon's settings.
        number: the task.
        only: the name of the one log that is wanted.
    """

    def __init__(self, options: Options, number: int, only: Optional[str]) -> None:
        self._options = options
        self._number = number
        self._only = only
        self._read: Dict[Path, int] = {}
        self._last: Optional[Path] = None

    def show(self, lines: Optional[int]) -> bool:
        """Print what is new; returns whether there is any log.

        Args:
            lines: how many of a log that is shown for the first time; None: all.
        """
        own = tasklog.path_of(self._number, self._options.task_log_dir)
        found = self._only in (None, "task") and self._attempt(own, own.parent, lines)
        for place in self._places():
            with contextlib.suppress(OSError, koji.GenericError), open_directory(str(place)) as directory:
                for name in list_beneath(directory, "*.log"):
                    if self._only in (None, name):
                        found = self._attempt(place / name, directory, lines) or found
        sys.stdout.flush()
        return found

    def _places(self) -> List[Path]:
        """Where the logs of the build are: nothing there is trusted."""
        roots = taskview.chroots(self._options, local.ledger_of(self._options), self._number)
        return [taskview.workdir(self._options, self._number), *(root / "result" for root in roots)]

    def _attempt(self, path: Path, directory: Union[Path, int], lines: Optional[int]) -> bool:
        """Show one; one that has gone meanwhile, or is no file that a log can be, is none."""
        try:
            with open_beneath(directory, path.name) as source:
                self._show(path, source, lines)
        except (OSError, koji.GenericError):
            return False
        return True

    def _show(self, path: Path, source: BinaryIO, lines: Optional[int]) -> None:
        begin = self._read.get(path)
        if begin is None:
            begin = 0 if lines is None else begin_of_last(source, lines)
        if begin > source.seek(0, os.SEEK_END):
            begin = 0  # it has been begun anew
        source.seek(begin)
        for data in iter(functools.partial(source.read, _BLOCK), b""):
            self._print(path, data.decode("utf-8", errors="replace"))
        self._read[path] = source.tell()

    def _print(self, path: Path, text: str) -> None:
        if path != self._last and self._only is None:
            print("" if self._last is None else "\n", f"==> {path} <==\n", sep="", end="")
            self._last = path
        print("\n".join(printable(line.rstrip("\r")) for line in text.split("\n")), end="")


def begin_of_last(source: BinaryIO, lines: int) -> int:
    """Where the last so many lines of an open file begin."""
    end = source.seek(0, os.SEEK_END)
    if lines <= 0:
        return end
    position, wanted = end, lines + 1  # the end of the line before them
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        source.seek(position)
        data = source.read(step)
        if position + step == end and not data.endswith(b"\n"):
            wanted -= 1  # its last line has no end yet
        if data.count(b"\n") >= wanted:
            for _ in range(wanted):
                data = data[: data.rindex(b"\n")]
            return position + len(data) + 1
        wanted -= data.count(b"\n")
    return 0
