"""The command line of the sandbox: up, demo, status, koji, down, reset."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import List, Optional

from kojid.errors import KojidError
from kojid.sandbox import layout, requirements

_PROGRAM = "kojid sandbox"


def main(argv: Optional[List[str]] = None) -> int:
    """Run a sandbox command with these arguments; returns the exit status."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    for name in requirements.FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    try:
        requirements.check_modules()
        from kojid.sandbox import commands  # its imports may be what is missing

        return commands.COMMANDS[options.command](options)
    except KojidError as error:
        print(f"{_PROGRAM} {options.command}: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  -> {error.hint}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"{_PROGRAM} {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="A whole build system in one directory of this machine, to try kojid out; needs root.",
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--dir", type=Path, metavar="DIR", help=f"the sandbox's directory (default: {layout.default_dir()})"
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", parents=[where], help="make the sandbox, start hub and builder in the background")
    up.add_argument("--no-builder", action="store_true", help="only the hub, for a builder of your own")
    commands.add_parser("demo", parents=[where], help="build GNU hello before your eyes")
    commands.add_parser("status", parents=[where], help="what runs, where, and the latest tasks")
    koji = commands.add_parser("koji", parents=[where], help="the real koji client, as the sandbox's admin")
    koji.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="for the koji client")
    commands.add_parser("down", parents=[where], help="end builder and hub")
    commands.add_parser("reset", parents=[where], help="end both and delete everything")
    return made
