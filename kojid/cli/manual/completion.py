"""Completions for bash and zsh, by shtab from the parsers."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from kojid.cli.manual import parsers

_FILES = frozenset({"FILE"})
_DIRECTORIES = frozenset({"DIR"})


def text(shell: str) -> str:
    """The completion script for `bash` or `zsh`.

    Raises:
        ImportError: shtab is not installed.
    """
    shtab = importlib.import_module("shtab")
    made: str = shtab.complete(combined(), shell=shell)
    return "".join(f"{line.rstrip()}\n" for line in made.replace(str(Path.home()), "~").splitlines())


def combined() -> argparse.ArgumentParser:
    """One parser for daemon and sub-commands, as the shell sees them."""
    made = parsers.daemon()
    made.description = None
    commands = made.add_subparsers(dest="command", metavar="COMMAND")
    for name, parser in parsers.of_subcommands().items():
        # the parser itself rather than a copy of its arguments: one with sub-parsers of its own can't be copied
        commands.add_parser(name, help=parsers.summary(name))
        commands.choices[name] = parser
        parser.description = None
    for parser in _all(made):
        for action in parser._actions:
            if str(action.metavar) in _FILES:
                action.complete = {"bash": "_shtab_compgen_files", "zsh": "_files"}  # type: ignore[attr-defined]
            elif str(action.metavar) in _DIRECTORIES:
                action.complete = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/"}  # type: ignore[attr-defined]
    return made


def _all(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return [parser, *(below for child in parsers.children(parser).values() for below in _all(child))]
