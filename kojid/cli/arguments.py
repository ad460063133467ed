"""The daemon's command line (contract 1.2), derived from the option table."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List

from kojid import __version__
from kojid.config.loader import DEFAULT_FILE
from kojid.config.options import OPTIONS, Option


@dataclass(frozen=True)
class Invocation:
    """How the daemon was called.

    Args:
        config: the main configuration file, or a directory of them.
        overrides: values for options by name; None where the option was not given.
        foreground: stay attached and log to stderr too.
        force_lock: take the exclusive session from whoever holds it.
        verbose: log level INFO.
        debug: log level DEBUG.
        debug_task: the task handlers' logger alone at DEBUG.
        debug_xmlrpc: log every call's bytes.
        skip_main: with `foreground`, end with status 0 once the login has worked.
        warnings: lines for the log about obsolete options.
    """

    config: Path
    overrides: Dict[str, Any]
    foreground: bool = False
    force_lock: bool = False
    verbose: bool = False
    debug: bool = False
    debug_task: bool = False
    debug_xmlrpc: bool = False
    skip_main: bool = False
    warnings: List[str] = None  # type: ignore[assignment]


_SWITCHES = (
    (("-f", "--fg"), "foreground", "stay in the foreground and log to stderr too"),
    (("--force-lock",), "force_lock", "take over the exclusive session of this host"),
    (("-v", "--verbose"), "verbose", "log level INFO"),
    (("-d", "--debug"), "debug", "log level DEBUG"),
    (("--debug-task",), "debug_task", "log level DEBUG for the task handlers alone"),
    (("--debug-xmlrpc",), "debug_xmlrpc", "log the bytes of every hub call"),
    (("--skip-main",), "skip_main", "with --fg: end once the login has worked"),
)


def parser() -> argparse.ArgumentParser:
    """The argument parser of the daemon."""
    made = argparse.ArgumentParser(
        prog="kojid",
        description="Builder daemon of the Koji build system.",
        epilog="Sub-commands, each with its own --help: check (whether this host can work); "
        "status, top, logs (what this host does); drain, undrain, clean "
        "(for its maintenance); sandbox (a whole build system on this machine, to try things out).",
    )
    made.add_argument("--version", action="version", version=f"kojid {__version__}")
    made.add_argument(
        "-c",
        "--config",
        type=Path,
        default=DEFAULT_FILE,
        metavar="FILE",
        help=f"configuration (default: {DEFAULT_FILE})",
    )
    for flags, dest, text in _SWITCHES:
        made.add_argument(*flags, dest=dest, action="store_true", help=text)
    made.add_argument("--debug-mock", action="store_true", help=argparse.SUPPRESS)
    options = made.add_argument_group("options that override the configuration file")
    for option in OPTIONS:
        if option.flags:
            _add(options, option)
    return made


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    text = argparse.SUPPRESS if option.obsolete else option.help.replace("%", "%%")
    if isinstance(option.default, list):
        group.add_argument(*option.flags, dest=option.name, action="append", metavar=option.metavar, help=text)
        return
    metavar = option.metavar or "VALUE"
    group.add_argument(*option.flags, dest=option.name, type=_typed(option), metavar=metavar, help=text)


def _typed(option: Option) -> Any:
    def convert(text: str) -> Any:
        try:
            return option.kind.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def parse(argv: List[str]) -> Invocation:
    """Parse the arguments after the program's name.

    Raises:
        SystemExit: status 2 with the usage on stderr for a wrong argument; 0 for --help and --version.
    """
    found = parser().parse_args(argv)
    overrides = {option.name: getattr(found, option.name) for option in OPTIONS if option.flags}
    switches = {dest: getattr(found, dest) for _, dest, _ in _SWITCHES}
    warnings = ["--debug-mock is obsolete and ignored: mock's own logs are uploaded"] if found.debug_mock else []
    return Invocation(config=found.config, overrides=overrides, warnings=warnings, **switches)
