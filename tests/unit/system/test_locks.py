"""The lock on a working directory."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from kojid.system import forks, locks


def test_a_second_holder_waits_in_vain_while_the_first_is_there(tmp_path: Path) -> None:
    first = locks.hold(tmp_path, 0)
    assert first is not None
    assert locks.hold(tmp_path, 0.2) is None
    os.close(first)


def test_a_second_holder_gets_it_once_the_first_lets_go(tmp_path: Path) -> None:
    first = locks.hold(tmp_path, 0)
    assert first is not None
    letting_go = threading.Timer(0.2, os.close, (first,))
    letting_go.start()
    second = locks.hold(tmp_path, 10)
    letting_go.join()
    assert second is not None
    os.close(second)


def test_a_process_forked_from_the_holder_holds_it_too(tmp_path: Path) -> None:
    first = locks.hold(tmp_path, 0)
    assert first is not None
    reader, writer = os.pipe()

    def wait() -> None:
        os.close(writer)
        os.read(reader, 1)

    pid = forks.fork(wait, name="holder")
    os.close(reader)
    os.close(first)
    assert locks.hold(tmp_path, 0.2) is None
    os.close(writer)
    os.waitpid(pid, 0)
    second = locks.hold(tmp_path, 0)
    assert second is not None
    os.close(second)
