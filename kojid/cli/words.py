"""Figures in words: durations, sizes, moments."""

from __future__ import annotations

import time
from typing import Optional

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def duration(seconds: Optional[float]) -> str:
    """How long: "35 ms", "12 s", "5 min", "3.5 h", "12 d"; a dash when it is not known."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.0f} d"


def size(count: Optional[float]) -> str:
    """How much: "17 bytes", "3.4 GiB"; a dash when it is not known."""
    if count is None:
        return "-"
    step = 0
    while count >= 1024 and step < len(_UNITS) - 1:
        count, step = count / 1024, step + 1
    digits = 0 if step == 0 or count >= 100 else 1
    return f"{count:.{digits}f} {_UNITS[step]}"


def clock(seconds: Optional[float]) -> str:
    """Processor time as `top` shows it: "0:03", "12:41"; a dash when it is not known."""
    return "-" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def ago(moment: Optional[float]) -> str:
    """How long ago a moment is, given as seconds since the epoch; "never" for none."""
    return "never" if moment is None else f"{duration(max(0.0, time.time() - moment))} ago"


def until(moment: Optional[float]) -> str:
    """When something is due: "in 3 h", "now"; empty when that is not known."""
    if moment is None:
        return ""
    left = moment - time.time()
    return f"in {duration(left)}" if left > 0 else "now"


def shortened(text: str, width: int) -> str:
    """A text cut to a width, with dots where something is missing."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
