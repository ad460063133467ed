from __future__ import annotations

import os
import pwd
import signal
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from kojid.buildroot import mock as driver
from kojid.errors import HostFault
from kojid.system.process import Credentials
from tests.support import options
from tests.support.fakebuildroot import FakeMock, buildroot_options


@pytest.mark.parametrize(("argv", "expected"), [
    (driver.init(), "--init"),
    (driver.rebuild("/s.src.rpm", "i686"), "--no-clean --target i686 --rebuild /s.src.rpm"),
    (driver.rebuild("/s.src.rpm", None), "--no-clean --rebuild /s.src.rpm"),
    (driver.buildsrpm("/a.spec", "/d"), "--no-clean --buildsrpm --spec /a.spec --sources /d --target noarch"),
    (driver.source_command(["fedpkg", "-c", "sources"], "/t/scmroot"),
     "--no-clean --unpriv --cwd /t/scmroot --chroot -- fedpkg -c sources"),
    (driver.in_chroot("rpm", "-iv", "/x"), "--no-clean --target noarch --chroot -- rpm -iv /x"),
])  # fmt: skip
def test_command_lines(argv: list[str], expected: str) -> None:
    assert argv == expected.split()


@pytest.mark.parametrize(("extra", "expected"), [
    ({}, []),
    ({"mock.new_chroot": 1}, ["--new-chroot"]),
    ({"mock.new_chroot": False}, ["--old-chroot"]),
    ({"mock.new_chroot": None}, ["--old-chroot"]),
    ({"mock.bootstrap_image_ready": True}, ["--bootstrap-image-ready"]),
    ({"mock.bootstrap_image_ready": False}, []),
    ({"mock.new_chroot": True, "mock.bootstrap_image_ready": True}, ["--new-chroot", "--bootstrap-image-ready"]),
])  # fmt: skip
def test_what_a_tag_adds_to_every_call(extra: dict[str, Any], expected: list[str]) -> None:
    prefix = driver.prefix(options(mockpath="/opt/mock"), "demo-build-16-4", extra)
    assert prefix == ["/opt/mock", "-r", "koji/demo-build-16-4", *expected]


def test_a_configuration_elsewhere_is_given_by_its_path() -> None:
    assert driver.config_argument(options(mock_config_dir="/srv/koji"), "n") == "/srv/koji/n.cfg"
    assert driver.config_argument(options(mock_config_dir="/etc/mock/koji/"), "n") == "koji/n"


@pytest.fixture
def run(tmp_path: Path, mock: FakeMock) -> Callable[..., Any]:
    (tmp_path / "test.cfg").write_text("config_opts['basedir'] = '/x'\nconfig_opts['root'] = 'y'\n")
    me = pwd.getpwuid(os.getuid()).pw_name

    def run_mock(body: str, on_tick: Any = lambda: None, workdir: Any = tmp_path, **overrides: Any) -> Any:
        mock.does(body)
        settings = buildroot_options(tmp_path, **{"mockuser": me, **overrides})
        argv = [settings.mockpath, "-r", str(tmp_path / "test.cfg")]
        return driver.execute(argv, settings, None if workdir is None else str(workdir), on_tick)

    return run_mock


def test_its_output_and_messages_are_appended_to_a_log(tmp_path: Path, run: Callable[..., Any]) -> None:
    for _ in range(2):
        assert run("print('out', flush=True)\nprint('err', file=sys.stderr)").ok
    assert (tmp_path / "mock_output.log").read_text() == "out\nerr\n" * 2


def test_the_log_is_no_way_out_of_the_working_directory(tmp_path: Path, run: Callable[..., Any]) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "mock_output.log")
    with pytest.raises(OSError, match="symbolic links"):
        run("")
    assert not (tmp_path / "elsewhere").exists()


def test_its_status_is_told_in_raw_form(run: Callable[..., Any]) -> None:
    assert run("sys.exit(30)").raw == 30 << 8
    assert run("os.kill(os.getpid(), 9)").raw == signal.SIGKILL


def test_its_end_is_noticed_at_once(run: Callable[..., Any]) -> None:
    started = time.monotonic()
    run("")
    assert time.monotonic() - started < 0.9, "a polling second would show"


def test_nothing_of_the_daemons_environment_reaches_it(
    tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOJI_SECRET", "x")
    run("print(sorted(os.environ))")
    names = (tmp_path / "mock_output.log").read_text()
    assert "PATH" in names
    assert "KOJI_SECRET" not in names


def test_it_is_looked_after_while_it_runs(tmp_path: Path, run: Callable[..., Any]) -> None:
    ticks: list[float] = []
    run(f"p = pathlib.Path({str(tmp_path / 'go')!r})\nwhile not p.exists(): time.sleep(0.01)",
        on_tick=lambda: ticks.append(0) or (tmp_path / "go").touch())  # fmt: skip
    assert ticks


def test_it_is_ended_when_looking_after_it_fails(tmp_path: Path, run: Callable[..., Any]) -> None:
    def fail() -> None:
        pid = tmp_path / "pid"
        if pid.exists() and pid.read_text():
            raise RuntimeError("not ours any more")

    with pytest.raises(RuntimeError):
        run(f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(60)", on_tick=fail)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_without_mock_the_host_is_at_fault(tmp_path: Path, run: Callable[..., Any]) -> None:
    with pytest.raises(HostFault, match="not installed"):
        run("", mockpath=str(tmp_path / "none"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")
def test_without_its_user_the_host_is_at_fault(run: Callable[..., Any]) -> None:
    with pytest.raises(HostFault, match="nosuchuser"):
        run("", mockuser="nosuchuser")


def test_root_becomes_mockuser_with_the_group_mock_and_others_stay(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    users: list[Any] = []
    monkeypatch.setattr(driver, "run", lambda argv, **kwargs: users.append(kwargs["user"]))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    run("", mockuser="nobody")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    run("", mockuser="nobody")
    nobody = pwd.getpwnam("nobody")
    assert users == [Credentials(nobody.pw_uid, nobody.pw_gid, (os.getgid(),)), None]
