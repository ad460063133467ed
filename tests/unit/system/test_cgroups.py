"""Control groups for real, where this machine lets this process make them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from kojid.system import cgroups, mounts, processes
from kojid.system.cgroups import Group
from kojid.system.termination import Family, Termination

LONG = 60.0


@pytest.fixture
def group() -> Iterator[Group]:
    parent = cgroups.own()
    if parent is None or not cgroups.writable(parent):
        pytest.skip("no control group can be made here")
    made = cgroups.make(parent, f"kojid-test-{os.getpid()}")
    assert made is not None
    yield made
    made.kill()
    deadline = time.monotonic() + LONG
    while not made.remove():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def escapee(group: Group, ready: Path) -> int:
    """A process that was started in the group, left its session and its parents, and ignores signals; its pid."""
    code = (
        "import os, signal, sys, time\n"
        "sys.stdin.read()\n"
        "if os.fork(): sys.exit()\n"
        "os.setsid()\n"
        "if os.fork(): sys.exit()\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r} + '.new', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(ready)!r} + '.new', {str(ready)!r})\n"
        "time.sleep(60)\n"
    )
    made = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    group.add(made.pid)
    assert made.stdin is not None
    made.stdin.close()
    made.wait()
    deadline = time.monotonic() + LONG
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(ready.read_text())


def gone(pid: int) -> bool:
    state = processes.read_state(pid)
    return state is None or state.ended


def test_what_escaped_from_parents_and_session_is_still_a_member(group: Group, tmp_path: Path) -> None:
    pid = escapee(group, tmp_path / "ready")
    deadline = time.monotonic() + LONG
    while group.pids() != [pid]:  # those before it leave
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not group.remove()
    used = group.cpu_seconds()
    assert used is None or used > 0


def test_a_termination_ends_the_members(group: Group, tmp_path: Path) -> None:
    pid = escapee(group, tmp_path / "ready")
    steps = ((signal.SIGTERM, 0.2), (signal.SIGKILL, 3.0))
    ending = Termination(0, family=Family(0, group=group), steps=steps)
    while True:
        again = ending.advance(time.monotonic())
        if again is None:
            break
        time.sleep(max(0.0, again - time.monotonic()))
    assert ending.leftover == []
    assert gone(pid)
    assert group.pids() == []


def test_no_group_where_none_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert cgroups.make(tmp_path / "file", "x") is None
    assert not cgroups.writable(tmp_path / "file")
    assert not Group(tmp_path / "nowhere").kill()
    assert Group(tmp_path / "nowhere").pids() == []


@pytest.mark.parametrize(
    ("mountinfo", "own", "found"),
    [
        ("30 23 0:26 / {top} rw - cgroup2 cgroup2 rw\n", "0::/unit\n", "unit"),  # unified
        ("29 23 0:25 / /x rw - cgroup cgroup rw,cpu\n30 23 0:26 / {top} rw - cgroup2 none rw\n", "4:cpu:/\n0::/\n", ""),
        ("29 23 0:25 / /x rw - cgroup cgroup rw,cpu\n", "4:cpu:/\n", None),  # version 1 only
        ("30 23 0:26 / {top} rw - cgroup2 cgroup2 rw\n", "0::/../outside\n", None),  # another namespace's
    ],
)
def test_the_own_group_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mountinfo: str, own: str, found: Optional[str]
) -> None:
    top = tmp_path / "top"
    (top / "unit").mkdir(parents=True)
    for directory in (top, top / "unit"):
        (directory / "cgroup.procs").touch()
    (tmp_path / "mountinfo").write_text(mountinfo.format(top=top))
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "mountinfo"))
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "own")
    assert cgroups.own() == (None if found is None else top / found)
