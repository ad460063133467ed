"""How hard pressed the machine is: memory that is left, and the kernel's pressure figures."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

PRESSURE = Path("/proc/pressure")
MEMINFO = Path("/proc/meminfo")
KINDS = ("cpu", "memory", "io")


def pressure(kind: str) -> Optional[float]:
    """The percentage of the last 10 seconds in which some task had to wait for a resource.

    Args:
        kind: one of KINDS.

    Returns:
        None where the kernel does not keep these figures.
    """
    try:
        text = (PRESSURE / kind).read_text(encoding="ascii")
    except OSError:
        return None
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == "some":
            return float(dict(word.split("=") for word in words[1:])["avg10"])
    return None


def available_memory_mb() -> Optional[int]:
    """Memory that new programs could get without swapping, in MiB; None where the kernel does not say."""
    try:
        text = MEMINFO.read_text(encoding="ascii")
    except OSError:
        return None
    for line in text.splitlines():
        name, _colon, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) // 1024
    return None
