"""The operations guide has every line that the log can have at WARNING and ERROR, and every refusal of the start."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator, Set

from tests.support.pages import DOCS

PACKAGE = DOCS.parent / "kojid"
PAGE = DOCS / "operations.md"
LEVELS = {"warning", "error", "exception", "critical"}
FAULTS = {"ConfigError", "LoginError", "HostFault"}
# They show a text that others made, which the page has under its own heading.
PASSED_ON = {"…", "… …", "…:…… …"}


def template(node: ast.expr) -> str:
    """A message with … for all that is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-\d.]*[sdra]|%\([a-z]+\)s", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def calls(package: Path) -> Iterator[ast.Call]:
    """All calls with arguments, but for those of the sandbox, which no build host runs."""
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] != "sandbox":
            yield from (
                node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args
            )


def messages(package: Path) -> Set[str]:
    """What the code can log at those levels, or refuse the start or a task with."""
    found = set()
    for call in calls(package):
        function = call.func
        logs = isinstance(function, ast.Attribute) and function.attr in LEVELS and "log" in ast.unparse(function.value)
        if logs or (isinstance(function, ast.Name) and function.id in FAULTS):
            found.add(template(call.args[0]))
    return found - PASSED_ON


def told() -> Set[str]:
    """What stands in backticks in the first cells of the page's tables."""
    cells = [line.split(" | ")[0] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {
        text.strip() for cell in cells for text in re.findall(r"``(?!`)(.+?)``(?!`)|`([^`]+)`", cell) for text in text
    }


def test_each_line_has_its_meaning_and_remedy() -> None:
    found = messages(PACKAGE)
    assert len(found) > 150
    assert sorted(found - told()) == []


def test_each_row_of_the_page_says_what_to_do() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [row for row in rows if not all(cell.strip() for cell in row.strip("|").split(" | "))] == []
