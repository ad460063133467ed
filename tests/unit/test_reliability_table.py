"""The table of faults names tests that exist."""

from __future__ import annotations

from tests.support.pages import DOCS, NAME, missing

PAGE = DOCS / "reliability.md"


def test_each_test_that_the_table_names_exists() -> None:
    text = PAGE.read_text()
    assert len(NAME.findall(text)) > 30
    assert missing(text) == []


def test_each_fault_of_the_table_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| fault ")]
    assert [row for row in rows if not NAME.search(row) and not row.rstrip(" |").endswith("chaos")] == []
