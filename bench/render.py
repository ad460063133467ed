"""`python -m bench.render [RESULTS [DOCUMENT]]`: put the tables of a run's results between the markers of a document.

Without arguments it is bench/results/results.json and docs/performance.md; figures that have no result there have a row
all the same.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from bench import figures, report
from bench.harness import LIBRARY, Figure, all_figures
from bench.places import CHECKOUT
from bench.report import Row, number

_DEFAULTS = (CHECKOUT / "bench/results/results.json", CHECKOUT / "docs/performance.md")
_PEERS = {LIBRARY: "the library's daemon"}
BEGIN = "<!-- results: written by `python -m bench.render` -->"
END = "<!-- end of results -->"


def text(results: Mapping[str, Any], order: Sequence[Figure]) -> str:
    """What stands between the markers: the results, and how each figure is measured."""
    rows = {row["name"]: row for row in results["figures"]}
    parts = [
        _machine(results) if rows else "Not measured yet.",
        table([figure for figure in order if figure.target is not None], rows),
        "Beside them, without a target of their own:",
        table([figure for figure in order if figure.target is None], rows),
        *_notes(order, rows),
        "### How each figure is measured",
        explanations(order),
    ]
    return "\n\n".join(parts)


def explanations(order: Sequence[Figure]) -> str:
    """How a sample is taken, what the peer is, and how it grows; figures of which the same is to be said together."""
    said: Dict[Tuple[str, str, str], List[str]] = {}
    for one in order:
        said.setdefault((one.how, _PEERS.get(one.peer, one.peer), one.grows), []).append(f"`{one.name}`")
    lines = ["| figure | a sample | the peer | it grows |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {' '.join(names)} | {' | '.join(words)} |" for words, names in said.items()])


def table(order: Sequence[Figure], rows: Mapping[str, Row]) -> str:
    """Figures, with their results where there are any."""
    lines = [
        "| figure | what | unit | ours | peer | ratio | target | |",
        "|---|---|---|--:|--:|--:|---|---|",
        *(_line(figure, rows.get(figure.name)) for figure in order),
    ]
    return "\n".join(lines)


def _line(figure: Figure, row: Optional[Row]) -> str:
    target = "" if figure.target is None else f"≤ {figure.target.most:g}"
    if figure.target is not None and figure.target.kind == "absolute":
        target += f" {figure.unit}"
    cells = ["", "", "", target, "not measured yet"]
    if row is not None:
        verdict = "" if row["verdict"] == "shown" else row["verdict"]
        cells = [number(row["median"]), number(row["peer_median"]), number(row["ratio"]), target, verdict]
    return f"| `{figure.name}` | {figure.what} | {figure.unit} | {' | '.join(cells)} |"


def _notes(order: Sequence[Figure], rows: Mapping[str, Row]) -> List[str]:
    found: List[str] = []
    for figure in order:
        row = rows.get(figure.name)
        said = [] if row is None else [text for text in (row["skipped"], row["note"]) if text]
        if row is not None and row.get("size", "full") != "full":
            said.append(f"a {row['size']} run of fewer samples")
        if row is not None and row["limit"] is not None:
            said.append(f"the limit, as measured: {number(row['limit'])} {figure.unit}")
        found += [f"- `{figure.name}`: {'; '.join(said)}"] if said else []
    return ["\n".join(found)] if found else []


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
