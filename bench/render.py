"""`python -m bench.render [RESULTS [DOCUMENT]]`: put the tables of a run's results between the markers of a document.

Without arguments it is bench/results/results.json and docs/performance.md; figures that have no result there have a row
all the same.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, List, Mapping, Sequence

from bench import figures, report
from bench.harness import LIBRARY, Figure, all_figures
from bench.places import CHECKOUT
from bench.report import number

_DEFAULTS = (CHECKOUT / "bench/results/results.json", CHECKOUT / "docs/performance.md")
BEGIN = "<!-- results: written by `python -m bench.render` -->"
END = "<!-- end of results -->"


def text(results: Mapping[str, Any], order: Sequence[Figure]) -> str:
    """What stands between the markers: the results, and how each figure is measured."""
    return f"{table(results, order)}\n\n### How each figure is measured\n\n{explanations(order)}"


def explanations(order: Sequence[Figure]) -> str:
    """For each figure how a sample is taken, what the peer is, and how it grows."""
    lines = ["| figure | a sample | the peer | it grows |", "|---|---|---|---|"]
    peers = {LIBRARY: "the library's daemon"}
    lines += [f"| `{one.name}` | {one.how} | {peers.get(one.peer, one.peer)} | {one.grows} |" for one in order]
    return "\n".join(lines)


def table(results: Mapping[str, Any], order: Sequence[Figure]) -> str:
    """The table of every figure, with its results where there are any."""
    rows = {row["name"]: row for row in results["figures"]}
    lines = [
        "| figure | what | target | ours | peer | ratio | |",
        "|---|---|---|---|---|---|---|",
        *(_line(figure, rows.get(figure.name)) for figure in order),
    ]
    return "\n".join([_machine(results) if rows else "Not measured yet.", "", *lines, *_notes(order, rows)])


def _line(figure: Figure, row: Any) -> str:
    target = "–" if figure.target is None else f"≤ {figure.target.most:g}"
    if figure.target is not None and figure.target.kind == "absolute":
        target += f" {figure.unit}"
    if row is None:
        return f"| `{figure.name}` | {figure.what}, {figure.unit} | {target} | | | | not measured yet |"
    cells = [number(row["median"]), number(row["peer_median"]), number(row["ratio"]), row["verdict"]]
    return f"| `{figure.name}` | {figure.what}, {figure.unit} | {target} | {' | '.join(cells)} |"


def _notes(order: Sequence[Figure], rows: Mapping[str, Any]) -> List[str]:
    found: List[str] = []
    for figure in order:
        row = rows.get(figure.name)
        said = [] if row is None else [text for text in (row["skipped"], row["note"]) if text]
        if row is not None and row["limit"] is not None:
            said.append(f"the limit, as measured: {number(row['limit'])} {figure.unit}")
        found += [f"- `{figure.name}`: {'; '.join(said)}"] if said else []
    return ["", *found] if found else []


def _machine(results: Mapping[str, Any]) -> str:
    made, rows = results["machine"], results["figures"]
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    dates = sorted(row["date"] for row in rows)
    when = f"{dates[0]} to {dates[-1]}" if dates else "never"
    return (
        f"Measured {when}, commit {commits}: {made['processors']} processors ({made['processor']}), "
        f"{made['memory_mb']:,} MB, Linux {made['kernel']}, Python {made['python']}, koji {made['koji']}."
    )


def insert(document: str, made: str) -> str:
    """A document with what was made between its markers.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = document.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def main() -> None:
    """Write the table into a document."""
    results, document = (*map(Path, sys.argv[1:]), *_DEFAULTS[len(sys.argv) - 1 :])
    figures.load()
    found = report.read(results) if results.exists() else {"figures": []}
    document.write_text(insert(document.read_text(), text(found, all_figures())))


if __name__ == "__main__":
    main()
