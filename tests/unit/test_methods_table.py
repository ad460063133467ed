"""The page of task methods has them all, and names tests that exist for what each has to prove."""

from __future__ import annotations

import re
from typing import Dict, List, Set

from kojid.plugins.loader import SHIPPED
from kojid.tasks.registry import handlers
from tests.support.pages import DOCS, NAME, missing

PAGE = DOCS / "tasks.md"
METHODS = re.compile(r"^    Methods\b.*= \[(.*)\]", re.MULTILINE)


def rows(text: str) -> List[List[str]]:
    """The cells of the rows of all tables."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def methods() -> Set[str]:
    """The methods of the builder and of the plugins that come with it; a plugin without any by its own name."""
    found = set(handlers())
    for path in SHIPPED.glob("[a-z]*.py"):
        listed = METHODS.findall(path.read_text())
        found |= {name.strip("\"' ") for names in listed for name in names.split(",")} if listed else {path.stem}
    return found


def proofs() -> Dict[str, List[str]]:
    """What the table of proofs says of each method."""
    (_, table) = PAGE.read_text().split("\n## Proof\n")
    return {row[0]: row[1:] for row in rows(table) if row[0] != "method"}


def test_each_method_has_its_proofs() -> None:
    assert set(proofs()) == methods()
    assert {"runroot", "saveFailedTree", "scmpolicy", "build"} < methods()
    empty = [
        f"{method}: {cell}"
        for method, cells in proofs().items()
        for cell in cells
        if not NAME.search(cell) and not re.match(r"none.*: \w", cell)
    ]
    assert empty == []
    assert {len(cells) for cells in proofs().values()} == {3}


def test_each_test_that_the_page_names_exists() -> None:
    assert missing(PAGE.read_text()) == []


def test_each_method_is_described() -> None:
    """With its source, and with its parameters and results, of which plugins have a page of their own or columns."""
    described: List[str] = []
    for row in rows(PAGE.read_text().split("\n## Proof\n")[0]):
        described += [name.strip(" *") for name in row[0].split(",")]
    columns = {"runroot", "saveFailedTree", "buildSRPMFromSCM", "scmpolicy"}
    assert {name for name in methods() if described.count(name) < 2} <= columns
