"""The table of metrics in docs/metrics.md: `python -m kojid.metrics.render docs/metrics.md` brings it up to date."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from kojid.metrics.table import TABLE, Metric

_PLACE = re.compile(r"(?<=<!-- the table -->\n).*(?=<!-- its end -->)", re.S)


def reference() -> str:
    """The table in Markdown, a row for each metric."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|", *map(_row, TABLE)]
    return "\n".join(lines) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


def brought_up_to_date(text: str) -> str:
    """A document with the present table in place of the one between its two marks."""
    return _PLACE.sub(lambda _: reference(), text)


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(brought_up_to_date(document.read_text(encoding="utf-8")), encoding="utf-8")
