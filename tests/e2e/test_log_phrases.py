"""What admins grep for: the phrases of one idle cycle, and those around a task (contract 1.8), in their order."""

from __future__ import annotations

import re
from typing import Iterator, List

import pytest

from tests.support.sandbox import Daemon, Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

IDLE_CYCLE = [
    r"Local buildroots: \d+",
    r"Active buildroots: \d+",
    r"Expired/stray buildroots: \d+",
    r"Task Load: ",
    r"Current tasks: ",
    r"hostdata: \{",
    r"disk space available in '[^']+': \d+ MB",
    r"Sleeping for \d",
]


@pytest.fixture(scope="module")
def host(box: Sandbox) -> Iterator[Daemon]:
    daemon = box.daemon("talks").start()
    yield daemon
    daemon.stop()


def in_order(lines: List[str], patterns: List[str]) -> bool:
    """Whether each pattern is found in a line after the one of the pattern before it."""
    rest = iter(lines)
    return all(any(re.search(pattern, line) for line in rest) for pattern in patterns)


def test_an_idle_cycle_reads_as_admins_know_it(host: Daemon) -> None:
    """Those between the beats, as after the start, look at no buildroots."""
    wait_for(lambda: len(host.lines(IDLE_CYCLE[0])) >= 3, 90)  # the second one is over by then
    lines = host.log.splitlines()
    begin = [number for number, line in enumerate(lines) if re.search(IDLE_CYCLE[0], line)][1]
    end = next(number for number in range(begin, len(lines)) if "Sleeping for" in lines[number])
    cycle = lines[begin : end + 1]
    assert in_order(cycle, IDLE_CYCLE), "\n".join(cycle)
    assert in_order(lines, ["Starting up", *IDLE_CYCLE])


def test_a_task_leaves_its_trace(box: Sandbox, host: Daemon) -> None:
    task_id = box.task("sleep", 2, channel=host.name)
    box.closed(task_id, 60)
    patterns = [rf"task: \{{.*'id': {task_id}\b", f"Attempting to take task {task_id}", rf"pids: \{{.*{task_id}"]
    wait_for(lambda: in_order(host.log.splitlines(), patterns), 10, host.log[-4000:])
    assert host.lines(rf"open task: \{{.*'id': {task_id}\b")
    assert host.lines("RESPONSE: ")


def test_foreground_lines_have_time_level_pid_and_logger(host: Daemon) -> None:
    shape = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[[A-Z]+\] \{\d+\} koji[\w.]*:\d+ ")
    lines = [line for line in host.log.splitlines() if "Local buildroots" in line]
    assert lines and all(shape.match(line) for line in lines)


def test_the_file_has_the_same_lines_in_its_own_layout(host: Daemon) -> None:
    text = (host.dir / "kojid.log").read_text()
    assert re.search(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[DEBUG\] koji\.TaskManager: Local buildroots: ", text, re.M
    )


def test_a_task_has_a_log_of_its_own(box: Sandbox, host: Daemon) -> None:
    task_id = box.task("sleep", 0, channel=host.name)
    box.closed(task_id, 60)
    text = wait_for(lambda: _read(host, task_id), 10)
    assert f"task {task_id}" in text


def _read(host: Daemon, task_id: int) -> str:
    found = list((host.dir / "tasks").glob(f"{task_id}*.log"))
    return found[0].read_text() if found else ""
