"""The command line is read as mock reads it, traps included."""

from __future__ import annotations

from typing import List

import pytest

from kojid.sandbox.mock.errors import BadCommandLine
from kojid.sandbox.mock.options import parse


@pytest.mark.parametrize(
    ("arguments", "mode", "rest"),
    [
        (["--init"], "init", []),
        (["--no-clean", "--rebuild", "a.src.rpm"], "rebuild", ["a.src.rpm"]),
        (["a.src.rpm"], "rebuild", ["a.src.rpm"]),
        (["init"], "init", []),
        (["--chroot", "uname -r"], "chroot", ["uname -r"]),
        (["--chroot", "--", "rpm", "--define", "_topdir /x", "-iv", "s"], "chroot",
         ["rpm", "--define", "_topdir /x", "-iv", "s"]),
        (["--install", "a", "b"], "install", ["a", "b"]),
        (["--init", "--scrub=all"], "clean", []),
        (["--init", "--chroot", "id"], "chroot", ["id"]),
    ],
)  # fmt: skip
def test_the_mode_and_what_remains(arguments: List[str], mode: str, rest: List[str]) -> None:
    options, remaining = parse(["-r", "koji/x", *arguments])
    assert options.config == "koji/x"
    assert options.mode == mode
    assert remaining == rest


def test_unknown_options_become_arguments() -> None:
    options, rest = parse(["--frobnicate", "--init", "--bootstrap-image-ready"])
    assert options.mode == "init"
    assert rest == ["--frobnicate", "--bootstrap-image-ready"]


def test_a_shells_c_is_taken_for_continue() -> None:
    with pytest.raises(BadCommandLine, match="--continue"):
        parse(["--chroot", "sh", "-c", "make sources"])
    _, rest = parse(["--chroot", "--", "sh", "-c", "make sources"])
    assert rest == ["sh", "-c", "make sources"]


@pytest.mark.parametrize("before", [True, False])
def test_unpriv_and_cwd_stand_on_either_side_of_chroot(before: bool) -> None:
    extra = ["--unpriv", "--cwd", "/d"]
    arguments = [*extra, "--chroot"] if before else ["--chroot", *extra]
    options, rest = parse([*arguments, "--", "ls", "-l"])
    assert options.unpriv
    assert options.cwd == "/d"
    assert rest == ["ls", "-l"]


def test_contradictions() -> None:
    with pytest.raises(BadCommandLine, match="one architecture"):
        parse(["--target", "x86_64,i686", "--rebuild", "a"])
    with pytest.raises(BadCommandLine, match="--spec"):
        parse(["--buildsrpm", "--sources", "d"])


def test_an_option_without_its_value_ends_with_status_2() -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--chroot", "--cwd"])
    assert ended.value.code == 2
