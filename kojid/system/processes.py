"""What the kernel says of the processes on this machine: identities, parents, sessions, start times.

A process id alone names nothing for long: the kernel hands it out again. Here a process is a pid with its start time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessId(NamedTuple):
    """A process for good: its pid, and its start time in clock ticks since the machine came up."""

    pid: int
    start_time: int


class ProcessState(NamedTuple):
    """One line of /proc/PID/stat, as far as it is used here."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    threads: int
    start_time: int

    @property
    def identity(self) -> ProcessId:
        """The process, told apart from later ones under the same pid."""
        return ProcessId(self.pid, self.start_time)

    @property
    def ended(self) -> bool:
        """Whether it has ended and only waits to be reaped.

        A leader whose other threads still run is shown as a zombie too; such a process has not ended.
        """
        return self.state in "ZX" and self.threads <= 1


def parse_stat(line: str) -> ProcessState:
    """Take /proc/PID/stat apart; the name may hold blanks and parentheses, so the last ')' ends it."""
    head, _, tail = line.rpartition(")")
    pid, _, name = head.partition("(")
    fields = tail.split()
    return ProcessState(
        pid=int(pid),
        name=name,
        state=fields[0],
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        threads=int(fields[17]),
        start_time=int(fields[19]),
    )


def read_state(pid: int) -> Optional[ProcessState]:
    """The state of one process; None when there is none under this pid."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return parse_stat(stat.read())
    except (FileNotFoundError, ProcessLookupError):
        return None


def start_time(pid: int) -> Optional[int]:
    """Start time of a process in clock ticks since the machine came up; None when it does not exist."""
    state = read_state(pid)
    return state.start_time if state else None


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal; False when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) >> (number - 1) & 1)


def boot_id() -> str:
    """What tells this run of the machine from its others; start times are counted anew in each."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as text:
        return text.read().strip()


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its ended, reaped children have used; 0 when it does not exist."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / CLOCK_TICKS


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs."""
    state = read_state(process.pid)
    return state is not None and state.identity == process and not state.ended


def snapshot() -> Dict[int, ProcessState]:
    """Every process of this machine (of this pid namespace), by pid."""
    return {state.pid: state for state in _all_states()}


def _all_states() -> Iterator[ProcessState]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            state = read_state(int(name))
            if state is not None:
                yield state


def ancestors(pid: int) -> List[int]:
    """The pids above a process, its parent first, up to the first process of the pid namespace."""
    found: List[int] = []
    state = read_state(pid)
    while state is not None and state.parent > 0 and state.parent not in found:
        found.append(state.parent)
        state = read_state(state.parent)
    return found


def open_pidfd(pid: int) -> Optional[int]:
    """A file descriptor that becomes readable when the process ends; None where the kernel has none or it is gone.

    The caller closes it.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # no such process, a kernel before 5.3, or a filter that forbids the call
        return None
