"""`python -m kojid.sandbox.mock`: the stand-in's command line, started by the set-uid wrapper."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import List, Optional

from kojid.sandbox.mock import config, kernel
from kojid.sandbox.mock.buildroot import VERSION, Buildroot
from kojid.sandbox.mock.caller import identify
from kojid.sandbox.mock.commands import run
from kojid.sandbox.mock.errors import Interrupted, MockError, NoPrivilege
from kojid.sandbox.mock.options import parse

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: List[str]) -> int:
    """Runs one command line and returns its exit status, mock's own (errors.py)."""
    try:
        return _run(arguments)
    except MockError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return error.status
    except PermissionError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return NoPrivilege.status
    except OSError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return MockError.status


def _run(arguments: List[str]) -> int:
    caller = identify(os.environ)
    options, rest = parse(arguments)
    directory = Path(options.configdir) if options.configdir else config.CONFIG_DIRECTORY
    settings = config.load(config.config_path(options.config, directory), caller)
    config.apply_command_line(settings, options)
    os.umask(0o022)
    os.setgroups([caller.gid])
    _catch_signals()
    kernel.become_subreaper()
    buildroot = Buildroot(settings, caller, options.verbosity)
    buildroot.logs.terminal(f"INFO: mock stand-in {VERSION} starting, args: {shlex.join(arguments)}")
    return run(buildroot, options, rest)


def _catch_signals() -> None:
    """The first signal ends the run in good order; more of them don't disturb that."""

    def interrupt(number: int, _frame: Optional[FrameType]) -> None:
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(number)

    for number in _SIGNALS:
        # A shell without job control starts its background jobs with SIGINT ignored, and so it stays, as with mock.
        if number != signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
