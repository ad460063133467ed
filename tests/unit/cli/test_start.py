"""The start as a process: messages, exit statuses and where they are logged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kojid.cli import logsetup
from kojid.errors import ConfigError
from tests.support import options

ROOT = Path(__file__).resolve().parents[3]


def kojid(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "CA_BUNDLE" not in name}
    environment["KOJID_LOG_FILE"] = os.devnull
    return subprocess.run(
        [sys.executable, "-m", "kojid.cli.main", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def conf(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "kojid.conf"
    settings = [
        "[kojid]",
        "server = https://127.0.0.1:9/kojihub",
        "topurl = http://127.0.0.1:9/kojifiles",
        f"workdir = {tmp_path}/work",
        f"state_dir = {tmp_path}/state",
        f"log_file = {tmp_path}/kojid.log",
    ]
    file.write_text("\n".join([*settings, *lines, ""]))
    return str(file)


def test_an_unknown_option_ends_the_start_with_status_1_and_one_line(tmp_path: Path) -> None:
    done = kojid("--fg", "-c", conf(tmp_path, "sleptime = 3"))
    assert done.returncode == 1
    assert done.stderr == f"kojid: {tmp_path}/kojid.conf:7: unknown config option: sleptime (did you mean sleeptime?)\n"


def test_a_missing_server_ends_it_with_status_2(tmp_path: Path) -> None:
    file = tmp_path / "kojid.conf"
    file.write_text("[kojid]\ntopurl = http://x\n")
    done = kojid("--fg", "-c", str(file))
    assert done.returncode == 2
    assert done.stderr.startswith("kojid: the server option is required")


def test_a_certificate_that_cannot_be_used_is_told_and_logged(tmp_path: Path) -> None:
    (tmp_path / "client.pem").write_text("no certificate")
    done = kojid("--fg", "-c", conf(tmp_path, f"cert = {tmp_path}/client.pem"))
    assert done.returncode == 1
    assert f"{tmp_path}/client.pem" in done.stderr
    assert "Traceback" not in done.stderr
    assert f"{tmp_path}/client.pem" in (tmp_path / "kojid.log").read_text()


def test_a_hub_that_is_down_is_told_with_its_address(tmp_path: Path) -> None:
    done = kojid("--fg", "-c", conf(tmp_path, "user = me", "password = secret"))
    assert done.returncode == 1
    assert "https://127.0.0.1:9/kojihub" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_wrong_log_level_is_a_configuration_error(tmp_path: Path) -> None:
    done = kojid("--fg", "-c", conf(tmp_path, "log_level = LOUD"))
    assert done.returncode == 1
    assert "Invalid log level: LOUD" in done.stderr


def test_a_workdir_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file")
    done = kojid("--fg", "-c", conf(tmp_path))
    assert done.returncode == 1
    assert f"the workdir {tmp_path}/work cannot be made" in done.stderr


def test_the_levels_of_the_log() -> None:
    import logging

    koji_log, task_log = logging.getLogger("koji"), logging.getLogger("koji.build.BaseTaskHandler")
    before = koji_log.level, task_log.level
    try:
        for verbose, debug, level in ((False, False, "WARNING"), (True, False, "INFO"), (True, True, "DEBUG")):
            logsetup.set_levels(options(), verbose=verbose, debug=debug, debug_task=False)
            assert logging.getLevelName(koji_log.level) == level
        logsetup.set_levels(options(log_level="error"), verbose=False, debug=False, debug_task=True)
        assert (koji_log.level, task_log.level) == (logging.ERROR, logging.DEBUG)
        with pytest.raises(ConfigError):
            logsetup.set_levels(options(log_level="LOUD"), verbose=False, debug=False, debug_task=False)
    finally:
        koji_log.setLevel(before[0])
        task_log.setLevel(before[1])


def test_a_configuration_is_not_taken_over_while_the_state_cannot_be_written(tmp_path: Path) -> None:
    from kojid.cli import arguments, start
    from kojid.config import loader

    invocation = arguments.parse(["-c", conf(tmp_path)])
    settings = loader.load(invocation.config).options
    with pytest.raises(ConfigError, match=f"state_dir cannot be written now: {tmp_path}/state"):
        start._recheck(invocation, settings)
    (tmp_path / "state" / "ledger").mkdir(parents=True)
    start._recheck(invocation, settings)
