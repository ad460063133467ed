from __future__ import annotations

import os
from pathlib import Path

import pytest

from kojid.buildroot.results import Results, collect


def test_files_are_told_apart(tmp_path: Path) -> None:
    for name in ("a-1.src.rpm", "b-1.x86_64.rpm", "a-1.noarch.rpm", "root.log", "core", ".hidden.rpm"):
        (tmp_path / name).touch()
    found = collect(str(tmp_path))
    assert found == Results(
        srpms=["a-1.src.rpm"],
        rpms=["a-1.noarch.rpm", "b-1.x86_64.rpm"],
        logs=["root.log"],
        unexpected=[".hidden.rpm", "core"],
    )
    assert found.noarch == ["a-1.noarch.rpm"]


def test_only_regular_files_count(tmp_path: Path) -> None:
    results = tmp_path / "result"
    results.mkdir()
    (tmp_path / "secret").touch()
    os.symlink(tmp_path / "secret", results / "a.x86_64.rpm")
    os.mkfifo(results / "b.x86_64.rpm")
    (results / "c.x86_64.rpm").mkdir()
    assert collect(str(results)) == Results(unexpected=["a.x86_64.rpm", "b.x86_64.rpm", "c.x86_64.rpm"])


def test_the_directory_itself_is_no_link(tmp_path: Path) -> None:
    os.symlink("/etc", tmp_path / "result")
    with pytest.raises(OSError, match=r"directory|symbolic"):
        collect(str(tmp_path / "result"))
