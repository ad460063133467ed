"""Which recorded processes are taken up, and what the hub is told of the others."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable
from unittest.mock import Mock

import koji
import pytest

from kojid.daemon import reattach
from kojid.daemon.ledger import Ledger
from kojid.daemon.loop import Loop
from kojid.daemon.reattach import Reattachment
from kojid.daemon.records import Outcome, TaskRecord
from kojid.daemon.supervisor import Supervisor
from kojid.system import processes
from tests.support import options

LONG = 60.0


class Site:
    """A daemon that finds the ledger of another one; the task's process is no child of it."""

    def __init__(self, directory: Path) -> None:
        self.ledger = Ledger(directory / "state")
        self.ledger.open()
        self.options = options(workdir=str(directory), mock_config_dir=str(directory), task_term_timeout=1)
        self.loop = Loop()
        self.session = Mock()
        self.supervisor = Supervisor(self.loop, self.options, lambda: None, self.ledger)
        self.reattachment = Reattachment(self.ledger, self.supervisor, self.session)
        self.pids: list[int] = []

    def orphan(self) -> int:
        """A process that leads its own session; its parent is not this one."""
        code = (
            "import os, sys, time\nif os.fork(): sys.exit()\n"
            "os.setsid()\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
        )
        made = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert made.stdout is not None
        self.pids.append(int(made.stdout.readline()))
        made.stdout.close()
        made.wait()
        return self.pids[-1]

    def record(self, pid: int, **changes: object) -> TaskRecord:
        start = processes.start_time(pid) or 1
        made = TaskRecord(5, "sleep", "sleep (noarch)", pid, start, processes.boot_id(), 8)
        made = dataclasses.replace(made, **changes)  # type: ignore[arg-type]
        self.ledger.save_task(made)
        return made

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONG
        while not done():
            assert time.monotonic() < deadline, "it did not happen"
            self.loop.turn(time.monotonic() + 0.05)

    def close(self) -> None:
        for pid in self.pids:
            if processes.read_state(pid):
                os.kill(pid, signal.SIGKILL)
        self.until(lambda: not self.supervisor.busy())
        self.supervisor.close()
        self.loop.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def test_a_living_process_becomes_a_job_and_its_end_is_noticed(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    record = site.record(site.orphan())
    site.reattachment.begin()
    job = site.supervisor.job_of(5)
    assert job is not None
    assert job.process == record.process
    assert f"task 5 (sleep (noarch), pid {record.pid}) still runs: re-attached" in caplog.text
    os.kill(record.pid, signal.SIGKILL)
    site.until(lambda: site.supervisor.job_of(5) is None and not site.supervisor.busy())
    assert site.ledger.tasks() == []


def test_its_end_is_noticed_without_pidfds_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "open_pidfd", lambda pid: None)
    record = site.record(site.orphan())
    site.reattachment.begin()
    os.kill(record.pid, signal.SIGKILL)
    site.until(lambda: site.supervisor.job_of(5) is None)


def test_a_process_that_has_the_pid_now_is_not_the_tasks(site: Site) -> None:
    pid = site.orphan()
    record = site.record(pid, start_time=(processes.start_time(pid) or 0) - 1)
    assert site.supervisor.attach(record) is None
    reattach.end_all(site.ledger, site.options, "test")
    state = processes.read_state(pid)
    assert state is not None
    assert not state.ended


def test_no_process_outlives_the_machine(site: Site) -> None:
    pid = site.orphan()
    record = site.record(pid, boot_id="another")
    assert site.supervisor.attach(record) is None
    reattach.end_all(site.ledger, site.options, "test")
    state = processes.read_state(pid)
    assert state is not None
    assert not state.ended


def test_a_re_attached_task_can_be_ended(site: Site) -> None:
    record = site.record(site.orphan())
    site.reattachment.begin()
    job = site.supervisor.job_of(5)
    assert job is not None
    site.supervisor.end(job)
    site.until(lambda: not site.supervisor.busy())
    state = processes.read_state(record.pid)
    assert state is None or state.ended


def test_without_a_session_all_are_ended(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    record = site.record(site.orphan())
    reattach.end_all(site.ledger, site.options, "the lock was stolen")
    state = processes.read_state(record.pid)
    assert state is None or state.ended
    assert f"task 5 (sleep (noarch), pid {record.pid}) is ended: the lock was stolen" in caplog.text
    assert len(site.ledger.tasks()) == 1


def test_an_outcome_that_was_not_delivered_is_delivered(site: Site) -> None:
    site.record(1, boot_id="another")
    site.ledger.save_outcome(5, Outcome("closeTask", [5, "<xml/>"]))
    site.reattachment.begin()
    assert site.reattachment.settle([5, 6]) == [6]
    site.session.host.closeTask.assert_called_once_with(5, "<xml/>")
    assert site.ledger.tasks() == []
    assert site.ledger.outcome(5) is None


def test_an_outcome_stays_until_the_hub_has_it(site: Site) -> None:
    site.record(1, boot_id="another")
    site.ledger.save_outcome(5, Outcome("closeTask", [5, "<xml/>"]))
    site.session.host.closeTask.side_effect = ConnectionError("refused")
    with pytest.raises(ConnectionError):
        site.reattachment.settle([5])
    assert site.ledger.outcome(5) is not None


def test_an_outcome_of_a_task_that_is_another_hosts_now_is_dropped(site: Site) -> None:
    site.record(1, boot_id="another")
    site.ledger.save_outcome(5, Outcome("closeTask", [5, "<xml/>"]))
    site.session.getTaskInfo.return_value = [{"state": koji.TASK_STATES["FREE"]}]
    assert site.reattachment.settle([]) == []
    site.session.host.closeTask.assert_not_called()
    assert site.ledger.tasks() == []


def test_what_is_gone_without_an_outcome_is_freed_and_then_forgotten(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    site.record(1, boot_id="another")
    assert site.reattachment.settle([5]) == [5]
    assert len(site.ledger.tasks()) == 1
    site.reattachment.freed([5])
    assert site.ledger.tasks() == []
    assert "task 5 (sleep (noarch), pid 1) is gone without an outcome: freed" in caplog.text
