"""Task processes for real: started, heard, woken, ended, and nothing of them left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional
from unittest.mock import Mock

import koji.tasks
import pytest

from kojid.daemon import subjects
from kojid.daemon.ledger import Ledger
from kojid.daemon.loop import Loop
from kojid.daemon.starts import Start
from kojid.daemon.supervisor import Supervisor
from kojid.errors import HostFault
from kojid.system import forks, processes, termination
from kojid.system.children import children
from tests.support import options

LONG = 60.0  # seconds after which a test gives up


class Session:
    """The task's side of a hub session, in the task process."""

    def __init__(self, directory: Path) -> None:
        self.sinfo = {"session-id": 9}
        self.opts: dict[str, Any] = {}
        self.after_call: Any = None
        self.directory = directory
        self.host = self

    def note(self, name: str) -> None:
        (self.directory / name).touch()

    def closeTask(self, _task_id: int, _xml: str) -> None:
        self.note("closed")

    def failTask(self, _task_id: int, xml: str) -> None:
        (self.directory / "failed").write_text(xml)

    def subtask(self) -> None:
        self.after_call("host.subtask", 7)

    def logout(self) -> None:
        self.note("logged-out")

    def _forget(self) -> None:
        pass


class Site:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.events = 0
        self.loop = Loop()
        settings = options(workdir=str(directory / "work"), task_log_dir=str(directory / "logs"))
        self.ledger = Ledger(directory / "state")
        self.ledger.open()
        self.supervisor = Supervisor(self.loop, settings, self.count, self.ledger)

    def count(self) -> None:
        self.events += 1

    def start(self, run: Callable[[Session], Any]) -> Any:
        session = Session(self.directory)
        handler = Mock(id=5, method="test", spec=["id", "method", "run", "session"])
        handler.run = lambda: run(session)
        self.supervisor.start([Start(handler, session)])
        return self.supervisor.job_of(5)

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONG
        while not done():
            assert time.monotonic() < deadline, "it did not happen"
            self.loop.turn(time.monotonic() + 0.05)

    def has(self, name: str) -> bool:
        return (self.directory / name).exists()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for job in made.supervisor.jobs:
        os.kill(job.pid, signal.SIGKILL)
    made.until(lambda: not made.supervisor.busy())
    made.supervisor.close()
    made.ledger.close()
    made.loop.close()


def test_a_task_runs_in_a_session_of_its_own_and_its_end_is_an_event(site: Site) -> None:
    job = site.start(lambda session: (site.directory / "sid").write_text(str(os.getsid(0))))
    site.until(lambda: not len(site.supervisor.jobs))
    assert site.has("closed")
    assert (site.directory / "sid").read_text() == str(job.pid)
    assert site.events >= 1


def batch(site: Site, *numbers: int) -> list[Start]:
    """Tasks that note under their number which pipes of their daemon they have."""

    def made(number: int) -> Start:
        session = Session(site.directory)
        handler = Mock(id=number, method="test", spec=["id", "method", "run", "session"])
        handler.run = lambda: (site.directory / str(number)).write_text(" ".join(sorted(pipes())))
        return Start(handler, session)

    return [made(number) for number in numbers]


def pipes() -> set[str]:
    """The pipes of this process, by their numbers in the kernel."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return {one for one in found if one.startswith("pipe:")}


def test_tasks_of_a_batch_run_and_none_keeps_a_pipe_of_another(site: Site) -> None:
    before = pipes()
    starts = batch(site, 6, 7, 8)
    site.supervisor.start(starts)
    assert [start.fault for start in starts] == [None] * 3
    assert sorted(site.supervisor.jobs.pids()) == [6, 7, 8]
    assert pipes() == before
    site.until(lambda: not len(site.supervisor.jobs))
    kept = [set((site.directory / str(number)).read_text().split()) - before for number in (6, 7, 8)]
    assert [len(of_task) for of_task in kept] == [1, 1, 1], "the one that wakes it, of its own"
    assert len(set.union(*kept)) == 3


def test_a_task_that_can_not_be_started_does_not_cost_the_others_of_its_batch(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = site.ledger.save_task

    def full(record: Any) -> None:
        if record.task_id == 7:
            raise OSError(28, "No space left on device")
        save(record)

    monkeypatch.setattr(site.ledger, "save_task", full)
    real = forks.fork

    def refuse(main: Any, *, name: str) -> int:
        if name == "task 6":
            raise HostFault("no process could be started for task 6")
        return real(main, name=name)

    monkeypatch.setattr(forks, "fork", refuse)
    starts = batch(site, 6, 7, 8)
    site.supervisor.start(starts)
    assert [str(start.fault or "") for start in starts] == [
        "the task can't be started: no process could be started for task 6",
        "the task can't be started: [Errno 28] No space left on device",
        "",
    ]
    site.until(lambda: not len(site.supervisor.jobs))
    site.until(lambda: not children(os.getpid()) or site.supervisor.reap())
    assert [site.has(str(number)) for number in (6, 7, 8)] == [False, False, True]


def test_nobody_looks_at_all_processes_of_the_machine_when_a_task_leaves_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(termination, "snapshot", lambda: looks.append(1) or {})
    site.start(lambda session: None)
    site.until(lambda: not site.supervisor.busy())
    assert site.has("closed")
    assert not looks


def test_a_task_leaves_its_session_to_the_daemon_that_has_heard_of_its_end(site: Site) -> None:
    job = site.start(lambda session: None)
    site.until(lambda: not len(site.supervisor.jobs))
    assert not site.has("logged-out")
    assert site.supervisor.open_sessions() == [job]
    assert site.supervisor.open_sessions() == []


def test_a_task_whose_daemon_does_not_hear_it_ends_its_session_by_itself(site: Site) -> None:
    def run(_session: Session) -> None:
        (site.ledger.directory / "events").unlink()

    site.start(run)
    site.until(lambda: not len(site.supervisor.jobs))
    assert site.has("closed") and site.has("logged-out")
    assert site.supervisor.open_sessions() == []


def test_a_subtask_made_here_is_an_event_while_the_task_goes_on(site: Site) -> None:
    def run(session: Session) -> None:
        session.subtask()
        time.sleep(LONG)

    job = site.start(run)
    site.until(lambda: site.events == 1)
    assert processes.read_state(job.pid) is not None


def test_a_task_that_gives_itself_back_is_told_of_once(site: Site) -> None:
    site.start(lambda session: session.after_call("host.freeTasks", None))
    site.until(lambda: not len(site.supervisor.jobs))
    assert site.supervisor.given_back() == [5]
    assert site.supervisor.given_back() == []


def test_a_crashed_task_leaves_its_session_to_the_daemon_once(site: Site) -> None:
    job = site.start(lambda session: os.kill(os.getpid(), signal.SIGKILL))
    site.until(lambda: not len(site.supervisor.jobs))
    assert site.supervisor.open_sessions() == [job]
    assert site.supervisor.open_sessions() == []
    assert not site.has("closed")


def test_ending_a_task_reports_nothing_and_logs_out(site: Site) -> None:
    def run(session: Session) -> None:
        session.note("running")
        time.sleep(LONG)

    job = site.start(run)
    site.until(lambda: site.has("running"))
    site.supervisor.end(job)
    site.until(lambda: not site.supervisor.busy())
    assert site.has("logged-out")
    assert not site.has("closed") and not site.has("failed")


def test_processes_that_ignore_signals_and_double_forks_are_ended_too(site: Site) -> None:
    script = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.setsid()\n"
        "if os.fork(): sys.exit()\n"
        f"open({str(site.directory / 'stubborn')!r}, 'w').write(str(os.getpid()))\n"
        f"time.sleep({LONG})\n"
    )

    def run(session: Session) -> None:
        os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", script])
        while not (site.directory / "stubborn").exists() or not (site.directory / "stubborn").read_text():
            time.sleep(0.01)

    site.start(run)
    site.until(lambda: site.has("closed") and not site.supervisor.busy())
    stubborn = int((site.directory / "stubborn").read_text())
    state = processes.read_state(stubborn)
    assert state is None or state.ended


def test_a_wake_up_reaches_a_waiting_task(site: Site) -> None:
    def run(session: Session) -> None:
        from kojid.tasks.wakeup import current_wakeup

        session.note("waiting")
        assert current_wakeup().sleep(LONG)

    job = site.start(run)
    site.until(lambda: site.has("waiting"))
    site.supervisor.wake(job)
    site.until(lambda: not len(site.supervisor.jobs))
    assert site.has("closed")


def test_a_subtasks_end_wakes_its_parent_here(site: Site) -> None:
    def run(session: Session) -> None:
        signal.signal(signal.SIGUSR2, lambda *_: session.note("woken"))
        session.note("waiting")
        while not (session.directory / "woken").exists():
            signal.pause()

    parent = site.start(run)
    site.until(lambda: site.has("waiting"))
    child = Mock(task_id=8, method="test", ending=None)
    child.record.parent = parent.task_id
    site.supervisor._wake_dependents(child)
    site.until(lambda: len(site.supervisor.jobs) == 0)
    assert site.has("woken")


def test_a_process_that_has_just_been_forked_is_not_woken_as_that_would_end_it(site: Site) -> None:
    def run(session: Session) -> None:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        session.note("there")
        while not (session.directory / "go").exists():
            time.sleep(0.01)

    parent = site.start(run)
    site.until(lambda: site.has("there"))
    child = Mock(task_id=8, method="test", ending=None)
    child.record.parent = parent.task_id
    site.supervisor._wake_dependents(child)
    site.supervisor.wake = Mock()  # type: ignore[method-assign]
    site.supervisor._wake_dependents(child)
    site.supervisor.wake.assert_not_called()
    (site.directory / "go").touch()
    site.until(lambda: len(site.supervisor.jobs) == 0)
    assert site.has("closed")


@pytest.mark.parametrize(
    ("waiting", "ended", "woken"),
    [("waitrepo", "newRepo", 1), ("waitrepo", "sleep", 0), ("dependantTask", "sleep", 1), ("build", "sleep", 0)],
)
def test_tasks_that_ask_the_hub_now_and_then_are_woken_by_what_may_matter(
    site: Site, monkeypatch: pytest.MonkeyPatch, waiting: str, ended: str, woken: int
) -> None:
    monkeypatch.setattr(processes, "catches", lambda pid, number: True)
    site.supervisor.wake = Mock()  # type: ignore[method-assign]
    site.supervisor.jobs.add(Mock(task_id=1, method=waiting, ending=None, pidfd=None))
    over = Mock(task_id=8, method=ended, ending=None)
    over.record.parent = None
    site.supervisor._wake_dependents(over)
    assert site.supervisor.wake.call_count == woken
    site.supervisor.jobs.forget(Mock(task_id=1))


def test_a_task_has_a_log_of_its_own(site: Site) -> None:
    def run(session: Session) -> None:
        raise koji.tasks.ServerExit

    site.start(run)
    site.until(lambda: not len(site.supervisor.jobs))
    assert (site.directory / "logs" / "5.log").exists()


def test_a_helper_tells_how_it_ended(site: Site) -> None:
    ended: list[int] = []
    site.supervisor.help_with(lambda: sys.exit(3), "helper", lambda status: ended.append(status.code))
    site.until(lambda: bool(ended))
    assert ended == [3]


@pytest.mark.parametrize(
    ("method", "request_", "subject"),
    [
        ("rebuildSRPM", ["cli-build/1.x/fonts-1.0-1.src.rpm", 2, {}], "rebuildSRPM (fonts-1.0-1.src.rpm, noarch)"),
        ("sleep", [5], "sleep (noarch)"),
        ("build", ["cli-build/1.x/fonts-1.0-1.src.rpm", "demo", {}], "build (demo, fonts-1.0-1.src.rpm)"),
        ("buildSRPMFromSCM", ["git+https://me:secret@example.com/fonts#1", 2, {}], None),
        ("build", None, "malformed task"),
    ],
)
def test_what_a_task_works_on_is_told_in_words_and_without_secrets(
    method: str, request_: Any, subject: Optional[str]
) -> None:
    info = {"id": 7, "method": method, "request": request_, "arch": "noarch"}
    found = subjects.subject_of(Mock(taskinfo=info), method)
    assert "secret" not in found
    assert subject in (None, found)
