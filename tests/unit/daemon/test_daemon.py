"""What ends the daemon, what it survives, and how it leaves (contract 4.1)."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Callable
from unittest.mock import Mock

import koji
import koji.tasks
import pytest

from kojid.daemon import daemon as module
from kojid.daemon.daemon import Daemon
from kojid.daemon.keeper import Keeper
from kojid.daemon.ledger import Ledger
from kojid.daemon.program import HELD_BACK, Program
from kojid.daemon.records import SessionRecord
from kojid.errors import ConfigError, KojidError
from tests.support import options


class Site:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.session = Mock(hub_version=(1, 35, 3), opts={}, sinfo={"session-id": 1, "session-key": "k"}, callnum=0)
        self.session.host.getID.return_value = 3
        self.session.getSessionInfo.return_value = {"start_ts": 1.0}
        self.executed: list[list[str]] = []
        settings = options(
            mockdir=str(tmp_path), mock_config_dir=str(tmp_path / "etc"), state_dir=str(tmp_path / "state"), sleeptime=1
        )
        self.ledger = Ledger(tmp_path / "state")
        self.ledger.open()
        self.trouble: list[KojidError] = []
        record = SessionRecord(settings.server, "user test", self.session.sinfo, numbers=0)
        keeper = Keeper(self.ledger, self.session, record)
        keeper.keep()
        program = Program(["bin/kojid", "--debug"], self._check, detached=False)
        self.daemon = Daemon(keeper, settings, self.ledger, program)
        self.steps: list[Any] = []
        self.cycles = 0
        monkeypatch.setattr(module.Cycle, "run", lambda cycle, whole: self._cycle())
        monkeypatch.setattr(os, "execv", self._exec)
        monkeypatch.setattr(module.Beat, "failed", lambda beat, now: 0.0)
        monkeypatch.setattr(module.Beat, "done", lambda beat, now, again, whole: 0.0)

    def _check(self) -> None:
        for trouble in self.trouble:
            raise trouble

    def _cycle(self) -> bool:
        self.cycles += 1
        step = self.steps.pop(0) if self.steps else koji.tasks.ServerExit()
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step()
        return False

    def _exec(self, program: str, argv: list[str]) -> None:
        self.executed.append(argv)
        raise SystemExit

    def run(self, *steps: Any) -> int:
        self.steps = list(steps)
        return self.daemon.run()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def interrupt(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    "trouble",
    [koji.RetryError("lost"), koji.GenericError("fault"), ConnectionError("reset"), KeyError("odd"), OSError("disk")],
)
def test_trouble_in_a_cycle_costs_the_cycle_and_not_the_daemon(site: Site, trouble: Exception) -> None:
    assert site.run(trouble, None, None) == 0
    assert site.cycles == 4


@pytest.mark.parametrize("error", [koji.AuthExpired("over"), koji.AuthError("stolen")])
def test_a_lost_session_ends_it_with_status_1(site: Site, error: Exception) -> None:
    assert site.run(error) == 1
    assert site.cycles == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_breaks_into_a_wait_for_the_hub_and_ends_it_well(site: Site, number: int) -> None:
    def wait_for_the_hub() -> None:
        interrupt(number)()
        pytest.fail("the cycle went on")

    assert site.run(wait_for_the_hub) == 0
    site.session.host.updateHost.assert_called_once_with(0.0, False)
    site.session.logout.assert_called_once_with()


def test_open_tasks_are_given_back_at_the_end(site: Site) -> None:
    def open_two() -> None:
        site.daemon._state.tasks = {8: {}, 7: {}}

    site.run(open_two)
    site.session.host.freeTasks.assert_called_once_with([7, 8])


@pytest.mark.parametrize(("error", "left"), [(ConnectionError("refused"), False), (koji.GenericError("fault"), True)])
def test_a_hub_in_trouble_does_not_spoil_the_end(site: Site, error: Exception, left: bool) -> None:
    site.session.host.updateHost.side_effect = error
    assert site.run() == 0
    assert site.session.logout.called is left
    assert site.session.opts["timeout"] <= 5  # a silent one does not hold it up


def test_a_restart_gives_the_lock_back_and_starts_the_same_program(site: Site) -> None:
    with pytest.raises(SystemExit):
        site.run(koji.tasks.ServerRestart())
    site.session.logout.assert_called_once_with()
    [argv] = site.executed
    assert argv[1:] == [os.path.abspath("bin/kojid"), "--debug"]


def test_a_detached_daemon_restarts_without_detaching_again(site: Site) -> None:
    site.daemon._program._detached = True
    with pytest.raises(SystemExit):
        site.run(koji.tasks.ServerRestart())
    assert site.executed[0][-1] == "--fg"


def test_usr1_asks_for_a_restart(site: Site) -> None:
    site.run(interrupt(signal.SIGUSR1), None)
    assert site.daemon._state.restart_pending


def test_hup_starts_the_program_anew_with_the_same_session(site: Site) -> None:
    try:
        with pytest.raises(SystemExit):
            site.run(interrupt(signal.SIGHUP), None)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    site.session.logout.assert_not_called()
    record = site.ledger.session()
    assert record is not None
    assert record.host_id == 3
    assert site.executed[0][1:] == [os.path.abspath("bin/kojid"), "--debug"]


def test_hup_with_a_bad_configuration_changes_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.trouble = [ConfigError("kojid.conf:3: unknown config option: x")]
    assert site.run(interrupt(signal.SIGHUP), None, None) == 0
    assert site.executed == []
    assert "nothing changes: kojid.conf:3: unknown config option: x" in caplog.text


def test_no_session_is_left_on_record_after_the_end(site: Site) -> None:
    site.run()
    assert site.ledger.session() is None
