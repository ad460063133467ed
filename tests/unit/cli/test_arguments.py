"""The command line: every option of contract 1.2, precedence and exit statuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid import __version__
from kojid.cli import arguments


def test_nothing_given_overrides_nothing() -> None:
    invocation = arguments.parse([])
    assert invocation.config == Path("/etc/kojid/kojid.conf")
    assert set(invocation.overrides.values()) == {None}
    assert not (invocation.foreground or invocation.force_lock or invocation.debug or invocation.skip_main)


def test_every_option_of_the_contract_is_understood() -> None:
    invocation = arguments.parse(
        """-c /x.conf --user u --password p -f --force-lock -v -d --debug-task --debug-xmlrpc --debug-mock --skip-main
        --maxjobs 3 --minspace 4 --sleeptime 5 --admin-emails a@b --topdir /t --topurl http://u --workdir /w
        --chroot-tmpdir /c --pluginpath /a:/b --plugin one --plugin two --mockdir /m --mockuser mu -s https://h/k
        --pkgurl http://old""".split()
    )
    assert invocation.config == Path("/x.conf")
    assert invocation.foreground
    assert invocation.force_lock
    assert invocation.verbose
    assert invocation.debug
    assert invocation.debug_task
    assert invocation.debug_xmlrpc
    assert invocation.skip_main
    assert invocation.overrides == {
        "server": "https://h/k",
        "topurl": "http://u",
        "topdir": "/t",
        "user": "u",
        "password": "p",
        "sleeptime": 5,
        "maxjobs": 3,
        "minspace": 4,
        "workdir": "/w",
        "admin_emails": "a@b",
        "mockdir": "/m",
        "mockuser": "mu",
        "chroot_tmpdir": "/c",
        "plugin": ["one", "two"],
        "pluginpath": "/a:/b",
        "pkgurl": "http://old",
    }
    assert invocation.warnings == ["--debug-mock is obsolete and ignored: mock's own logs are uploaded"]


@pytest.mark.parametrize("argv", [["extra"], ["--no-such-option"], ["--maxjobs", "many"], ["--config"]])
def test_wrong_arguments_are_a_usage_error_with_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        arguments.parse(argv)
    assert caught.value.code == 2
    assert "usage: kojid" in capsys.readouterr().err


def test_version_and_help_end_with_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--version"], ["--help"]):
        with pytest.raises(SystemExit) as caught:
            arguments.parse(argv)
        assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"kojid {__version__}" in out
    assert "--force-lock" in out
    assert "--debug-mock" not in out
    assert "--pkgurl" not in out
