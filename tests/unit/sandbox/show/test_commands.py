"""The command line: what it takes, what it prints to be pasted, and how it tells of trouble."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest

from kojid.cli.main import main as kojid_main
from kojid.config import loader
from kojid.sandbox import cli, configuration, requirements, summary
from kojid.sandbox.configuration import Urls
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import Layout
from kojid.sandbox.steps import Steps
from kojid.sandbox.summary import Outcome

URLS = Urls("https://127.0.0.1:1/kojihub", "http://127.0.0.1:2/kojifiles")


@pytest.mark.parametrize("words", ["--dir D status", "status --dir D", "--dir X status --dir D"])
def test_the_directory_may_stand_before_or_after_the_command(words: str) -> None:
    assert cli.parser().parse_args(words.split()).dir == Path("D")


def test_what_follows_koji_is_the_clients() -> None:
    options = cli.parser().parse_args(["koji", "--dir", "D", "build", "--scratch", "demo", "--dir", "E"])
    assert options.arguments == ["build", "--scratch", "demo", "--dir", "E"]
    assert options.dir == Path("D")


@pytest.mark.parametrize("place", ["", " --dir /some/where"])
def test_every_command_that_the_summary_prints_can_be_pasted(tmp_path: Path, place: str) -> None:
    rpm = tmp_path / "x86_64" / "hello.rpm"
    rpm.parent.mkdir()
    rpm.write_bytes(b"12345")
    outcome = Outcome("GNU hello", 3, "hello-2.10-1", [rpm], [tmp_path / "logs" / "x86_64" / "build.log"])
    outcome.times, outcome.greeting = [("first", 1.5), ("second", 2.0)], "Hello, world!"
    lines = list(summary.lines(outcome, place))
    assert "  x86_64/hello.rpm  5 bytes" in lines and "      3.5 s  in all" in lines
    commands = lines[lines.index("What to try next:") + 1 :]
    assert len(commands) >= 5
    for line in commands:
        words = shlex.split(line, comments=True)
        options = cli.parser().parse_args(words[words.index("sandbox") + 1 :])
        assert options.dir == (Path("/some/where") if place else None)


def test_a_missing_sandbox_is_told_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kojid_main(["sandbox", "status", "--dir", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"there is no sandbox in {tmp_path}" in told and "kojid sandbox up" in told


def test_nothing_to_reset_is_no_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kojid_main(["sandbox", "reset", "--dir", str(tmp_path / "none")]) == 0
    assert "nothing to delete" in capsys.readouterr().out


def test_the_need_for_root_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match="needs root"):
        requirements.check()
    assert kojid_main(["sandbox", "up", "--dir", str(tmp_path / "new")]) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("debian", "words"), [(True, "apt-get install .* rpm"), (False, "dnf install .* rpm-build")])
def test_missing_programs_are_told_by_their_packages(monkeypatch: pytest.MonkeyPatch, debian: bool, words: str) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/apt-get" if name == "apt-get" and debian else None)
    with pytest.raises(SandboxError, match="packages are missing: .*createrepo") as told:
        requirements.check()
    assert re.search(words, told.value.hint)


def test_missing_python_packages_are_told_before_they_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "cheroot" else True)
    with pytest.raises(SandboxError, match=r"kojid\[sandbox\]"):
        requirements.check_modules()


def test_the_environment_of_the_processes_names_no_other_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/other.crt")
    monkeypatch.setenv("LANG", "C.UTF-8")
    made = requirements.environment()
    assert "REQUESTS_CA_BUNDLE" not in made and made["LANG"] == "C.UTF-8"


def test_the_builders_configuration_is_one_that_kojid_loads(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    options = configuration.builder_options(layout, URLS, Path("/usr/bin/mock"))
    configuration.write_builder(tmp_path / "kojid.conf", options)
    loaded = loader.load(tmp_path / "kojid.conf")
    assert loaded.warnings == []
    assert (loaded.options.server, loaded.options.sleeptime) == (URLS.server, 2)
    assert Path(loaded.options.cert) == layout.certificate("builder1")


def test_steps_tell_their_titles_notes_and_times() -> None:
    out = io.StringIO()
    steps = Steps(out)
    with steps.step("the first"):
        steps.note("noted")
    assert out.getvalue() == "* the first ...\n    noted\n    done in 0.0 s\n"
    assert [title for title, _ in steps.times] == ["the first"]


def test_a_step_that_fails_is_not_told_as_done() -> None:
    steps = Steps(io.StringIO())
    with pytest.raises(ValueError, match="no"), steps.step("the first"):
        raise ValueError("no")
    assert steps.times == []
