"""What trees of processes use, seen from outside: any process may ask, nothing is kept."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Set

from kojid.system import processes
from kojid.system.cgroups import Group
from kojid.system.processes import ProcessState

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """What a process and all that belongs to it use.

    Args:
        pids: who that is.
        cpu_seconds: processor time so far.
        memory_bytes: memory of their own; what they share through files is left out.
    """

    pids: List[int]
    cpu_seconds: float
    memory_bytes: int


class Machine:
    """The processes of this machine at one moment."""

    def __init__(self) -> None:
        self._states = processes.snapshot()
        self._children: Mapping[int, List[int]] = defaultdict(list)
        self._sessions: Mapping[int, List[int]] = defaultdict(list)
        for state in self._states.values():
            self._children[state.parent].append(state.pid)
            self._sessions[state.session].append(state.pid)

    def state(self, pid: int) -> Optional[ProcessState]:
        """One process; None when there was none under this pid."""
        return self._states.get(pid)

    def usage(self, pid: int, cgroup: Optional[str] = None) -> Usage:
        """What a session leader, its session, their descendants and its control group use."""
        group = Group(Path(cgroup)) if cgroup else None
        grouped = set(group.pids()) if group else set()
        members = grouped | self._below({pid, *self._sessions.get(pid, ())})
        cpu = sum(processes.cpu_seconds(member) for member in members)
        if group is not None and grouped:
            cpu = max(cpu, group.cpu_seconds() or 0.0)
        return Usage(sorted(members), round(cpu, 2), memory(members))

    def _below(self, roots: Iterable[int]) -> Set[int]:
        found: Set[int] = set()
        heap = [pid for pid in roots if pid in self._states]
        while heap:
            pid = heap.pop()
            if pid not in found:
                found.add(pid)
                heap.extend(self._children.get(pid, ()))
        return found


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory that processes have to themselves."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            words = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
            total += (int(words[1]) - int(words[2])) * _PAGE
    return total


def age(start_time: int, now: float) -> float:
    """Seconds since a process was started; `now` is of the clock `time.CLOCK_BOOTTIME`."""
    return max(0.0, now - start_time / processes.CLOCK_TICKS)


def names(pids: Iterable[int]) -> Dict[int, str]:
    """The names of processes that are there."""
    found = {pid: processes.read_state(pid) for pid in pids}
    return {pid: state.name for pid, state in found.items() if state is not None}
