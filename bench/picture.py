"""The picture of a run: for each figure with a peer a bar of its ratio, and a mark where its target is, as SVG."""

from __future__ import annotations

import html
import math
from typing import Any, List, Mapping, Sequence

from bench.report import number

_ROW, _TOP, _LEFT, _WIDTH, _RIGHT = 22, 56, 250, 420, 240
_LEAST, _MOST = 0.001, 2.0  # ends of the logarithmic scale
_COLOURS = {"met": "#2f7d4f", "missed": "#b5482f", "shown": "#4f6d8f"}


def draw(rows: Sequence[Mapping[str, Any]]) -> str:
    """The picture, as the text of an SVG file."""
    shown = [row for row in rows if row["ratio"] is not None]
    height = _TOP + _ROW * len(shown) + 16
    width = _LEFT + _WIDTH + _RIGHT
    parts: List[str] = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(12, 20, "kojid beside a builder of the koji library: share of the peer's median, less is better", 14),
    ]
    for mark in (0.001, 0.01, 0.1, 1.0):
        place = _place(mark)
        parts.append(f'<line x1="{place}" y1="{_TOP - 8}" x2="{place}" y2="{height - 12}" stroke="#cccccc"/>')
        parts.append(_text(place, _TOP - 12, f"{mark:g}", anchor="middle"))
    for index, row in enumerate(shown):
        parts += _bar(_TOP + index * _ROW, row)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(top: int, row: Mapping[str, Any]) -> List[str]:
    end = _place(row["ratio"])
    colour = _COLOURS.get(row["verdict"], "#888888")
    middle = top + _ROW // 2 + 4
    words = f"{number(row['median'])} / {number(row['peer_median'])} {row['unit']} = {number(row['ratio'])}"
    parts = [
        _text(_LEFT - 8, middle, row["name"], anchor="end"),
        f'<rect x="{_LEFT}" y="{top + 3}" width="{max(1, end - _LEFT)}" height="{_ROW - 7}" fill="{colour}"/>',
        _text(_LEFT + _WIDTH + 8, middle, words),
    ]
    if row["target"] and row["target"]["kind"] == "ratio":
        place = _place(row["target"]["most"])
        parts.append(
            f'<line x1="{place}" y1="{top}" x2="{place}" y2="{top + _ROW - 1}" stroke="#000000" stroke-width="2"/>'
        )
    return parts


def _place(share: float) -> int:
    """Where a share is on the scale."""
    kept = min(max(share, _LEAST), _MOST)
    part = math.log(kept / _LEAST) / math.log(_MOST / _LEAST)
    return round(_LEFT + part * _WIDTH)


def _text(x: int, y: int, words: str, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}">{html.escape(words)}</text>'
