"""Man pages and completions: they say what the parsers and the option table say, and tools can read them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kojid.cli.main import SUBCOMMANDS
from kojid.cli.manual import completion, confpage, page, parsers, roff
from kojid.config.options import OPTIONS

PACKAGING = Path(__file__).resolve().parents[3] / "packaging"
PAGES = {"kojid.8": page.text, "kojid.conf.5": confpage.text}


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_pages_are_those_that_would_be_made_now(name: str) -> None:
    assert (PACKAGING / "man" / name).read_text() == PAGES[name](), "run `make generated`"


def test_every_option_of_the_table_is_in_its_page() -> None:
    text = confpage.text()
    assert [option.name for option in OPTIONS if roff.bold(option.name) not in text] == []


def test_every_sub_command_with_all_its_flags_is_in_the_page() -> None:
    text = page.text()
    assert sorted(parsers.of_subcommands()) == sorted(SUBCOMMANDS)
    for parser in [parsers.daemon(), *parsers.of_subcommands().values()]:
        assert roff.bold(parser.prog) in text
        flags = [flag for action in parsers.shown(parser) for flag in action.option_strings]
        assert [flag for flag in flags if roff.bold(flag) not in text] == []


def test_text_has_no_requests_and_no_escapes_of_its_own() -> None:
    assert roff.escape(r"a\b -x 'c' `kojid`") == r"a\eb \-x \(aqc\(aq \fBkojid\fR"
    assert roff.literal([".so /etc/shadow"])[2] == r"\&.so /etc/shadow"
    assert not any(line.startswith(".so") for line in roff.paragraph("x " * 38 + ".so /etc/shadow"))


@pytest.mark.parametrize("name", PAGES)
def test_formatters_find_nothing_wrong(name: str) -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(PACKAGING / "man" / name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_finds_nothing_wrong_but_that_there_is_no_date(name: str) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    command = ["mandoc", "-T", "lint", "-W", "warning", str(PACKAGING / "man" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


@pytest.mark.parametrize(("shell", "name"), [("bash", "kojid.bash"), ("zsh", "_kojid")])
def test_the_committed_completions_are_those_that_would_be_made_now(shell: str, name: str) -> None:
    pytest.importorskip("shtab")
    # as in a shell of its own: the parsers are altered for it
    made = subprocess.run([sys.executable, "-m", "kojid.cli.manual", name], capture_output=True, text=True, check=True)
    assert (PACKAGING / "completions" / name).read_text() == made.stdout, "run `make generated`"


@pytest.mark.parametrize(("shell", "name"), [("bash", "kojid.bash"), ("zsh", "_kojid")])
def test_the_shells_can_read_their_completions(shell: str, name: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", str(PACKAGING / "completions" / name)], check=True)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["kojid", ""], {"status", "drain", "undrain", "sandbox"}),
        (["kojid", "--max"], {"--maxjobs"}),
        (["kojid", "drain", "--"], {"--reason", "--wait", "--timeout"}),
        (["kojid", "sandbox", ""], {"up", "demo", "down", "reset"}),
    ],
)
def test_bash_offers_sub_commands_and_flags(words: list[str], offered: set[str]) -> None:
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    script = f"""
        source {PACKAGING}/completions/kojid.bash
        COMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}
        eval "$(complete -p kojid | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert offered <= set(done.stdout.split()), done.stderr


def test_files_are_completed_where_files_are_meant() -> None:
    made = completion.combined()
    config = next(action for action in made._actions if "--config" in action.option_strings)
    assert config.complete["zsh"] == "_files"  # type: ignore[attr-defined]
