from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.buildroot import disktrouble
from kojid.buildroot.failures import INIT, REBUILD, REBUILD_SRPM, Evidence, Step, fail
from kojid.errors import HostFault
from kojid.system.files import open_beneath
from kojid.system.process import ExitStatus
from kojid.system.storage import Room
from kojid.tasks import chroots
from tests.support import options

NO_SPACE = "cc1: error: No space left on device"


class Machine:
    """One whose disks are as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rooms = {"/mock": Room(20000, 50000), "/work": Room(20000, 50000)}
        self.errors: dict[str, int] = {}
        self.options = options(mockdir="/mock", workdir="/work", minspace=8192, minspace_workdir=512, mininodes=10000)
        monkeypatch.setattr(disktrouble.storage, "room", self._room)

    def _room(self, path: str, *, try_writing: bool) -> Room:
        assert try_writing
        if path in self.errors:
            raise OSError(self.errors[path], os.strerror(self.errors[path]))
        return self.rooms[path]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_with_room_enough_a_package_that_speaks_of_full_disks_has_itself_to_blame(machine: Machine) -> None:
    assert disktrouble.found(machine.options, [NO_SPACE, "tee: Read-only file system"]) == ""


def test_little_room_counts_when_a_log_speaks_of_it(machine: Machine) -> None:
    machine.rooms["/mock"] = Room(8191, 50000)
    assert disktrouble.found(machine.options) == ""
    assert (
        disktrouble.found(machine.options, ["fine", NO_SPACE]) == f"/mock has 8191 MB and 50000 inodes left; {NO_SPACE}"
    )
    machine.rooms["/mock"] = Room(20000, 9999)
    assert "9999 inodes left" in disktrouble.found(machine.options, [NO_SPACE])
    machine.rooms["/mock"] = Room(20000, -1)
    assert disktrouble.found(machine.options, [NO_SPACE]) == ""


@pytest.mark.parametrize("room", [Room(0, 50000), Room(20000, 0), Room(20000, 50000, read_only=True)])
@pytest.mark.parametrize("path", ["/mock", "/work"])
def test_no_room_at_all_counts_even_if_no_log_could_say_so(machine: Machine, path: str, room: Room) -> None:
    machine.rooms[path] = room
    assert path in disktrouble.found(machine.options)


def test_a_disk_that_fails_counts(machine: Machine) -> None:
    machine.errors["/mock"] = errno.EIO
    assert disktrouble.found(machine.options) == "/mock can't be used: Input/output error"
    machine.errors["/mock"] = errno.ENOENT
    assert disktrouble.found(machine.options) == ""


def test_what_the_package_manager_has_counted_and_quotas_need_no_look_at_the_disk(machine: Machine) -> None:
    for line in (
        "installing package gcc-1-1.x86_64 needs 12MB more space on the / filesystem",
        "installing package gcc-1-1.x86_64 needs 300 inodes on the /usr filesystem",
        "   At least 85MB more space needed on the / filesystem.",
    ):
        assert disktrouble.found(machine.options, [], [line]) == line.strip()
        assert disktrouble.found(machine.options, [line]) == ""
    assert disktrouble.found(machine.options, ["write: Disk quota exceeded"]) == "write: Disk quota exceeded"


@pytest.mark.parametrize(("step", "status"), [(INIT, 30), (REBUILD, 1), (REBUILD_SRPM, 1)])
def test_a_failed_mock_gives_the_task_back(machine: Machine, tmp_path: Path, step: Step, status: int) -> None:
    machine.rooms["/mock"] = Room(3, 50000)
    (tmp_path / "root.log").write_text(f"DEBUG util.py:1:  {NO_SPACE}\n")
    evidence = Evidence(lambda name: open_beneath(tmp_path, name), machine.options)
    with pytest.raises(HostFault, match="/mock has 3 MB"):
        fail(step, ExitStatus(status, 0), evidence)
    machine.rooms["/mock"] = Room(20000, 50000)
    with pytest.raises(koji.GenericError, match="see root.log"):
        fail(step, ExitStatus(status, 0), evidence)


def _full(path: str) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def _caused() -> koji.BuildrootError:
    error = koji.BuildrootError("/srpm can't be made in the buildroot")
    error.__cause__ = _full("srpm")
    return error


class Task:
    """As much of one as a buildroot needs."""

    id = 1
    session = None
    workdir = ""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options = machine.options
        self.logger = chroots.logger
        self.expired = 0
        monkeypatch.setattr(chroots, "BuildRoot", lambda *_, **__: self)

    def init(self) -> None:
        """Nothing to be made."""

    def expire(self) -> None:
        self.expired += 1


@pytest.mark.parametrize("error", [_full("x"), _caused()])
def test_what_a_full_disk_does_to_the_task_itself_gives_it_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    task: Any = Task(machine, monkeypatch)
    with pytest.raises(HostFault, match="No space left on device"), chroots.buildroot(task, 1, "x86_64"):
        raise error
    assert task.expired == 1


def test_a_vague_error_is_the_disks_only_when_nothing_is_left_there(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = Task(machine, monkeypatch)
    with pytest.raises(koji.BuildError), chroots.buildroot(task, 1, "x86_64"):
        raise koji.BuildError("No spec file found")
    machine.rooms["/mock"] = Room(0, 50000)
    with pytest.raises(HostFault, match="No spec file found"), chroots.buildroot(task, 1, "x86_64"):
        raise koji.BuildError("No spec file found")
    with pytest.raises(koji.ActionNotAllowed), chroots.buildroot(task, 1, "x86_64"):
        raise koji.ActionNotAllowed("not yours")
