from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import koji
import pytest

from kojid.errors import HostFault
from kojid.repos import faults
from kojid.system.process import ExitStatus

FAILED = ExitStatus(2)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "createrepo.log"
    path.write_text("$ /usr/bin/createrepo_c\nDirectory walk started\nError: no such rpm: x.rpm\n")
    return path


def failure(log: Path, status: ExitStatus = FAILED) -> BaseException:
    return faults.failure("failed to create repo", "/usr/bin/createrepo_c", status, log)


def test_a_tools_failure_is_the_repos_unless_its_log_says_otherwise(log: Path) -> None:
    error = failure(log)
    assert isinstance(error, koji.GenericError)
    assert str(error) == (
        "failed to create repo: createrepo_c exited with status 2; see createrepo.log for more information\n"
        "  Error: no such rpm: x.rpm"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOMEM])
def test_what_the_hosts_disk_or_memory_did_is_the_hosts(log: Path, number: int) -> None:
    with log.open("a") as lines:
        lines.write(f"Critical: Cannot write x.xml.gz: {os.strerror(number)}\n")
    error = failure(log)
    assert isinstance(error, HostFault)
    assert os.strerror(number) in str(error)


def test_a_tool_that_was_killed_points_to_the_memory(log: Path) -> None:
    error = failure(log, ExitStatus(0, 9))
    assert isinstance(error, HostFault)
    assert "not enough memory" in str(error)
    assert isinstance(failure(log, ExitStatus(0, 11)), koji.GenericError)


@pytest.mark.parametrize(("space", "what"), [
    ({"f_bavail": 3, "f_files": 100, "f_favail": 9}, "no space left in"),
    ({"f_bavail": 9999, "f_files": 100, "f_favail": 0}, "no inodes left in"),
])  # fmt: skip
def test_a_full_disk_is_seen_without_the_log(
    log: Path, monkeypatch: pytest.MonkeyPatch, space: dict[str, int], what: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_frsize=4096, **space))
    error = failure(log)
    assert isinstance(error, HostFault)
    assert what in str(error)


def test_errors_of_the_own_disk_are_the_hosts_others_stay(tmp_path: Path) -> None:
    with pytest.raises(HostFault, match="No space left on device"), faults.own_disk():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/work/x")
    with pytest.raises(FileNotFoundError), faults.own_disk():
        (tmp_path / "none").read_text()
