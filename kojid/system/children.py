"""The direct children of a process, as cheaply as the kernel tells them."""

from __future__ import annotations

import os
from typing import List

from kojid.system import processes


def children(pid: int) -> List[int]:
    """Pids of the processes whose parent is `pid`; orphans that came to it as subreaper included."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return [int(word) for thread in threads for word in _listed(pid, thread)]
    except FileNotFoundError:  # a kernel without this list
        return [state.pid for state in processes.snapshot().values() if state.parent == pid]


def _listed(pid: int, thread: str) -> List[str]:
    with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as words:
        return words.read().split()


def runs(child: int) -> bool:
    """Whether a child of this process still runs; it is reaped if not."""
    try:
        return os.waitpid(child, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False
