"""Processes that run our own code."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Callable

import pytest

from kojid.errors import HostFault
from kojid.system import process
from kojid.system.process import ExitStatus


def outcome(main: Callable[[], None]) -> ExitStatus:
    pid = process.fork(main, name="test")
    return ExitStatus.from_raw(os.waitpid(pid, 0)[1])


def fail() -> None:
    raise ValueError("broken")


def test_a_function_that_returns_ends_the_process_with_status_0() -> None:
    assert outcome(lambda: None) == ExitStatus(0)


def test_an_exception_ends_the_process_with_status_1() -> None:
    assert outcome(fail) == ExitStatus(1)


@pytest.mark.parametrize(("code", "status"), [(0, 0), (3, 3), (None, 0), ("words", 1)])
def test_system_exit_sets_the_status(code: object, status: int) -> None:
    assert outcome(lambda: sys.exit(code)) == ExitStatus(status)  # type: ignore[arg-type]


def test_the_process_leads_its_own_session_under_its_name(tmp_path: Path) -> None:
    def tell() -> None:
        leads = os.getsid(0) == os.getpid() == os.getpgid(0)
        (tmp_path / "told").write_text(f"{leads} {Path('/proc/self/comm').read_text()}")

    assert outcome(tell).ok
    assert (tmp_path / "told").read_text() == "True test\n"


def test_the_parents_handlers_and_mask_do_not_reach_the_process() -> None:
    def check() -> None:
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()

    term = signal.signal(signal.SIGTERM, lambda *_: None)
    hup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        assert outcome(check).ok
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask | {signal.SIGUSR2}
    finally:
        signal.signal(signal.SIGTERM, term)
        signal.signal(signal.SIGHUP, hup)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_a_refused_fork_is_a_fault_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(HostFault, match="no process could be started for task 5: Resource temporarily"):
        process.fork(lambda: None, name="task 5")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_reaping_does_not_wait() -> None:
    read, write = os.pipe()

    def until_told() -> None:
        os.read(read, 1)

    pid = process.fork(until_told, name="test")
    assert process.reap(pid) is None
    os.write(write, b"x")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert process.reap(pid) == ExitStatus(0)
    with pytest.raises(ChildProcessError):
        process.reap(pid)
    os.close(read)
    os.close(write)


def test_a_subreaper_inherits_orphans(tmp_path: Path) -> None:
    def main() -> None:
        assert process.become_subreaper()
        # The middle process ends at once, its child is an orphan of this process then.
        status, output = process.capture(["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], timeout=30)
        assert status.ok
        orphan = int(output)
        os.kill(orphan, signal.SIGKILL)
        assert os.waitpid(orphan, 0)[1] == signal.SIGKILL

    assert outcome(main).ok
