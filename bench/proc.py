"""What the kernel knows of a process: memory and processor time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Dict, List

_TICK = os.sysconf("SC_CLK_TCK")
#: nanosleep and clock_nanosleep of x86_64, and of the other architectures.
_NANOSLEEP = ("35", "230", "101", "115")


def memory(pid: int) -> Dict[str, float]:
    """Megabytes of a process: "rss", "pss" (shared pages divided among their users), "private"."""
    found: Dict[str, float] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        found[name] = int(value.split()[0]) / 1024
    private = sum(found.get(name, 0.0) for name in ("Private_Clean", "Private_Dirty"))
    return {"rss": found["Rss"], "pss": found["Pss"], "private": private}


def cpu(pid: int) -> float:
    """Seconds of processor time of a process and of all that it has started, whether they still run or have ended."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    total = sum(int(field) for field in fields[11:15]) / _TICK  # its own and that of the children waited for
    for child in children(pid):
        with contextlib.suppress(OSError):  # it has ended just now: the next look has it among those waited for
            total += cpu(child)
    return total


def children(pid: int) -> List[int]:
    """The children of a process, the oldest first."""
    found: List[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return sorted(found)


def sleeps(pid: int) -> bool:
    """Whether a process is in a sleep for a time, rather than at work or waiting for somebody."""
    try:
        word = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    except OSError:
        return False
    return word in _NANOSLEEP
