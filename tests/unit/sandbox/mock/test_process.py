"""Commands: their output line by line, their status, their end and that of everything they started."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import List, Tuple

import pytest

from kojid.sandbox.mock.process import Runner

_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def run(script: str) -> Tuple[int, List[str], List[str]]:
    log: List[str] = []
    output: List[str] = []
    status = Runner(log.append, _ENVIRONMENT).run(["sh", "-c", script], output.append)
    return status, output, log


def test_output_comes_line_by_line_with_stderr_in_its_place() -> None:
    status, output, log = run("echo one; echo two >&2; printf three")
    assert (status, output) == (0, ["one", "two", "three"])
    assert log[0].startswith("Executing command: sh -c")
    assert log[-1] == "Child return code was: 0"


@pytest.mark.parametrize(("script", "status"), [("exit 9", 9), ("kill -TERM $$", 143)])
def test_exit_statuses(script: str, status: int) -> None:
    assert run(script)[0] == status


def test_a_string_goes_to_the_shell() -> None:
    output: List[str] = []
    assert Runner(lambda _: None, _ENVIRONMENT).run("echo $((1 + 1))", output.append) == 0
    assert output == ["2"]


def test_a_command_is_over_when_it_ends_not_when_its_children_do() -> None:
    status, output, _ = run("sleep 3 & echo started")
    assert (status, output) == (0, ["started"])


def test_text_that_is_no_utf8_does_not_stop_the_log() -> None:
    assert run(r"printf '\377\n'")[1] == ["\ufffd"]


def in_own_process(code: str) -> str:
    """The reaper's role is for the whole process, so that such a test needs one of its own."""
    head = "import os, sys, time\nfrom kojid.sandbox.mock import kernel, process\n"
    head += "from kojid.sandbox.mock.errors import TimeoutExpired\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_a_timeout_ends_every_descendant_whatever_its_session() -> None:
    said = in_own_process("""
        kernel.become_subreaper()
        runner = process.Runner(lambda line: None, {"PATH": "/usr/bin:/bin"})
        try:
            runner.run(["sh", "-c", "setsid sleep 61 & trap '' TERM; sleep 62; sleep 63"], print, timeout=0.3)
        except TimeoutExpired as error:
            print(error.status, sorted(process.descendants(os.getpid())))
    """)
    assert said == "11 []"


def test_descendants_are_found_at_any_depth() -> None:
    said = in_own_process("""
        import subprocess
        child = subprocess.Popen(["sh", "-c", "sh -c 'sleep 64; true'; true"])
        while len(process.descendants(os.getpid())) < 3:
            time.sleep(0.01)
        kernel.become_subreaper()
        process.end_descendants()
        child.returncode = -9
        print(len(process.descendants(os.getpid())))
    """)
    assert said == "0"
