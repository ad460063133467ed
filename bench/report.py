"""The results of a run: the JSON file, and the table for a terminal."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from bench import facts
from bench.harness import Figure, Result, as_row

RESULTS = "results.json"
Row = Mapping[str, Any]


class Report:
    """The file of a run's results; each figure is written as soon as it is there.

    Args:
        path: of the file.
        keep: whether the figures that it has of former runs stay.
        size: "full", "quick" or "small".
    """

    def __init__(self, path: Path, *, keep: bool, size: str) -> None:
        self.path = path
        self._size = size
        self._rows: Dict[str, Row] = {}
        if keep and path.exists():
            self._rows = {row["name"]: row for row in read(path)["figures"]}

    def add(self, figure: Figure, result: Result) -> Row:
        """Take a result; returns its row."""
        row = {**as_row(figure, result), "size": self._size, **facts.moment()}
        self._rows[figure.name] = row
        return row

    def write(self, order: Sequence[str]) -> None:
        """Write the file; figures in this order, those of no name in it left out."""
        rows = [self._rows[name] for name in order if name in self._rows]
        made = {"format": 1, "machine": facts.machine(), "figures": rows}
        self.path.write_text(json.dumps(made, indent=1) + "\n")


def read(path: Path) -> Dict[str, Any]:
    """A file of results."""
    made: Dict[str, Any] = json.loads(path.read_text())
    return made


def number(value: Optional[float]) -> str:
    """With three digits that mean something; "–" for none."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(places, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def target(row: Row) -> str:
    """A row's target in words; "–" for none."""
    made = row["target"]
    if not made:
        return "–"
    return f"≤ {made['most']:g}" if made["kind"] == "ratio" else f"≤ {made['most']:g} {row['unit']}"


def line(row: Row) -> str:
    """A row in one line of a terminal."""
    if row["skipped"]:
        return f"{row['name']:<28} skipped: {row['skipped']}"
    cells = [number(row["median"]), number(row["peer_median"]), row["unit"], number(row["ratio"]), target(row)]
    return "{:<28} {:>10} {:>10} {:<12} {:>7} {:<12} ".format(row["name"], *cells) + str(row["verdict"])


def table(rows: Sequence[Row]) -> str:
    """All rows for a terminal, with a head."""
    head = "{:<28} {:>10} {:>10} {:<12} {:>7} {:<12} {}".format(
        "figure", "ours", "peer", "unit", "ratio", "target", "verdict"
    )
    lines: List[str] = [head, *map(line, rows)]
    missed = [str(row["name"]) for row in rows if row["verdict"] == "missed"]
    lines.append(f"missed: {', '.join(missed) or 'none'}")
    return "\n".join(lines)
