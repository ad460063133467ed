"""The Ansible role: it can be read, does nothing in check mode, and writes a configuration that the daemon takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kojid.config import loader

ROLE = Path(__file__).resolve().parents[2] / "packaging/ansible"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("ansible-playbook"), reason="ansible-core is missing"),
]


def play(home: Path, *arguments: str, **variables: Any) -> str:
    """Run the playbook on this machine; returns what it printed."""
    # no daemon of this machine is touched
    given = {"ansible_become": False, "kojid_install": False, "kojid_service_state": "stopped", **variables}
    command = [
        "ansible-playbook", "--inventory=localhost,", "--connection=local", str(ROLE / "site.yml"),
        "--extra-vars", json.dumps({"ansible_python_interpreter": "/usr/bin/python3", **given}),
        *arguments,
    ]  # fmt: skip
    own = {"PATH": os.environ["PATH"], "HOME": str(home), "ANSIBLE_HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=own, cwd=ROLE, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_playbook_can_be_read(tmp_path: Path) -> None:
    play(tmp_path, "--syntax-check")


def test_check_mode_on_a_bare_host_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    target = tmp_path / "etc"
    told = play(tmp_path, "--check", "--diff", kojid_config_dir=str(target))
    assert "server = https://hub.example.com/kojihub" in told
    assert "failed=0" in told
    assert not target.exists()


def test_what_it_writes_is_read_by_the_daemon_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "etc"
    wanted = {"maxjobs": 5, "allowed_scms": "git.example.com:/rpms/*", "plugin": "runroot"}
    arguments = {"kojid_config_dir": str(target), "kojid_options": wanted}
    play(tmp_path, "--tags=config", "--skip-tags=unit", "--diff", **arguments)
    options = loader.load(target / "kojid.conf", {}).options
    assert (options.server, options.maxjobs, options.plugin) == ("https://hub.example.com/kojihub", 5, ["runroot"])
    assert "changed=0" in play(tmp_path, "--tags=config", "--skip-tags=unit", **arguments)


def test_a_configuration_with_a_password_is_roots_alone(tmp_path: Path) -> None:
    target = tmp_path / "etc"
    play(
        tmp_path, "--tags=config", "--skip-tags=unit", kojid_config_dir=str(target),
        kojid_options={"user": "b1", "password": "x"},
    )  # fmt: skip
    assert (target / "kojid.conf").stat().st_mode & 0o777 == 0o600
