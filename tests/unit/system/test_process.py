"""Starting commands and waiting for them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, List

import pytest

from kojid.errors import HostFault
from kojid.system import child as child_module
from kojid.system import process
from kojid.system.children import children
from kojid.system.process import DEVNULL, PIPE, STDOUT, CommandTimeout, Credentials, ExitStatus

PYTHON = sys.executable
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")


def python(code: str) -> List[str]:
    return [PYTHON, "-c", code]


def alive(pid: int) -> bool:
    state = process_state(pid)
    return state not in ("", "Z", "X")


def process_state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(condition: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.fixture(params=["pidfd", "without pidfd"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without pidfd":
        monkeypatch.setattr(child_module, "open_pidfd", lambda _pid: None)


@pytest.fixture
def _sigint_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def _usr2_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (0, ExitStatus(0), "exited with status 0"),
        (256, ExitStatus(1), "exited with status 1"),
        (9, ExitStatus(0, 9), "was killed by signal 9"),
        (0x8B, ExitStatus(0, 11), "was killed by signal 11"),  # with a core dump
    ],
)
def test_a_wait_status_is_taken_apart_and_told_in_words(raw: int, status: ExitStatus, words: str) -> None:
    assert ExitStatus.from_raw(raw) == status
    assert status.describe() == words
    assert status.ok is (raw == 0)
    assert ExitStatus.from_raw(status.raw) == status


@pytest.mark.usefixtures("_both_ways")
class TestChild:
    def test_the_exit_status_of_a_command_is_returned(self) -> None:
        with process.spawn(["sh", "-c", "exit 7"]) as child:
            assert child.wait(10) == ExitStatus(7)
            assert child.wait(10) == ExitStatus(7), "asking again gives the same answer"

    def test_a_signal_that_killed_a_command_is_returned(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            assert child.running
            child.kill(signal.SIGTERM)
            assert child.wait(10) == ExitStatus(0, signal.SIGTERM)
            assert not child.running

    def test_none_is_returned_when_the_time_is_up(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            start = time.monotonic()
            assert child.wait(0.05) is None
            assert 0.04 < time.monotonic() - start < 5

    def test_waiting_without_limit_ends_with_the_command(self) -> None:
        with process.spawn(["true"]) as child:
            assert child.wait() == ExitStatus(0)

    def test_leaving_the_context_kills_and_reaps_the_command(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            pid = child.pid
        assert process_state(pid) == ""

    def test_an_end_can_be_seen_without_reaping(self) -> None:
        with process.spawn(["true"]) as child:
            assert child.ended(10)
            assert process_state(child.pid) == "Z"
            assert child.wait() == ExitStatus(0)
            assert child.ended(0)

    def test_no_signal_is_sent_after_the_command_was_reaped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with process.spawn(["true"]) as child:
            child.wait()
            monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
            child.kill(signal.SIGKILL)

    def test_a_status_taken_by_somebody_else_is_an_error(self) -> None:
        child = process.spawn(["true"])
        os.waitpid(child.pid, 0)
        with pytest.raises(HostFault, match="was taken by another wait"):
            child.wait(10)


def output_of(argv: List[str], **spawn_args: object) -> str:
    status, output = process.capture(argv, timeout=30, **spawn_args)
    assert status.ok, status.describe()
    return output.decode()


class TestSpawn:
    def test_the_environment_is_built_from_scratch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KOJI_PASSWORD", "secret")
        lines = output_of(["env"]).splitlines()
        names = {line.partition("=")[0] for line in lines}
        assert {"PATH", "HOME", "LANG"} <= names
        assert names <= {"PATH", "HOME", "LANG", "TERM", "SHELL", "USER", "LOGNAME"}

    def test_an_environment_that_is_given_is_all_there_is(self) -> None:
        assert output_of(["/usr/bin/env"], env={"A": "b"}) == "A=b\n"

    def test_nothing_is_read_from_the_daemons_input(self) -> None:
        assert output_of(["cat"]) == ""

    def test_a_command_starts_in_the_directory_given(self, tmp_path: Path) -> None:
        assert output_of(["pwd", "-P"], cwd=tmp_path).strip() == str(tmp_path.resolve())

    def test_a_new_session_is_led_by_the_command(self) -> None:
        code = "import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"
        assert output_of(python(code), new_session=True) == "True\n"

    def test_descriptors_of_the_daemon_do_not_leak(self, tmp_path: Path) -> None:
        with open(tmp_path / "open", "w") as opened:
            os.set_inheritable(opened.fileno(), True)
            links = output_of(["sh", "-c", "ls -l /proc/$$/fd"])
            assert str(opened.name) not in links

    @pytest.mark.usefixtures("_sigint_ignored")
    def test_an_ignored_interrupt_is_not_passed_on(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            child.kill(signal.SIGINT)
            assert child.wait(10) == ExitStatus(0, signal.SIGINT)

    @pytest.mark.usefixtures("_usr2_blocked")
    def test_a_blocked_signal_is_not_passed_on(self) -> None:
        with process.spawn(["sleep", "60"]) as child:
            child.kill(signal.SIGUSR2)
            assert child.wait(10) == ExitStatus(0, signal.SIGUSR2)

    def test_no_signal_is_ignored_or_blocked_in_a_command(self) -> None:
        lines = output_of(["cat", "/proc/self/status"]).splitlines()
        masks = {line.split()[0]: int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk", "SigIgn"))}
        assert masks["SigBlk:"] == 0
        # The C library keeps two real-time signals for itself; whoever started the tests may have ignored them.
        named = sum(1 << (number - 1) for number in signal.Signals if number < signal.SIGRTMIN)
        assert masks["SigIgn:"] & named == 0

    def test_a_missing_program_is_named(self) -> None:
        with pytest.raises(HostFault, match="no-such-mock is not installed: there is no /no-such-mock"):
            process.spawn(["/no-such-mock", "--init"])

    def test_a_program_that_is_not_in_the_path_is_named(self) -> None:
        with pytest.raises(HostFault, match="no-such-mock is not installed"):
            process.spawn(["no-such-mock"])

    def test_a_missing_directory_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(HostFault, match=r"true can't be started in .*/missing: No such file"):
            process.spawn(["true"], cwd=tmp_path / "missing")

    def test_a_missing_interpreter_is_told_from_a_missing_program(self, tmp_path: Path) -> None:
        script = tmp_path / "script"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        with pytest.raises(HostFault, match=r"interpreter that .*script names is missing"):
            process.spawn([str(script)])

    def test_a_program_without_permission_is_told(self, tmp_path: Path) -> None:
        script = tmp_path / "script"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o644)
        with pytest.raises(HostFault, match="script can't be started: Permission denied"):
            process.spawn([str(script)])

    def test_a_failed_start_leaves_no_child(self) -> None:
        before = children(os.getpid())
        with pytest.raises(HostFault):
            process.spawn(["/no-such-mock"])
        assert children(os.getpid()) == before

    @pytest.mark.root
    @needs_root
    def test_another_user_has_exactly_the_ids_given_and_no_way_back(self, tmp_path: Path) -> None:
        code = (
            "import os; print(os.getresuid(), os.getresgid(), os.getgroups())\n"
            "try:\n os.setuid(0); print('root again')\nexcept PermissionError: pass"
        )
        argv = ["/usr/bin/python3", "-c", code]
        found = output_of(argv, user=Credentials(65534, 65533, (65532,)), cwd="/")
        assert found == "(65534, 65534, 65534) (65533, 65533, 65533) [65532]\n"

    @pytest.mark.root
    @needs_root
    def test_another_user_gets_its_own_home(self) -> None:
        nobody = process.credentials_of("nobody")
        assert "/root" not in output_of(["env"], user=nobody, cwd="/")


class TestCredentials:
    def test_a_user_has_exactly_the_group_given(self) -> None:
        found = process.credentials_of("root", "daemon")
        assert (found.uid, found.gid, len(found.groups)) == (0, 0, 1)

    def test_without_a_group_there_is_none(self) -> None:
        assert process.credentials_of("root").groups == ()

    def test_a_missing_user_is_named(self) -> None:
        with pytest.raises(HostFault, match="no user 'nosuchuser'"):
            process.credentials_of("nosuchuser")

    def test_a_missing_group_is_named(self) -> None:
        with pytest.raises(HostFault, match="no group 'nosuchgroup'"):
            process.credentials_of("root", "nosuchgroup")


class TestRun:
    def test_the_log_has_the_command_then_output_and_messages(self, tmp_path: Path) -> None:
        log = tmp_path / "x.log"
        log.write_text("before\n")
        status = process.run(["sh", "-c", "echo out; echo err >&2"], timeout=30, log=log)
        assert status.ok
        assert log.read_text() == "before\n$ sh -c 'echo out; echo err >&2'\nout\nerr\n"

    def test_a_password_in_a_url_does_not_reach_the_log(self, tmp_path: Path) -> None:
        log = tmp_path / "x.log"
        process.run(["true", "https://user:secret@host/x"], timeout=30, log=log)
        assert log.read_text() == "$ true https://user:***@host/x\n"

    def test_a_link_in_the_place_of_the_log_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "x.log").symlink_to(tmp_path / "victim")
        with pytest.raises(OSError, match="symbolic link"):
            process.run(["true"], timeout=30, log=tmp_path / "x.log")
        assert not (tmp_path / "victim").exists()

    def test_ticks_come_while_it_runs_and_once_after_its_end(self) -> None:
        ticks: List[float] = []
        process.run(["sleep", "0.3"], timeout=30, tick=0.1, on_tick=lambda: ticks.append(time.monotonic()))
        assert len(ticks) >= 2

    def test_a_short_command_ticks_once_and_is_not_held_up(self) -> None:
        ticks: List[int] = []
        start = time.monotonic()
        process.run(["true"], timeout=30, tick=20, on_tick=lambda: ticks.append(1))
        assert ticks == [1]
        assert time.monotonic() - start < 10

    def test_a_command_without_a_limit_of_its_own_runs_to_its_end(self) -> None:
        assert process.run(["sh", "-c", "exit 3"], timeout=None, tick=5).code == 3

    def test_a_command_beyond_its_time_is_ended_with_its_children(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        script = f"sleep 60 & echo $! > {pids}; wait"
        with pytest.raises(CommandTimeout, match=r"sh -c .* did not end within 2 seconds"):
            process.run(["sh", "-c", script], timeout=2)
        assert not alive(int(pids.read_text()))

    def test_a_command_that_ignores_the_request_is_killed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "_TERM_SECONDS", 0.2)
        pids = tmp_path / "pids"
        script = f"trap '' TERM INT; echo $$ > {pids}; while :; do sleep 0.1; done"
        with pytest.raises(CommandTimeout):
            process.run(["sh", "-c", script], timeout=2)
        assert not alive(int(pids.read_text()))

    def test_leaving_by_an_exception_ends_the_command_first(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"

        def leave() -> None:
            if pids.exists() and pids.read_text().endswith("\n"):
                raise SystemExit

        with pytest.raises(SystemExit):
            process.run(["sh", "-c", f"echo $$ > {pids}; sleep 60"], timeout=30, tick=0.05, on_tick=leave)
        assert not alive(int(pids.read_text()))


class TestCapture:
    def test_the_output_is_returned_without_the_messages(self) -> None:
        assert process.capture(["sh", "-c", "echo a; echo b >&2; exit 2"], timeout=30) == (ExitStatus(2), b"a\n")

    def test_messages_join_the_output_on_demand(self) -> None:
        _, output = process.capture(["sh", "-c", "echo a; echo b >&2"], timeout=30, stderr=STDOUT)
        assert output == b"a\nb\n"

    def test_much_output_does_not_hold_the_command_up(self) -> None:
        _, output = process.capture(["head", "-c", "3000000", "/dev/zero"], timeout=30)
        assert len(output) == 3_000_000

    def test_what_a_command_leaves_behind_does_not_hold_the_caller_up(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        start = time.monotonic()
        process.capture(["sh", "-c", f"sleep 60 & echo $! > {pids}"], timeout=30)
        assert time.monotonic() - start < 10
        os.kill(int(pids.read_text()), signal.SIGKILL)


def test_spawn_can_be_piped_by_a_caller() -> None:
    read, write = os.pipe()
    with process.spawn(["echo", "hello"], stdout=write, stderr=DEVNULL) as child, open(read, "rb") as output:
        os.close(write)
        assert output.read() == b"hello\n"
        assert child.wait(10) == ExitStatus(0)


def test_the_names_of_subprocess_are_passed_on() -> None:
    assert (PIPE, STDOUT, DEVNULL) == (subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
