"""What was found, as lines for people and as JSON for programs."""

from __future__ import annotations

import os
import socket
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from kojid.cli.checks.base import ERROR, OK, SKIPPED, WARNING, Context
from kojid.cli.checks.runner import Result
from kojid.redaction import redact
from kojid.system.files import printable

FORMAT = 1  # of the JSON; it changes when a field goes or gets another meaning
LEVELS = (OK, WARNING, ERROR, SKIPPED)
_NAMES = 15  # columns for the name of a row
_MARKS = {OK: "ok", WARNING: "WARN", ERROR: "ERROR", SKIPPED: "-"}
_COLOURS = {OK: "32", WARNING: "33;1", ERROR: "31;1", SKIPPED: "2"}
_MARK_WIDTH = 5
_NARROWEST = 40


class Text:
    """Lines as they come, a heading above each section.

    Args:
        width: columns of the terminal; None leaves lines as long as they are.
        colour: whether the terminal shows colours.
    """

    def __init__(self, width: Optional[int], *, colour: bool) -> None:
        self._width = None if width is None else max(_NARROWEST, width)
        self._colour = colour
        self._section = ""

    def lines(self, result: Result) -> Iterator[str]:
        """The lines of one finding: what was found, and below it or behind it what to do."""
        if result.section != self._section:
            if self._section:
                yield ""
            self._section = result.section
            yield self._painted(result.section, "1")
        mark = self._painted(_MARKS[result.level].ljust(_MARK_WIDTH), _COLOURS[result.level])
        head = f"  {mark} {result.name.ljust(_NAMES)} "
        indent = " " * (2 + _MARK_WIDTH + 1 + _NAMES + 1)
        remedy = f"-> {clean(result.remedy)}" if result.remedy else ""
        if self._width is None:
            yield f"{head}{clean(result.text)} {remedy}".rstrip()
            return
        parts = [*self._wrapped(clean(result.text), indent), *self._wrapped(remedy, indent, "   ")]
        yield head + parts[0]
        yield from (indent + part for part in parts[1:])

    def _wrapped(self, text: str, indent: str, hanging: str = "") -> List[str]:
        width = max(20, (self._width or 0) - len(indent))
        return textwrap.wrap(text, width, subsequent_indent=hanging, break_on_hyphens=False)

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def clean(text: str) -> str:
    """A text on one line that no terminal obeys, without passwords."""
    return printable(redact(" ".join(text.split())))


def for_terminal(stream: Any) -> bool:
    """Whether colours are wanted on a stream."""
    return bool(stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb")


def status(results: Sequence[Result]) -> int:
    """The exit status: 0 all is fine, 1 there are warnings, 2 there are errors."""
    levels = {result.level for result in results}
    return 2 if ERROR in levels else 1 if WARNING in levels else 0


def counts(results: Sequence[Result]) -> Dict[str, int]:
    """How many findings there are of each level."""
    found = Counter(result.level for result in results)
    return {level: found[level] for level in LEVELS}


def summary(results: Sequence[Result]) -> str:
    """The last line."""
    found = counts(results)
    errors = _plural(found[ERROR], "error")
    text = f"{errors}, {_plural(found[WARNING], 'warning')}, {found[OK]} fine"
    return f"{text}, {found[SKIPPED]} not looked at" if found[SKIPPED] else text


def _plural(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def as_json(results: Sequence[Result], context: Context) -> Dict[str, Any]:
    """All of it for programs; docs/operations.md has the fields."""
    return {
        "format": FORMAT,
        "host": socket.gethostname(),
        "time": time.time(),
        "config": str(Path(context.config)),
        "offline": context.offline,
        "status": status(results),
        "counts": counts(results),
        "checks": [
            {
                "section": result.section,
                "name": result.name,
                "level": result.level,
                "text": clean(result.text),
                "remedy": clean(result.remedy),
            }
            for result in results
        ],
    }


def text_for(stream: Any, columns: int) -> Text:
    """The lines as this stream wants them: wrapped on a terminal, whole elsewhere."""
    return Text(columns if stream.isatty() else None, colour=for_terminal(stream))


def flush() -> None:
    """Show what has been found so far."""
    sys.stdout.flush()
