from __future__ import annotations

import os
from pathlib import Path

import pytest

from kojid.buildroot.chrootfiles import make_directory, open_directory


def test_a_directory_is_reached_and_closed_again(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    with open_directory(str(tmp_path), "a//./b/") as descriptor:
        assert os.listdir(descriptor) == ["file"]
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("place", ["a", "a/b"])
def test_no_link_is_followed_on_the_way(tmp_path: Path, place: str) -> None:
    (tmp_path / "host/b").mkdir(parents=True)
    link = tmp_path / "root" / place
    link.parent.mkdir(parents=True)
    os.symlink(tmp_path / "host", link)
    with pytest.raises(OSError, match=r"directory|symbolic"), open_directory(str(tmp_path / "root"), "a/b"):
        pass
    with pytest.raises(OSError, match=r"directory|symbolic"):
        make_directory(str(tmp_path / "root"), "a/b/c")
    assert not (tmp_path / "host/c").exists()


def test_dots_do_not_lead_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leaves"), open_directory(str(tmp_path), "../x"):
        pass


def test_directories_are_made_with_their_parents_and_kept(tmp_path: Path) -> None:
    make_directory(str(tmp_path), "/a/b")
    (tmp_path / "a/b/file").touch()
    make_directory(str(tmp_path), "a/b")
    assert (tmp_path / "a/b/file").exists()
