"""`kojid undrain`: this host takes tasks again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import List

from kojid.cli import drain as draining
from kojid.cli import local
from kojid.cli.words import ago
from kojid.daemon import drain
from kojid.errors import KojidError

_EPILOG = """\
exit status:
  0    it is not drained (any more)
  1    that could not be changed, or the configuration can't be used
  2    wrong command line
  4    the daemon runs and does not answer: it takes tasks as soon as it goes on
"""


def main(argv: List[str]) -> int:
    """Run the sub-command; returns the exit status."""
    return local.carry_out("undrain", lambda: _run(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    return local.parser("undrain", "Take tasks on this host again, after `kojid drain`.", _EPILOG)


def _run(arguments: argparse.Namespace) -> int:
    options = local.options_of(arguments.config)
    try:
        before = drain.end(options.state_dir)
    except PermissionError:
        raise
    except OSError as error:
        raise KojidError(f"{Path(options.state_dir, 'drained')} can't be removed: {error.strerror}") from error
    if before is None:
        print("this host was not drained")
        return 0
    return draining.tell(options, f"this host takes tasks again; it was drained {ago(before.since or None)}")
