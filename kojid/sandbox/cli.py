"""The command line of the sandbox: up, demo, maven, status, koji, down, reset."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from pathlib import Path
from typing import List, Optional

from kojid.errors import KojidError
from kojid.sandbox import layout, requirements

_PROGRAM = "kojid sandbox"


def main(argv: Optional[List[str]] = None) -> int:
    """Run a sandbox command with these arguments; returns the exit status."""
    options = parser().parse_args(sys.argv[1:] if argv is None else argv)
    for name in requirements.FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended then, too
    try:
        requirements.check_modules()
        from kojid.sandbox import commands  # its imports may be what is missing

        return commands.COMMANDS[options.command](options)
    except KojidError as error:
        print(f"{_PROGRAM} {options.command}: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  -> {error.hint}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print(f"{_PROGRAM} {options.command}: interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of the sandbox's command line."""
    made = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="A whole build system in one directory of this machine, to try kojid out; needs root.",
        parents=[_place(default=None)],
    )
    where = _place(default=argparse.SUPPRESS)  # a command without --dir keeps the one that stood before it
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", parents=[where], help="make the sandbox, start hub and builder in the background")
    up.add_argument("--hub-version", type=_release, metavar="VERSION", help="have the hub be an older one, e.g. 1.33.2")
    up.add_argument("--no-builder", action="store_true", help="only the hub, for a builder of your own")
    commands.add_parser("demo", parents=[where], help="build GNU hello before your eyes")
    commands.add_parser("maven", parents=[where], help="have the target demo make Maven builds, too")
    commands.add_parser("status", parents=[where], help="what runs, where, and the latest tasks")
    koji = commands.add_parser("koji", parents=[where], help="the real koji client, as the sandbox's admin")
    koji.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="for the koji client")
    commands.add_parser("down", parents=[where], help="end builder and hub")
    commands.add_parser("reset", parents=[where], help="end both and delete everything")
    return made


def _release(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no release; write it as 1.33 or 1.33.2")
    return text


def _place(default: object) -> argparse.ArgumentParser:
    """The option --dir, which stands before or after the command."""
    made = argparse.ArgumentParser(add_help=False)
    words = f"the sandbox's directory (default: {layout.default_dir()})"
    made.add_argument("--dir", type=Path, metavar="DIR", default=default, help=words)
    return made
