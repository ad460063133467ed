from __future__ import annotations

from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.buildroot import failures
from kojid.buildroot.failures import BUILD_SRPM, INIT, INSTALL, REBUILD, REBUILD_SRPM, SOURCES, Evidence, Step, fail
from kojid.errors import HostFault
from kojid.system.files import open_beneath
from kojid.system.process import ExitStatus

ROOT_FAILURE = """\
DEBUG util.py:557:  Executing command: ['/usr/bin/dnf-3', 'builddep'] with env {} and shell False
DEBUG util.py:462:  bash-5.2.15-2+b8.x86_64
DEBUG util.py:459:  No matching package to install: 'nope-devel'
DEBUG util.py:459:  Not all dependencies satisfied
DEBUG util.py:459:  Error: Some packages could not be found.
DEBUG util.py:609:  Child return code was: 1
DEBUG util.py:635:  child environment: None
DEBUG util.py:557:  Executing command: ['/bin/umount', '-n', '-l', '/x/proc'] with env {} and shell False
DEBUG util.py:609:  Child return code was: 0
"""
BUILD_FAILURE = """\
Mock Version: 6.7
Executing(%build): /bin/sh -e /var/tmp/rpm-tmp.1
+ false
error: Bad exit status from /var/tmp/rpm-tmp.1 (%build)
RPM build errors:
    Bad exit status from /var/tmp/rpm-tmp.1 (%build)
Child return code was: 1
EXCEPTION: [Error('Command failed: rpmbuild')]
Traceback (most recent call last):
  File "/usr/lib/python3/site-packages/mockbuild/trace_decorator.py", line 93, in trace
    result = func(*args, **kw)
mockbuild.exception.Error: Command failed: rpmbuild
"""


@pytest.fixture
def logs(tmp_path: Path) -> Evidence:
    return Evidence(lambda name: open_beneath(tmp_path, name))


def failure(step: Step, status: int, logs: Evidence, detail: str = "", number: int = 0) -> Any:
    with pytest.raises((koji.GenericError, HostFault)) as caught:
        fail(step, ExitStatus(status, number), logs, detail)
    return caught.value


def test_a_failing_build_names_and_quotes_build_log(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text(BUILD_FAILURE)
    (tmp_path / "root.log").write_text(ROOT_FAILURE)
    error = failure(REBUILD, 1, logs, " (arch x86_64)")
    assert isinstance(error, koji.BuildError)
    lines = str(error).splitlines()
    assert lines[0] == (
        "error building package (arch x86_64), mock exited with status 1; see build.log for more information"
    )
    assert lines[-1].strip() == "Bad exit status from /var/tmp/rpm-tmp.1 (%build)"
    assert "Traceback" not in str(error)
    assert error.log == "build.log"


def test_a_traceback_of_the_package_itself_is_quoted(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text('Traceback (most recent call last):\n  File "x.py"\nINFO: 1 test failed\n')
    text = str(failure(REBUILD, 1, logs))
    assert "Traceback (most recent call last):" in text
    assert "INFO: 1 test failed" in text


def test_missing_build_requirements_name_and_quote_root_log(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text("Wrote: /builddir/build/SRPMS/x.src.rpm\n")
    (tmp_path / "root.log").write_text(ROOT_FAILURE)
    error = failure(REBUILD, 30, logs, " (arch x86_64)")
    assert "mock exited with status 30; see root.log for more information" in str(error)
    assert [line.strip() for line in str(error).splitlines()[2:]] == [
        "No matching package to install: 'nope-devel'",
        "Not all dependencies satisfied",
        "Error: Some packages could not be found.",
    ]


def test_a_package_that_can_not_be_unpacked_is_not_blamed_on_an_empty_build_log(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text("Mock Version: 6.7\n")
    (tmp_path / "root.log").write_text("ERROR: Could not find useful rpm: x.src.rpm\n")
    assert "see root.log" in str(failure(REBUILD, 1, logs))


def test_the_log_that_tells_of_an_error_is_preferred(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text("Building target platforms: x86_64\n")
    (tmp_path / "root.log").write_text("DEBUG util.py:1:  Updating / installing...\n")
    (tmp_path / "mock_output.log").write_text("INFO: mock starts\nERROR: Cannot find/open srpm: /x.src.rpm\n")
    text = str(failure(REBUILD, 1, logs))
    assert "see mock_output.log" in text
    assert text.splitlines()[2:] == ["  ERROR: Cannot find/open srpm: /x.src.rpm"]


def test_a_failing_init_is_the_buildroots_fault(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "root.log").write_text(ROOT_FAILURE)
    error = failure(INIT, 30, logs)
    assert isinstance(error, koji.BuildrootError)
    assert str(error).splitlines()[0] == (
        "could not init mock buildroot, mock exited with status 30; see root.log for more information"
    )


def test_without_any_log_the_sentence_stands_alone(logs: Evidence) -> None:
    assert str(failure(INIT, 1, logs)) == (
        "could not init mock buildroot, mock exited with status 1; see root.log for more information"
    )


def test_what_an_earlier_call_has_logged_is_not_quoted(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text("old error\n")
    (tmp_path / "root.log").write_text("old root error\n")
    logs.mark()
    with open(tmp_path / "root.log", "a") as out:
        out.write("new root error\n")
    text = str(failure(REBUILD, 1, logs))
    assert "see root.log" in text
    assert "new root error" in text
    assert "old" not in text


def test_a_log_begun_anew_is_quoted_whole(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text("a rather long old beginning\n")
    logs.mark()
    (tmp_path / "build.log").write_text("new\n")
    assert "  new" in str(failure(REBUILD, 1, logs))


def test_a_link_is_not_quoted(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "secret").write_text("of the host\n")
    (tmp_path / "build.log").symlink_to(tmp_path / "secret")
    assert "of the host" not in str(failure(REBUILD, 1, logs))


def test_no_more_than_twenty_lines_and_no_control_characters(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "build.log").write_text("".join(f"line {number}\n" for number in range(50)) + "\x1b[2J end\n")
    lines = str(failure(REBUILD, 1, logs)).splitlines()
    assert len(lines) == 2 + failures.QUOTED_LINES
    assert "\x1b" not in lines[-1]


@pytest.mark.parametrize(("step", "text"), [
    (BUILD_SRPM, "error building srpm, mock exited with status 1"),
    (REBUILD_SRPM, "error building srpm, mock exited with status 1"),
    (SOURCES, "error retrieving sources, mock exited with status 1"),
    (INSTALL, "error installing packages, mock exited with status 1"),
])  # fmt: skip
def test_every_step_has_its_sentence(logs: Evidence, step: Step, text: str) -> None:
    assert str(failure(step, 1, logs)).startswith(text)


def test_packages_that_can_not_be_installed_name_mocks_output(tmp_path: Path, logs: Evidence) -> None:
    (tmp_path / "mock_output.log").write_text("Error: Unable to find a match: nope\n")
    (tmp_path / "root.log").write_text(ROOT_FAILURE)
    error = failure(INSTALL, 30, logs)
    assert "see mock_output.log for more information" in str(error)
    assert isinstance(error, koji.BuildrootError)


def test_a_failing_install_is_told_from_root_log_where_mock_only_says_that_it_failed(
    tmp_path: Path, logs: Evidence
) -> None:
    """As mock 6.7 does it."""
    (tmp_path / "mock_output.log").write_text(
        "Mock Version: 6.7\nINFO: installing package(s): nope\nERROR: Command failed: \n"
        " # /usr/bin/dnf-3 --installroot /x/root/ --allowerasing install nope\n\n"
    )
    (tmp_path / "root.log").write_text("DEBUG util.py:460:  Error: Unable to find a match: nope\n")
    error = failure(INSTALL, 30, logs)
    assert "see root.log for more information" in str(error)
    assert "  Error: Unable to find a match: nope" in str(error)


def test_a_signal_is_named(logs: Evidence) -> None:
    assert "mock was killed by signal 9; see root.log" in str(failure(REBUILD, 0, logs, number=9))


@pytest.mark.parametrize("status", [2, 3, 60, 80])
def test_what_only_this_host_suffers_from_is_its_fault(tmp_path: Path, logs: Evidence, status: int) -> None:
    (tmp_path / "mock_output.log").write_text("ERROR: The following error\n")
    error = failure(INIT, status, logs)
    assert isinstance(error, HostFault)
    assert f"mock exited with status {status}; see mock_output.log" in str(error)


@pytest.mark.parametrize(("step", "host"), [(INIT, True), (REBUILD, True), (INSTALL, True), (BUILD_SRPM, False)])
def test_a_bad_command_line_is_the_hosts_fault_unless_it_may_be_the_spec(
    logs: Evidence, step: Step, host: bool
) -> None:
    assert isinstance(failure(step, 5, logs), HostFault) is host


@pytest.mark.parametrize("step", [SOURCES, REBUILD_SRPM])
@pytest.mark.parametrize("status", [2, 3, 5, 60, 80])
def test_a_commands_own_status_is_never_held_against_the_host(logs: Evidence, step: Step, status: int) -> None:
    assert isinstance(failure(step, status, logs), koji.BuildError)
