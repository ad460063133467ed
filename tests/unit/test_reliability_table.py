"""The table of faults names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator, Sequence

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
NAME = re.compile(r"`([\w/]+\.py)::([\w:]+)`")


def names_in(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from names_in(node.body, f"{prefix}{node.name}::")


def test_each_test_that_the_table_names_exists() -> None:
    named = NAME.findall(PAGE.read_text())
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (TESTS / file).exists() or test not in names_in(ast.parse((TESTS / file).read_text()).body)
    ]
    assert len(named) > 30
    assert missing == []


def test_each_fault_of_the_table_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| fault ")]
    assert [row for row in rows if not NAME.search(row) and not row.rstrip(" |").endswith("chaos")] == []
