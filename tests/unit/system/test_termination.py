"""Ending process trees: all of them and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from kojid.system import forks, process, syscalls, termination
from kojid.system.processes import ProcessId, ancestors, parse_stat, read_state, snapshot
from kojid.system.termination import Termination, descendants, send_signal, terminate

from .test_process import alive, wait_for

QUICK = ((signal.SIGINT, 0.3), (signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
Tree = Callable[[str], int]


def identity(pid: int) -> ProcessId:
    state = read_state(pid)
    assert state is not None
    return state.identity


def reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """Starts a tree from Python code that calls ``tell()`` in each process; the root leads its own session."""
    roots: List[int] = []

    def start(code: str) -> int:
        prelude = (
            f"import os, signal, sys, time\ndef tell(): open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w').close()\n"
        )
        child = subprocess.Popen([sys.executable, "-c", prelude + code], start_new_session=True)
        child.returncode = 0  # the test reaps it
        roots.append(child.pid)
        return child.pid

    yield start
    for name in os.listdir(tmp_path):
        if name.isdigit() and alive(int(name)):
            os.kill(int(name), signal.SIGKILL)
    for root in roots:
        if alive(root):
            os.kill(root, signal.SIGKILL)
        reap(root)


def told(tmp_path: Path, number: int) -> List[int]:
    """The pids of the processes of a tree, once there are so many."""
    wait_for(lambda: len(os.listdir(tmp_path)) >= number, 20)
    return sorted(int(name) for name in os.listdir(tmp_path))


class TestStates:
    def test_a_name_with_blanks_and_parentheses_is_read(self) -> None:
        fields = "S 7 8 9 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 3 0 12345 1000 10"
        state = parse_stat(f"42 (a) S 1 (b) ) {fields}\n")
        assert (state.pid, state.name, state.state, state.parent) == (42, "a) S 1 (b) ", "S", 7)
        assert (state.group, state.session, state.threads, state.start_time) == (8, 9, 3, 12345)

    def test_a_missing_process_has_no_state(self) -> None:
        child = subprocess.Popen(["true"])
        child.wait()
        assert process.start_time(child.pid) is None
        assert process.open_pidfd(child.pid) is None

    def test_a_process_with_living_threads_has_not_ended(self) -> None:
        assert parse_stat("1 (x) Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0").ended
        assert not parse_stat("1 (x) Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 4 0 5 0 0").ended

    def test_this_process_is_in_the_snapshot_below_its_ancestors(self) -> None:
        ours = snapshot()[os.getpid()]
        assert ours.parent == os.getppid() == ancestors(os.getpid())[0]
        assert ours.start_time == process.start_time(os.getpid())


class TestSendSignal:
    def test_a_process_is_signalled(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            assert send_signal(identity(child.pid), signal.SIGTERM)
            status = child.wait(10)
            assert status is not None
            assert status.signal == signal.SIGTERM

    @pytest.mark.parametrize("pidfd", [True, False])
    def test_another_process_under_the_same_pid_is_not_signalled(
        self, pidfd: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not pidfd:
            monkeypatch.delattr(os, "pidfd_open")
        with process.spawn(["sleep", "60"]) as child:
            earlier = ProcessId(child.pid, identity(child.pid).start_time - 1)
            assert not send_signal(earlier, signal.SIGKILL)
            assert child.wait(0.1) is None
            assert send_signal(identity(child.pid), signal.SIGKILL)

    def test_the_first_process_and_this_one_are_never_signalled(self) -> None:
        assert not send_signal(identity(1), signal.SIGCONT)
        assert not send_signal(identity(os.getpid()), signal.SIGCONT)

    def test_a_process_that_ended_is_not_signalled(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            gone = identity(child.pid)
            child.kill(signal.SIGKILL)
            child.ended(10)
            assert not send_signal(gone, signal.SIGKILL), "a zombie"
        assert not send_signal(gone, signal.SIGKILL), "nobody"


class TestDescendants:
    def test_children_of_children_and_other_sessions_are_found(self, tree: Tree, tmp_path: Path) -> None:
        root = tree("tell()\nif os.fork() == 0:\n os.setsid(); tell()\n if os.fork() == 0: tell()\ntime.sleep(60)")
        pids = told(tmp_path, 3)
        assert sorted(one.pid for one in descendants(root)) == [pid for pid in pids if pid != root]

    def test_the_children_of_this_process_are_found(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            assert identity(child.pid) in descendants(os.getpid())

    def test_nobody_descends_from_a_process_that_is_not_there(self) -> None:
        assert descendants(2**22 - 1) == []


class TestTermination:
    def check_gone(self, root: int, pids: List[int]) -> None:
        assert [pid for pid in pids if alive(pid)] == []
        reap(root)

    def test_a_tree_that_obeys_is_ended_with_the_first_signal(self, tree: Tree, tmp_path: Path) -> None:
        root = tree("tell(); os.fork(); tell(); time.sleep(60)")
        pids = told(tmp_path, 2)
        start = time.monotonic()
        assert terminate(root, ((signal.SIGINT, 60.0),)) == []
        assert time.monotonic() - start < 50, "the step was not waited out"
        self.check_gone(root, pids)

    def test_processes_that_ignore_signals_are_killed(self, tree: Tree, tmp_path: Path) -> None:
        root = tree(
            "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "os.fork(); tell(); time.sleep(60)"
        )
        pids = told(tmp_path, 2)
        assert terminate(root, QUICK) == []
        self.check_gone(root, pids)

    def test_other_sessions_are_ended_too(self, tree: Tree, tmp_path: Path) -> None:
        root = tree(
            "tell()\nfor _ in range(3):\n if os.fork() == 0:\n  os.setsid(); tell(); time.sleep(60)\ntime.sleep(60)"
        )
        pids = told(tmp_path, 4)
        assert terminate(root, QUICK) == []
        self.check_gone(root, pids)

    def test_a_process_that_gets_another_parent_meanwhile_is_ended(self, tree: Tree, tmp_path: Path) -> None:
        # On SIGINT the root and the middle process end; the last one ignores it and is an orphan in its own session.
        root = tree(
            "if os.fork() == 0:\n"
            " if os.fork() == 0:\n"
            "  os.setsid(); signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            " tell(); time.sleep(60)\n"
            "tell(); time.sleep(60)"
        )
        pids = told(tmp_path, 3)
        assert terminate(root, QUICK) == []
        self.check_gone(root, pids)

    def test_an_orphan_in_a_session_of_the_tree_is_ended(self, tree: Tree, tmp_path: Path) -> None:
        # The middle process has ended before anybody looked: only the session tells where the orphan belongs.
        root = tree(
            "if os.fork() == 0:\n if os.fork() == 0:\n  tell(); time.sleep(60)\n os._exit(0)\n"
            "os.wait(); tell(); time.sleep(60)"
        )
        pids = told(tmp_path, 2)
        assert terminate(root, QUICK) == []
        self.check_gone(root, pids)

    def test_a_daemon_below_a_subreaper_is_ended(self, tree: Tree, tmp_path: Path) -> None:
        root = tree(
            "import ctypes; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
            "if os.fork() == 0:\n"
            " os.setsid()\n"
            " if os.fork() == 0:\n  os.setsid(); tell(); time.sleep(60)\n"
            " os._exit(0)\n"
            "os.wait(); tell(); time.sleep(60)"
        )
        pids = told(tmp_path, 2)
        assert terminate(root, QUICK) == []
        self.check_gone(root, pids)

    def test_what_outlived_the_root_is_ended_as_long_as_the_root_is_not_reaped(
        self, tree: Tree, tmp_path: Path
    ) -> None:
        root = tree("if os.fork() == 0:\n tell(); time.sleep(60)\nos._exit(0)")
        pids = told(tmp_path, 1)
        os.waitid(os.P_PID, root, os.WEXITED | os.WNOWAIT)
        assert terminate(root, QUICK) == []
        self.check_gone(root, pids)

    def test_a_strange_name_hides_nobody(self, tree: Tree, tmp_path: Path) -> None:
        root = tree(
            "import ctypes; ctypes.CDLL(None).prctl(15, b') S 1 (x) 1', 0, 0, 0)\nos.fork(); tell(); time.sleep(60)"
        )
        pids = told(tmp_path, 2)
        assert terminate(root, QUICK) == []
        self.check_gone(root, pids)

    def test_those_who_start_others_while_they_die_are_ended(self, tree: Tree, tmp_path: Path) -> None:
        root = tree(
            "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
            "tell()\n"
            "end = time.monotonic() + 20\n"
            "while time.monotonic() < end:\n"
            " if os.fork() == 0:\n  os.setsid(); tell()\n"
            " time.sleep(0.1)\n"
            "time.sleep(60)"
        )
        told(tmp_path, 4)
        assert terminate(root, ((signal.SIGTERM, 0.2), (signal.SIGKILL, 10.0))) == []
        self.check_gone(root, told(tmp_path, 4))

    def test_neighbours_in_the_same_session_are_left_alone(self) -> None:
        with process.spawn(["sleep", "60"]) as ours, process.spawn(["sleep", "60"]) as neighbour:
            assert terminate(ours.pid, QUICK) == []
            assert ours.wait(10) is not None
            assert neighbour.wait(0.1) is None

    def test_this_process_and_those_above_it_are_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(termination, "send_signal", lambda *_: pytest.fail("a signal was sent"))
        for pid in (os.getpid(), os.getppid(), 1):
            assert Termination(pid).advance(0.0) is None

    def test_a_process_that_is_gone_needs_nothing(self) -> None:
        ending = Termination(2**22 - 1)
        assert ending.advance(0.0) is None
        assert ending.leftover == []

    def test_a_later_process_under_the_pid_is_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with process.spawn(["sleep", "60"], new_session=True) as child:
            later = identity(child.pid)
            ending = Termination(2**22 - 1, known=[ProcessId(later.pid, later.start_time - 5)])
            assert ending.advance(0.0) is None
            assert child.wait(0.1) is None

    def test_processes_known_from_elsewhere_are_ended(self) -> None:
        with process.spawn(["sleep", "60"], new_session=True) as child:
            ending = Termination(2**22 - 1, known=[identity(child.pid)])
            assert ending.advance(0.0) is not None
            assert child.wait(10) is not None
            assert ending.advance(0.0) is None

    def test_no_step_waits(self, tree: Tree, tmp_path: Path) -> None:
        root = tree("signal.signal(signal.SIGINT, signal.SIG_IGN); tell(); time.sleep(60)")
        told(tmp_path, 1)
        ending = Termination(root)
        start = time.monotonic()
        again = ending.advance(100.0)
        assert time.monotonic() - start < 2.9, "the step's time was not waited out"
        assert again is not None
        assert 100.0 < again <= 100.3

    def test_each_process_gets_each_signal_once(
        self, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = tree("tell(); time.sleep(60)")
        told(tmp_path, 1)
        sent: List[int] = []
        monkeypatch.setattr(termination, "send_signal", lambda _process, number: sent.append(number))
        ending = Termination(root)
        for now in (0.0, 0.1, 2.9, 3.1, 4.9, 5.2, 8.1):
            assert ending.advance(now) is not None
        assert sent == [signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL, signal.SIGSTOP]
        assert ending.advance(8.3) is None
        assert ending.leftover == [identity(root)]

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can chroot")
    def test_what_runs_in_a_chroot_of_the_tree_is_ended(self, tmp_path: Path) -> None:
        jail, other = tmp_path / "tag-1-3" / "root", tmp_path / "tag-1-34" / "root"

        def imprisoned(where: Path) -> int:
            where.mkdir(parents=True)

            def main() -> None:
                os.chroot(where)
                time.sleep(60)

            pid = forks.fork(main, name="x")
            wait_for(lambda: os.readlink(f"/proc/{pid}/root") == str(where))
            return pid

        inside, outside = imprisoned(jail), imprisoned(other)
        ending = Termination(2**22 - 1, roots=[tmp_path / "tag-1-3"])
        now = 0.0
        while (again := ending.advance(now)) is not None:
            now = again
            time.sleep(0.01)
        assert ending.leftover == []
        assert not alive(inside)
        assert alive(outside)
        os.kill(outside, signal.SIGKILL)
        reap(inside)
        reap(outside)


def test_the_first_signal_can_be_the_roots_alone(tree: Tree, tmp_path: Path) -> None:
    note = tmp_path.parent / f"{tmp_path.name}.notes"
    root = tree(
        "def leave(who):\n"
        "    def end(number, frame):\n"
        f"        notes = os.open({str(note)!r}, os.O_WRONLY|os.O_APPEND|os.O_CREAT)\n"
        "        os.write(notes, f'{who} {number}\\n'.encode())\n"
        "        os._exit(0)\n"
        "    for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, end)\n"
        "    tell(); time.sleep(60)\n"
        "if os.fork(): leave('root')\n"
        "os.setsid(); leave('child')\n"
    )
    told(tmp_path, 2)
    ending = Termination(root, steps=((signal.SIGINT, 0.5), (signal.SIGTERM, 5.0)), root_first=True)
    first = ending.advance(time.monotonic())
    assert first is not None
    wait_for(lambda: note.exists() and note.read_text() == "root 2\n", 20)
    while (again := ending.advance(time.monotonic())) is not None:
        time.sleep(max(0.0, again - time.monotonic()))
    assert note.read_text().splitlines()[0] == "root 2"
    assert ending.leftover == []


def test_a_process_can_be_made_a_subreaper_and_named() -> None:
    def main() -> None:
        syscalls.prctl(syscalls.PR_SET_NAME, b"renamed")
        assert Path("/proc/self/comm").read_text() == "renamed\n"
        with pytest.raises(OSError, match="Invalid argument"):
            syscalls.prctl(9999, 0)

    assert os.waitpid(forks.fork(main, name="x"), 0)[1] == 0
