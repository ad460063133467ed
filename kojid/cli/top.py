"""`kojid top`: how this host is and what it does, live on the whole screen."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from typing import List

from kojid.cli import local
from kojid.errors import KojidError

_DESCRIPTION = """\
How this build host is and what it does, live: tasks with their phases, processor and memory, buildroots, and small
plots of load, memory, disk and tasks since the start of this program. Needs root, no hub, and Python's module rich."""
_EPILOG = """\
keys:
  q             leave                         Enter   the selected task in full
  Up, Down      select a task                 l       the end of its log
  + -           refresh more or less often    Esc     back
  space         hold the screen               ?       all keys

exit status:
  0    left by q or Ctrl-C
  1    there is no terminal, rich is missing, or the configuration can't be used
  2    wrong command line
"""


def main(argv: List[str]) -> int:
    """Run the sub-command; returns the exit status."""
    return local.carry_out("top", lambda: _run(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    made = local.parser("top", _DESCRIPTION, _EPILOG)
    made.add_argument(
        "--interval", type=float, default=2.0, metavar="SECONDS", help="seconds between two refreshes (default: 2)"
    )
    return made


def _run(arguments: argparse.Namespace) -> int:
    options = local.options_of(arguments.config)
    if importlib.util.find_spec("rich") is None:
        raise KojidError(
            "the Python module rich is not installed",
            "install the package python3-rich, or kojid[top] with pip; kojid status --watch works without",
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise KojidError("there is no terminal", "kojid status --watch works without one")
    from kojid.cli.dashboard import program  # its imports may be what is missing

    with contextlib.suppress(KeyboardInterrupt):
        program.run(options, max(0.2, arguments.interval))
    return 0
