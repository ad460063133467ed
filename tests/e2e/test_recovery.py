"""What becomes of tasks when their daemon is killed, replaced, robbed of its lock or shut out: nothing is lost.

These need no root: the tasks are generic ones.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Dict

import koji
import pytest

from kojid.daemon.steps import STEPS
from kojid.system import cgroups
from tests.support.builder import ROOT, Builder, alive, builder_of, wait_for
from tests.support.sandboxhub import SandboxHub, running_hub

pytestmark = [pytest.mark.e2e]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[SandboxHub]:
    with running_hub(tmp_path) as made:
        yield made


@pytest.fixture
def builder(hub: SandboxHub, tmp_path: Path) -> Iterator[Builder]:
    with builder_of(hub, tmp_path / "builder") as made:
        yield made


def lingering(builder: Builder) -> Path:
    """Let a builder have tasks `linger`, each of which goes on until its file is there; returns such a file."""
    builder.configure(plugin="chaos", pluginpath=ROOT / "tests" / "support" / "plugins")
    return builder.dir / "end"


def nothing_is_left(builder: Builder) -> bool:
    """Nothing of a task is in the ledger, and none of its control groups is there."""
    mark = hashlib.sha256(os.fsencode(builder.ledger.directory)).hexdigest()[:8]
    own = cgroups.own()
    if own is not None and list(own.glob(f"kojid-{mark}-*")):
        return False
    return builder.ledger.tasks() == [] and not list((builder.ledger.directory / "tasks").iterdir())


def test_a_task_outlives_ten_kills_of_its_daemon_in_a_row(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 12)
    record = builder.running(task_id)
    for _ in range(10):
        builder.kill()
        builder.start()
        wait_for(lambda: builder.process and builder.process.poll() is None)
        assert alive(record.process)
    assert builder.ends(task_id) == "CLOSED"
    assert builder.ended_once(task_id)
    assert "freeing stale" not in builder.log
    assert builder.record(task_id) in (None, record)
    wait_for(lambda: nothing_is_left(builder))
    assert builder.stop() == 0


def test_a_killed_daemon_takes_up_its_task_and_says_so_in_one_line(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 6)
    record = builder.running(task_id)
    session = builder.ledger.session()
    builder.kill()
    builder.start()
    wait_for(lambda: builder.lines(f"task {task_id} (sleep", f"pid {record.pid}", "re-attached"))
    assert builder.ends(task_id) == "CLOSED"
    after = builder.ledger.session()
    assert session is not None
    assert after is not None
    assert after.info == session.info
    assert after.numbers > session.numbers


def test_ten_hups_keep_the_process_and_the_tasks(builder: Builder) -> None:
    end = lingering(builder)
    builder.start()
    task_id = builder.task("linger", str(end))
    record = builder.running(task_id)
    assert builder.process is not None
    pid = builder.process.pid
    for number in range(1, 11):
        builder.send(signal.SIGHUP)
        starts = number + 1
        wait_for(lambda: len(builder.lines("Starting up")) == starts, what=lambda: builder.log[-3000:])  # noqa: B023
    assert builder.process.poll() is None
    assert builder.process.pid == pid
    assert alive(record.process)
    end.touch()
    assert builder.ends(task_id) == "CLOSED"
    assert builder.ended_once(task_id)
    assert "freeing stale" not in builder.log
    assert builder.stop() == 0


def test_hups_in_a_burst_do_not_end_it(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 4)
    builder.running(task_id)
    for _ in range(10):
        builder.send(signal.SIGHUP)
    assert builder.ends(task_id) == "CLOSED"
    assert builder.process is not None
    assert builder.process.poll() is None
    assert builder.stop() == 0


def test_a_bad_configuration_at_hup_is_reported_and_changes_nothing(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 2)
    builder.running(task_id)
    builder.configure("maxjosb = 3\n")
    builder.send(signal.SIGHUP)
    wait_for(lambda: builder.lines("nothing changes", "unknown config option: maxjosb"))
    assert builder.ends(task_id) == "CLOSED"
    assert len(builder.lines("Starting up")) == 1
    builder.configure(maxjobs=3)
    builder.send(signal.SIGHUP)
    wait_for(lambda: len(builder.lines("Starting up")) == 2)
    wait_for(lambda: "'maxjobs': 3" in builder.log or builder.ends(builder.task("sleep", 0)) == "CLOSED")


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_task_loses_nothing(builder: Builder, step: str) -> None:
    builder.start(KOJID_CRASH_AT=step)
    task_id = builder.task("sleep", 1)
    assert builder.wait() == -signal.SIGKILL
    builder.start("--force-lock")
    assert builder.ends(task_id) == "CLOSED", builder.log
    assert builder.ended_once(task_id)
    assert len([call for call in builder.hub.calls() if "host.openTask" in call.parts]) <= 2
    wait_for(lambda: nothing_is_left(builder))
    assert builder.stop() == 0


def test_what_a_task_computed_while_no_daemon_ran_is_on_the_hub_when_one_comes(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 1)
    record = builder.running(task_id)
    builder.kill()
    wait_for(lambda: not alive(record.process))
    assert builder.state(task_id) == "CLOSED"
    builder.start()
    wait_for(lambda: builder.lines(f"task {task_id} (sleep", "the hub has it as CLOSED"))
    wait_for(lambda: nothing_is_left(builder))


def test_a_task_that_died_with_its_daemon_is_freed_and_runs_again(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 2)
    record = builder.running(task_id)
    builder.kill()
    os.kill(record.pid, signal.SIGKILL)
    builder.start()
    wait_for(lambda: builder.lines(f"task {task_id} (sleep", "is gone without an outcome: freed"))
    assert builder.ends(task_id) == "CLOSED"


def test_a_stolen_lock_ends_the_tasks_and_needs_force(hub: SandboxHub, builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 600)
    record = builder.running(task_id)
    builder.kill()
    hub.session("builder", exclusive=True)
    assert builder.start().wait() == 1
    assert "Unable to get lock. Trying using --force-lock" in builder.log
    assert builder.lines(f"task {task_id} (sleep", f"pid {record.pid}", "the hub session that it belonged to is gone")
    assert not alive(record.process)
    builder.start("--force-lock")
    wait_for(lambda: builder.lines(f"task {task_id} (sleep", "is gone without an outcome: freed"))
    again = wait_for(lambda: (builder.record(task_id) or record).pid != record.pid)
    assert again


def test_a_lock_stolen_from_a_running_daemon_ends_it_and_its_tasks(hub: SandboxHub, builder: Builder) -> None:
    builder.start()
    record = builder.running(builder.task("sleep", 600))
    hub.session("builder", exclusive=True)
    assert builder.wait() == 1
    assert not alive(record.process)
    assert builder.ledger.session() is None


def test_a_second_daemon_with_the_same_state_dir_is_refused_unless_it_takes_over(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 600)
    record = builder.running(task_id)
    first = builder.process
    assert first is not None
    assert builder.start().wait() == 1
    assert f"another kojid uses {builder.ledger.directory}" in builder.log
    assert first.poll() is None
    builder.start("--force-lock")
    assert first.wait(30) == 1
    assert not alive(record.process)
    wait_for(lambda: (builder.record(task_id) or record).pid != record.pid, what=lambda: builder.log[-3000:])
    assert builder.stop() == 0


def test_term_ends_and_frees_and_leaves_no_ledger(builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 600)
    record = builder.running(task_id)
    assert builder.stop() == 0
    assert not alive(record.process)
    assert builder.state(task_id) in ("FREE", "ASSIGNED")
    assert nothing_is_left(builder)
    assert builder.ledger.session() is None


def test_term_before_the_loop_turns_ends_the_tasks_of_the_daemon_before(hub: SandboxHub, builder: Builder) -> None:
    builder.start()
    record = builder.running(builder.task("sleep", 600))
    builder.kill()
    os.kill(hub.pid, signal.SIGSTOP)  # a hub that does not answer keeps the start waiting
    try:
        told = len(builder.log)
        builder.configure(timeout=60)
        builder.start()
        wait_for(lambda: "resuming hub session" in builder.log[told:])
        builder.send(signal.SIGTERM)
        assert builder.wait() == 0
        assert not alive(record.process)
    finally:
        os.kill(hub.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("limit", "words"),
    [({"task_idle_timeout": 2}, "has come to a stand"), ({"task_max_age": 3}, "longer than task_max_age allows")],
)
def test_a_task_over_a_time_limit_fails_with_the_reason(
    hub: SandboxHub, tmp_path: Path, limit: Dict[str, int], words: str
) -> None:
    with builder_of(hub, tmp_path / "limited", **limit) as builder:
        builder.start()
        task_id = builder.task("sleep", 600)
        record = builder.running(task_id)
        assert builder.ends(task_id, 20) == "FAILED"
        with pytest.raises(koji.GenericError, match=words):
            builder.admin.getTaskResult(task_id)
        wait_for(lambda: not alive(record.process))
        wait_for(lambda: nothing_is_left(builder))


def test_a_session_that_expired_while_no_daemon_ran_is_renewed(tmp_path: Path) -> None:
    with (
        running_hub(tmp_path, session_renewal_timeout=5 / 60) as hub,
        builder_of(hub, tmp_path / "builder") as builder,
    ):
        end = lingering(builder)
        builder.start()
        task_id = builder.task("linger", str(end))
        record = builder.running(task_id)
        session = builder.ledger.session()
        assert session is not None
        builder.kill()
        admin = hub.session("admin")
        started = admin.getTaskInfo(task_id)["start_ts"]
        wait_for(lambda: time.time() > started + 6)
        builder.start()
        wait_for(lambda: builder.lines("resumed hub session"), 60)
        now = builder.ledger.session()
        assert now is not None
        assert now.info["session-id"] == session.info["session-id"]
        assert now.info["session-key"] != session.info["session-key"]
        wait_for(lambda: builder.lines("re-attached"))
        end.touch()
        wait_for(lambda: not alive(record.process), 60)
        closed = hub.session("admin").getTaskInfo(task_id)
        assert closed["state"] == 2, builder.log[-4000:]


def test_a_daemon_that_comes_back_in_an_outage_goes_on_with_its_session(hub: SandboxHub, builder: Builder) -> None:
    builder.start()
    task_id = builder.task("sleep", 5)
    record = builder.running(task_id)
    builder.kill()
    hub.kill()
    builder.start()
    wait_for(lambda: builder.lines("the hub does not answer, going on with the recorded session"))
    wait_for(lambda: builder.lines("re-attached"))
    assert alive(record.process)
    hub.start()
    assert builder.ends(task_id) == "CLOSED"
    assert builder.ended_once(task_id)
