"""Ending a process tree: all of it, nothing but it, and without waiting in between (contract 4.7; 11.1, item 9).

A process belongs to the tree when it descends from the root, when it is in a session that the tree has made, or when it
runs in one of the tree's chroots. What has belonged once is remembered, so that a process which gets another parent
meanwhile is still found; it is told from a later one under its pid by its start time.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple, Union

from kojid.system.cgroups import Group
from kojid.system.processes import CLOCK_TICKS, ProcessId, ProcessState, ancestors, read_state, snapshot

logger = logging.getLogger("koji.TaskManager")

Steps = Sequence[Tuple[int, float]]
# SIGINT comes first because handlers of third parties clean up on it; the seconds are those of contract 4.7.
STEPS: Steps = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 3.0))
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.25
_MOST_SWEEPS = 50  # looks for newcomers before SIGKILL, of whom a fork bomb has many
_QUIET_SWEEPS = 5  # looks without one, when somebody does not stop because the kernel holds it
_STOPPED = "TtZX"


class Family:
    """The processes of a tree, known better with each look.

    Args:
        root: the process at the top; it may have ended.
        chroots: directories; what has its root directory in one of them belongs to the tree.
        known: processes that are known from elsewhere to belong to it.
        group: a control group whose members belong to it.
    """

    def __init__(
        self,
        root: int,
        chroots: Iterable[Union[Path, str]] = (),
        known: Iterable[ProcessId] = (),
        group: Optional[Group] = None,
    ) -> None:
        self._root = root
        self._group = group
        self._chroots = [os.path.realpath(chroot) for chroot in chroots]
        self._members: Set[ProcessId] = set(known)
        self._sessions: Dict[int, int] = {}  # session → clock ticks when it was first seen as the tree's
        state = read_state(root)
        self._outer = self._outer_session(state)
        if state is not None:
            self._members.add(state.identity)
            if state.session == root:
                self._sessions[root] = _ticks()

    @staticmethod
    def _outer_session(root: Optional[ProcessState]) -> Optional[int]:
        """The session that the root shares with others, if it does not lead its own."""
        return root.session if root is not None and root.session != root.pid else None

    def look(self) -> List[ProcessState]:
        """Who of the family is alive now, children before their parents. This process and those above never are."""
        now = _ticks()
        processes = snapshot()
        protected = {1, os.getpid(), *ancestors(os.getpid())}
        strange = {processes[pid].session for pid in protected if pid in processes} | {0, self._outer}
        found = [state for state in processes.values() if state.identity in self._members]
        found += [state for state in processes.values() if self._in_chroot(state.pid)]
        found += self._in_group()
        alive: Dict[int, ProcessState] = {}
        children = _by_parent(processes)
        while found:
            state = found.pop()
            if state.pid in alive or state.pid in protected:
                continue
            alive[state.pid] = state
            self._members.add(state.identity)
            found += children.get(state.pid, ())
            if state.session not in strange and state.session not in self._sessions:
                self._sessions[state.session] = now
            if not found:
                rest = [one for one in processes.values() if one.pid not in alive and one.pid not in protected]
                found = [one for one in rest if self._in_session(one, processes)]
        return _deepest_first([state for state in alive.values() if not state.ended], processes)

    def _in_session(self, state: ProcessState, processes: Dict[int, ProcessState]) -> bool:
        """Whether a process is in a session of the tree, and that session still is the tree's."""
        seen = self._sessions.get(state.session)
        if seen is None:
            return False
        leader = processes.get(state.session)
        # A leader that started after the session was first seen leads a later session of the same number.
        return leader is None or leader.start_time <= seen

    def _in_group(self) -> List[ProcessState]:
        """The members of the control group, those that came after the look at all processes too."""
        states = [read_state(pid) for pid in self._group.pids()] if self._group else []
        return [state for state in states if state is not None]

    def add_session(self, number: int, since: int) -> None:
        """Have the members of a session belong to the tree whose leader started at `since` (clock ticks)."""
        self._sessions.setdefault(number, since)

    def add_chroots(self, chroots: Iterable[Union[Path, str]]) -> None:
        """Have what runs in these directories belong to the tree."""
        self._chroots += [os.path.realpath(chroot) for chroot in chroots]

    def kill_group(self) -> None:
        """KILL for all members of the control group at once, if there is one and the kernel can."""
        if self._group is not None:
            self._group.kill()

    def _in_chroot(self, pid: int) -> bool:
        if not self._chroots:
            return False
        try:
            root = os.readlink(f"/proc/{pid}/root")
        except OSError:  # it is gone, a kernel thread, or not ours to look at
            return False
        return any(root == chroot or root.startswith(chroot + "/") for chroot in self._chroots)


def _ticks() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * CLOCK_TICKS) + 1


def _by_parent(processes: Dict[int, ProcessState]) -> Dict[int, List[ProcessState]]:
    children: Dict[int, List[ProcessState]] = {}
    for state in processes.values():
        children.setdefault(state.parent, []).append(state)
    return children


def _deepest_first(states: List[ProcessState], processes: Dict[int, ProcessState]) -> List[ProcessState]:
    def depth(state: ProcessState) -> int:
        steps = 0
        while state.parent in processes and steps < len(processes):
            state, steps = processes[state.parent], steps + 1
        return steps

    return sorted(states, key=depth, reverse=True)


def descendants(pid: int) -> List[ProcessId]:
    """The living processes below one, at any depth, and those in sessions that they have made; not the one itself."""
    children = [state.identity for state in snapshot().values() if state.parent == pid]
    return [state.identity for state in Family(pid, known=children).look() if state.pid != pid]


def send_signal(process: ProcessId, number: int) -> bool:
    """Signal exactly this process; False when it is gone, be its pid in use again or not.

    Raises PermissionError when it belongs to somebody whom this process may not signal.
    """
    if process.pid in (1, os.getpid()):
        return False
    pidfd: Optional[int] = None
    if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
        try:
            pidfd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        except OSError:  # a kernel before 5.3; then the moment between look and signal can't be closed
            pidfd = None
    try:
        state = read_state(process.pid)
        if state is None or state.identity != process or state.ended:
            return False
        if pidfd is None:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        if pidfd is not None:
            os.close(pidfd)
    return True


class Termination:
    """Ends a process tree in steps, each with its signal and its time, driven by a caller that never waits.

    ::

        ending = Termination(pid)
        while (again := ending.advance(time.monotonic())) is not None:
            ...  # do other things until then

    The tree's processes become nobody's: the caller reaps the root, and orphans if it is a subreaper.

    Args:
        pid: the process at the top of the tree.
        roots: chroot directories of the tree; whatever runs in them belongs to it.
        known: processes known from elsewhere to belong to it.
        steps: pairs of a signal and the seconds until the next one follows.
        family: the tree's processes as far as they are known already; `roots` and `known` are of no use then.
        root_first: whether SIGINT goes to the process at the top alone, while it lives, so that it can end the others
            in its own way.

    Attributes:
        leftover: the processes that not even the last step has ended; known once it is finished.
        met: the processes that had to be signalled so far.
    """

    def __init__(
        self,
        pid: int,
        *,
        roots: Iterable[Union[Path, str]] = (),
        known: Iterable[ProcessId] = (),
        steps: Steps = STEPS,
        family: Optional[Family] = None,
        root_first: bool = False,
    ) -> None:
        self.pid = pid
        self.leftover: List[ProcessId] = []
        self.met: Set[ProcessId] = set()
        self._root_first = root_first
        self._family = family or Family(pid, roots, known)
        self._steps = list(steps)
        self._number: Optional[int] = None
        self._until = 0.0
        self._pause = _FIRST_PAUSE
        self._signalled: Set[ProcessId] = set()

    def advance(self, now: float) -> Optional[float]:
        """Do what is due.

        Args:
            now: the time on the monotonic clock.

        Returns:
            When to call again at the latest; None when it is over: nothing is alive, or `leftover` says what.
        """
        alive = self._family.look()
        if not alive:
            self.leftover = []
            return None
        if self._number is None or now >= self._until:
            if not self._steps:
                self.leftover = [state.identity for state in alive]
                return None
            self._begin_step(now)
        self._signal(alive)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return min(self._until, now + self._pause)

    def _begin_step(self, now: float) -> None:
        self._number, seconds = self._steps.pop(0)
        self._until = now + seconds
        self._pause = _FIRST_PAUSE / 2
        self._signalled = set()

    def _signal(self, alive: List[ProcessState]) -> None:
        """Send this step's signal to those who have not had it."""
        if self._number == signal.SIGKILL:
            alive = self._freeze(alive)
            self._family.kill_group()
        elif self._number == signal.SIGINT and self._root_first:
            alive = [state for state in alive if state.pid == self.pid] or alive
        for state in alive:
            if state.identity not in self._signalled:
                self._signalled.add(state.identity)
                self.met.add(state.identity)
                self._send(state, self._number or signal.SIGKILL)

    def _freeze(self, alive: List[ProcessState]) -> List[ProcessState]:
        """Stop everybody before anybody is killed; returns who that is.

        A process that starts another in a session of its own and is killed at once leaves one behind that nothing
        ties to the tree. While it is merely stopped, it still is the other one's parent.
        """
        stopped: Set[ProcessId] = set()
        still = False  # whether nobody in the look before this one could start another process any more
        quiet = 0
        for _ in range(_MOST_SWEEPS):
            new = [state for state in alive if state.identity not in stopped]
            for state in new:
                stopped.add(state.identity)
                self._send(state, signal.SIGSTOP)
            quiet = 0 if new else quiet + 1
            if quiet and (still or quiet >= _QUIET_SWEEPS):
                break
            still = all(state.state in _STOPPED for state in alive)
            alive = self._family.look()
        return alive

    def _send(self, state: ProcessState, number: int) -> None:
        level = logging.DEBUG if number == signal.SIGSTOP else logging.INFO
        name = signal.Signals(number).name
        logger.log(level, "Sending %s to %s (pid %d, tree of %d)", name, state.name, state.pid, self.pid)
        try:
            send_signal(state.identity, number)
        except PermissionError:
            logger.warning("%s (pid %d) belongs to another user and can't be signalled", state.name, state.pid)


def terminate(pid: int, steps: Steps = STEPS) -> List[ProcessId]:
    """End a process tree and wait until that is done. Returns what is left over; the caller reaps the root."""
    ending = Termination(pid, steps=steps)
    while True:
        again = ending.advance(time.monotonic())
        if again is None:
            return ending.leftover
        time.sleep(max(0.0, again - time.monotonic()))
