from __future__ import annotations

import os
from pathlib import Path

import pytest

from kojid.system.directories import is_directory_beneath
from kojid.system.ownership import hand_over

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root gives files away")
GIVER, TAKER = 1001, 1002


def owner(path: Path) -> int:
    return path.lstat().st_uid


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "sub").mkdir(parents=True)
    (top / "sub" / "file").write_text("x")
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "secret").write_text("x")
    (top / "to-directory").symlink_to(tmp_path / "host")
    (top / "to-file").symlink_to(tmp_path / "host" / "secret")
    for path in [top, *top.rglob("*")]:
        os.chown(path, GIVER, GIVER, follow_symlinks=False)
    return top


@needs_root
def test_everything_of_the_giver_changes_hands(tree: Path) -> None:
    hand_over(tree, GIVER, TAKER, TAKER)
    assert {owner(path) for path in [tree, *tree.rglob("*")]} == {TAKER}


@needs_root
def test_what_links_lead_to_does_not(tree: Path, tmp_path: Path) -> None:
    os.chown(tmp_path / "host", GIVER, GIVER)
    os.chown(tmp_path / "host" / "secret", GIVER, GIVER)
    hand_over(tree, GIVER, TAKER, TAKER)
    assert owner(tmp_path / "host") == owner(tmp_path / "host" / "secret") == GIVER


@needs_root
def test_what_belongs_to_others_or_has_another_name_does_not(tree: Path, tmp_path: Path) -> None:
    (tree / "of-root").write_text("x")
    os.link(tmp_path / "host" / "secret", tree / "planted")
    os.chown(tree / "planted", GIVER, GIVER)
    hand_over(tree, GIVER, TAKER, TAKER)
    assert owner(tree / "of-root") == 0
    assert owner(tmp_path / "host" / "secret") == GIVER


def test_directories_are_told_from_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    top = str(tmp_path)
    assert is_directory_beneath(top, "a/b") and is_directory_beneath(top, "./a//b/") and is_directory_beneath(top, "")
    for other in ("a/link", "a/link/x", "file", "none", "a/../a"):
        assert not is_directory_beneath(top, other)
