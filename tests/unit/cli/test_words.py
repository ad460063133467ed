"""Figures in words."""

from __future__ import annotations

import time
from typing import Optional

import pytest

from kojid.cli import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.035, "35 ms"), (12, "12 s"), (300, "5 min"), (3600 * 3.5, "3.5 h"), (86400 * 12, "12 d")],
)
def test_durations(seconds: Optional[float], text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (17, "17 bytes"),
        (2048, "2.0 KiB"),
        (200 << 20, "200 MiB"),
        (61 << 30, "61.0 GiB"),
        (5 << 50, "5120 TiB"),
    ],
)
def test_sizes(count: Optional[int], text: str) -> None:
    assert words.size(count) == text


def test_moments() -> None:
    now = time.time()
    assert words.ago(None) == "never"
    assert words.ago(now - 12.2) == "12 s ago"
    assert words.until(now + 3 * 3600 + 1) == "in 3.0 h"
    assert words.until(now - 1) == "now"
    assert words.until(None) == ""
    assert words.clock(761) == "12:41"
    assert words.clock(None) == "-"
    assert words.shortened("abcdef", 4) == "abc…"
