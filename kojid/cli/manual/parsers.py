"""The argument parsers of kojid and its sub-commands, and what they hold."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Dict, Iterator, List

from kojid.cli import arguments
from kojid.cli.main import SUBCOMMANDS


def daemon() -> argparse.ArgumentParser:
    """The daemon's own parser."""
    return arguments.parser()


def of_subcommands() -> Dict[str, argparse.ArgumentParser]:
    """The parsers of the sub-commands, by name.

    Raises:
        AttributeError: a module of SUBCOMMANDS has neither a function `parser` nor `_parser`.
    """
    found = {}
    for name, module_name in sorted(SUBCOMMANDS.items()):
        module = importlib.import_module(module_name)
        make = getattr(module, "parser", None) or getattr(module, "_parser", None)
        if make is None:
            raise AttributeError(
                f"{module_name} has no function parser(): its man page and completion are made from it"
            )
        found[name] = make()
    return found


def summary(name: str) -> str:
    """What a sub-command is for, in a line: its module's docstring after "`kojid NAME`: "."""
    first = (importlib.import_module(SUBCOMMANDS[name]).__doc__ or "").strip().splitlines()[0]
    words = first.partition(": ")[2] or first
    return words.rstrip(".")


def children(parser: argparse.ArgumentParser) -> Dict[str, argparse.ArgumentParser]:
    """The sub-parsers of a parser that has some."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def child_help(parser: argparse.ArgumentParser, name: str) -> str:
    """The line that a parser has for one of its sub-parsers."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return next((str(row.help or "") for row in action._choices_actions if row.dest == name), "")
    return ""


def shown(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options and arguments of a parser that its help shows, but for --help."""
    for action in parser._actions:
        if action.help is not argparse.SUPPRESS and not isinstance(
            action, (argparse._HelpAction, argparse._SubParsersAction)
        ):
            yield action


def help_of(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """An action's help, filled in; the caller's home is written as ~."""
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return text.replace(str(Path.home()), "~")


def values(action: argparse.Action) -> List[str]:
    """The placeholders of an action's values, with optional ones in brackets."""
    if action.nargs == 0:
        return []
    name = str(action.metavar or "{" + ",".join(map(str, action.choices or [])) + "}")
    if name == "{}":
        name = action.dest.upper()
    if action.nargs in ("?", "*"):
        return [f"[{name}]"]
    if action.nargs in ("+", "..."):
        return [f"{name} ..."] if action.nargs == "+" else [f"[{name} ...]"]
    return [name] * (action.nargs if isinstance(action.nargs, int) else 1)
