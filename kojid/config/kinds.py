"""The kinds of value an option can have, and how their text is read (contract 2.1).

A kind turns the text of an INI line or a command-line argument into the Python value that the daemon and its plugins
see, or raises `ValueError` with words for an admin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, List

_TRUE = frozenset({"1", "yes", "true", "on"})
_FALSE = frozenset({"0", "no", "false", "off"})


@dataclass(frozen=True)
class Kind:
    """One kind of value.

    Args:
        name: how messages and the reference call it.
        parse: text to value; raises ValueError.
        show: value to the text that `parse` reads back.
    """

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str


def _parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def _parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{text!r} is not a boolean; write one of true, false, yes, no, on, off, 1, 0")


def _parse_words(text: str) -> List[str]:
    return text.split()


def _parse_limit(text: str) -> str:
    """One or two whole numbers, kept as text: the resource limits are applied at start (contract 1.9)."""
    words = text.split()
    if not 1 <= len(words) <= 2 or not all(_is_int(word) for word in words):
        raise ValueError(f"{text!r} is not a limit; write SOFT or SOFT HARD as whole numbers")
    return text


def _is_int(word: str) -> bool:
    try:
        int(word)
    except ValueError:
        return False
    return True


def choice(*words: str) -> Kind:
    """A kind whose value is one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return Kind(" / ".join(words), parse)


STRING = Kind("string", lambda text: text)
INT = Kind("int", _parse_int)
BOOL = Kind("bool", _parse_bool, lambda value: "True" if value else "False")
WORDS = Kind("list", _parse_words, " ".join)
LIMIT = Kind("limit", _parse_limit)
