"""The root's lock, between two processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.sandbox.mock.caller import in_child
from kojid.sandbox.mock.errors import RootLocked
from kojid.sandbox.mock.lock import RootLock


def other_run(path: Path, shared: bool) -> bool:
    """Whether another process gets the lock."""

    def take() -> bool:
        lock = RootLock(path)
        if not shared:
            return lock.exclusive()
        try:
            lock.shared()
        except RootLocked:
            return False
        return True

    got, error = in_child(take)
    assert error == ""
    return bool(got)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "buildroot.lock"


def test_an_exclusive_lock_keeps_all_others_out(path: Path) -> None:
    lock = RootLock(path)
    assert lock.exclusive()
    assert not other_run(path, shared=True)
    assert not other_run(path, shared=False)


def test_a_shared_lock_lets_others_share(path: Path) -> None:
    lock = RootLock(path)
    assert lock.exclusive()
    lock.shared()
    assert other_run(path, shared=True)
    assert not other_run(path, shared=False)


def test_a_released_lock_is_free_and_its_file_can_go(path: Path) -> None:
    lock = RootLock(path)
    lock.shared()
    lock.release()
    assert other_run(path, shared=False)
    lock.release(remove=True)
    assert not path.exists()
