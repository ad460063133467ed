"""The direct children of a process, and going into the background."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

import pytest

from kojid.system import background, children, forks, process
from kojid.system.process import ExitStatus

from .test_process import wait_for


@pytest.mark.parametrize("listed", [True, False])
def test_direct_children_are_found(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> List[str]:
        raise FileNotFoundError

    if not listed:
        monkeypatch.setattr(children, "_listed", missing)
    before = set(children.children(os.getpid()))
    with process.spawn(["sh", "-c", "sleep 60 & wait"], new_session=True) as child:
        wait_for(lambda: len(children.children(child.pid)) == 1)
        assert set(children.children(os.getpid())) - before == {child.pid}
        process.terminate(child.pid)


def test_a_process_that_is_gone_has_no_children() -> None:
    assert children.children(2**22 - 1) == []


def test_a_detached_process_has_left_its_caller(tmp_path: Path) -> None:
    def main() -> None:
        background.detach()
        leads = os.getsid(0) == os.getpid()
        files = {os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)}
        (tmp_path / "new").write_text(f"{leads} {os.getcwd()} {files}")
        (tmp_path / "new").rename(tmp_path / "told")

    pid = forks.fork(main, name="test")
    assert ExitStatus.from_raw(os.waitpid(pid, 0)[1]) == ExitStatus(0)
    wait_for((tmp_path / "told").exists)
    assert (tmp_path / "told").read_text() == "False / {'/dev/null'}"
