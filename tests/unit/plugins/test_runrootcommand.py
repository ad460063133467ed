"""What runs in the chroot: the output goes two ways, the exit status is the command's own (contract 6.13)."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, List

import koji
import pytest

from kojid.plugins import runrootcommand
from kojid.system.process import ExitStatus


def run(command: Any, shell: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as in a chroot whose /builddir is `directory`."""
    argv = [shell, *runrootcommand.argv(command)[1:]]
    argv[-1] = argv[-1].replace("/usr/bin/tee /builddir/", f"tee {directory}/")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert (directory / "runroot.log").read_text() == done.stdout
    return done


@pytest.fixture(params=["sh", "bash", "dash"])
def shell(request: pytest.FixtureRequest) -> str:
    found = shutil.which(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found


@pytest.mark.parametrize(
    ("command", "output", "status"),
    [
        ("echo out; echo err >&2; exit 3", "out\nerr\n", 3),
        ("false | true", "", 0),
        ("true # a comment", "", 0),
        ("case x in x) echo y;; esac", "y\n", 0),
        ("cat <<E\nhere\nE", "here\n", 0),
        ("cat; echo nothing was read", "nothing was read\n", 0),
        (["printf", "%s|", "a  b", "$HOME", "it's", "{}"], "a  b|$HOME|it's|{}|", 0),
        (["sh", "-c", "exit 7"], "", 7),
        (["sh", "-c", "kill -9 $$"], "", 128 + signal.SIGKILL),
    ],
)
def test_output_and_status_are_the_commands(tmp_path: Path, shell: str, command: Any, output: str, status: int) -> None:
    done = run(command, shell, tmp_path)
    assert (done.stdout, done.returncode) == (output, status)


def test_what_the_command_leaves_running_does_not_have_the_status_wait_longer_than_its_output(
    tmp_path: Path, shell: str
) -> None:
    assert run("sleep 60 >/dev/null 2>&1 & echo $! > " + str(tmp_path / "pid"), shell, tmp_path).returncode == 0
    subprocess.run(["kill", (tmp_path / "pid").read_text().strip()], check=True)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("LANG=C /usr/bin/pungi -x", "pungi"),
        (["A=1", "B=2", "/bin/true"], "true"),
        ("A=1", "(none)"),
        ("", "(none)"),
    ],
)
def test_a_command_is_called_by_its_first_word_that_sets_nothing(command: Any, name: str) -> None:
    assert runrootcommand.success(command) == f"{name} completed successfully"


def test_an_end_is_put_into_the_stock_daemons_words() -> None:
    assert runrootcommand.failure("x -y", ExitStatus(code=4)) == "x exited with status 4"
    assert runrootcommand.failure("x -y", ExitStatus(0, signal=9)) == "x was killed by signal 9"


@pytest.mark.parametrize("command", [None, 3, [], ["a", 1], {"a": 1}, "a\0b"])
def test_what_is_no_command_is_refused(command: Any) -> None:
    with pytest.raises(koji.ParameterError, match="a text or a list of texts"):
        runrootcommand.check(command)


def test_commands_pass() -> None:
    commands: List[Any] = ["", "true", ["a b", ""]]
    assert [runrootcommand.check(command) for command in commands] == commands
