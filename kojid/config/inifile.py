"""INI text read past its mistakes, so that an administrator sees all of them at once."""

from __future__ import annotations

import configparser
from typing import List, Tuple

_MOST = 200  # mistakes; what has more is no configuration
_WORDS = {
    "DuplicateOptionError": "the option {option} is set twice",
    "DuplicateSectionError": "the section [{section}] stands twice",
    "ParsingError": "this is neither an option nor a comment; write NAME = VALUE",
}


def parse(text: str, section: str) -> Tuple[configparser.RawConfigParser, List[Tuple[int, str]]]:
    """Read INI text without interpolation; lines that can't be read are left out.

    Args:
        text: the whole file.
        section: the one that lines before any section are taken for.

    Returns:
        What could be read, and the mistakes, each with its line, by line.
    """
    lines = text.splitlines()
    headless = False
    mistakes: List[Tuple[int, str]] = []
    while True:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string("\n".join([*([f"[{section}]"] if headless else []), *lines, ""]))
        except configparser.MissingSectionHeaderError as error:
            mistakes.append((error.lineno, f"there is no [{section}] line before the first option"))
            headless = True
        except configparser.Error as error:
            for number in _lines_of(error):
                number = max(1, number - headless)
                # the line that was missing at the top comes later
                late = headless and lines[number - 1].strip() == f"[{section}]"
                if not late:
                    mistakes.append((number, _words(error)))
                _blank(lines, number)
        else:
            return parser, sorted(set(mistakes))
        if len(mistakes) > _MOST:
            return configparser.RawConfigParser(), sorted(set(mistakes))


def _lines_of(error: configparser.Error) -> List[int]:
    several = getattr(error, "errors", None)
    return [number for number, _ in several] if several else [getattr(error, "lineno", None) or 1]


def _words(error: configparser.Error) -> str:
    return _WORDS.get(type(error).__name__, "this can't be read: {message}").format(**vars(error))


def _blank(lines: List[str], number: int) -> None:
    """Leave out a line, and the indented ones that go on with it."""
    lines[number - 1] = ""
    for following in range(number, len(lines)):
        if not lines[following][:1].isspace():
            break
        lines[following] = ""
