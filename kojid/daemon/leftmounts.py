"""Taking away mounts that tasks have left in buildroots, counted as the leaks that they are."""

from __future__ import annotations

from pathlib import Path
from typing import List

from kojid.metrics import tally
from kojid.system import mounts


def take_away(directory: Path) -> List[str]:
    """Detach what is mounted on or below a directory; returns what stays. See `mounts.unmount_under`."""
    found = mounts.mounts_under(directory)
    left = mounts.unmount_under(directory)
    if len(found) > len(left):
        tally.count("kojid_leaked_mounts_total", amount=float(len(found) - len(left)))
    return left
