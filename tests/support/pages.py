"""Tests that pages of the documentation name, as `e2e/test_x.py::test_y` in backticks: do they exist?"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator, List, Sequence

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
NAME = re.compile(r"`([\w/]+\.py)::([\w:]+)`")


def missing(text: str) -> List[str]:
    """The tests that a page names and that do not exist."""
    return [
        f"{file}::{test}"
        for file, test in NAME.findall(text)
        if not (TESTS / file).exists() or test not in _names_in(ast.parse((TESTS / file).read_text()).body)
    ]


def _names_in(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _names_in(node.body, f"{prefix}{node.name}::")
