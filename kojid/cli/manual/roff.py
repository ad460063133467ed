"""The few words of man(7) that the pages use; all text goes through `escape`."""

from __future__ import annotations

import re
import textwrap
from typing import Iterable, List

_CODE = re.compile(r"`([^`]+)`")
_SPECIAL = {"—": r"\(em", "–": r"\(en", "…": "...", "’": r"\(cq", "×": r"\(mu", "¼": r"\(14"}


def escape(text: str) -> str:
    """Text with nothing in it that roff would take for its own; `words` in backticks become bold."""
    made = (
        text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha").replace("~", r"\(ti")
    )
    for character, name in _SPECIAL.items():
        made = made.replace(character, name)
    made = _CODE.sub(r"\\fB\1\\fR", made)
    return "\n".join(rf"\&{line}" if line.startswith((".", "'")) else line for line in made.split("\n"))


def title(name: str, section: int, version: str, manual: str) -> List[str]:
    """The head of a page."""
    return [
        r".\" Made by `make generated`: change the option table or the parsers instead.",
        f'.TH {name.upper()} {section} "" "kojid {version}" "{manual}"',
        ".nh",
        ".ad l",
    ]


def section(name: str) -> str:
    """A section's heading."""
    return f'.SH "{escape(name)}"'


def subsection(name: str) -> str:
    """A heading in a section."""
    return f'.SS "{escape(name)}"'


def paragraph(text: str) -> List[str]:
    """A paragraph; its line breaks do not matter."""
    return [".PP", *_wrapped(text)]


def item(label: str, text: str) -> List[str]:
    """A label with what it means; the label is escaped already."""
    return [".TP", label, *(_wrapped(text) or [r"\&"])]


def _wrapped(text: str) -> List[str]:
    """Lines that can be read in a diff; none begins with what roff takes for a request."""
    lines = textwrap.wrap(escape(" ".join(text.split())), 78, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line.startswith((".", "'")) else line for line in lines]


def literal(lines: Iterable[str]) -> List[str]:
    """Lines as they are."""
    return [".PP", ".nf", *(escape(line) or r"\&" for line in lines), ".fi"]


def bold(text: str) -> str:
    """Bold text."""
    return rf"\fB{escape(text)}\fR"


def italic(text: str) -> str:
    """Text for which something else stands: a placeholder."""
    return rf"\fI{escape(text)}\fR"


def page(lines: Iterable[str]) -> str:
    """The page's text; a paragraph right after a heading needs no mark of its own."""
    made: List[str] = []
    for line in lines:
        if line != ".PP" or not made[-1].startswith((".SH", ".SS")):
            made.append(line)
    return "\n".join(made)
