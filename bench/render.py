"""`python -m bench.render RESULTS DOCUMENT`: put the table of a run's results between the markers of a document."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, List, Mapping, Sequence

from bench import figures, report
from bench.harness import Figure, all_figures
from bench.report import number

BEGIN = "<!-- results: written by `python -m bench.render` -->"
END = "<!-- end of results -->"


def table(results: Mapping[str, Any], order: Sequence[Figure]) -> str:
    """The table of every figure, with its results where there are any."""
    rows = {row["name"]: row for row in results["figures"]}
    lines = [
        "| figure | what | target | ours | peer | ratio | |",
        "|---|---|---|---|---|---|---|",
        *(_line(figure, rows.get(figure.name)) for figure in order),
    ]
    return "\n".join([_machine(results), "", *lines, *_notes(order, rows)])


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


def insert(document: str, text: str) -> str:
    """A document with the text between its markers.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = document.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main() -> None:
    """Write the table into a document."""
    results, document = map(Path, sys.argv[1:])
    figures.load()
    document.write_text(insert(document.read_text(), table(report.read(results), all_figures())))


if __name__ == "__main__":
    main()
