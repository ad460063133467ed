"""What is mounted beneath a path, and taking it away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from kojid.system import mounts, storage, syscalls


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount table with the traps in it."""
    points = [
        "/",
        "/proc",
        "/var/lib/mock/tag-12-3/root/proc",
        "/var/lib/mock/tag-12-3/root/proc/sys",
        "/var/lib/mock/tag-12-34/root/proc",
        "/var/lib/mock/tag-12-3-bootstrap/root/dev",
        r"/var/lib/mock/tag-12-3/root/with\040blank\011tab\134backslash",
        "/var/lib/mock/tag-12-3",
        "/var/lib/mock/tag-12-3/root/proc",
    ]
    text = "".join(f"{n} 1 0:{n} / {point} rw - tmpfs none rw\n" for n, point in enumerate(points))
    (tmp_path / "mountinfo").write_text(text)
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "mountinfo"))


@pytest.mark.usefixtures("table")
class TestTable:
    def test_whole_components_count_and_the_deepest_comes_first(self) -> None:
        assert mounts.mounts_under("/var/lib/mock/tag-12-3") == [
            "/var/lib/mock/tag-12-3/root/proc/sys",
            "/var/lib/mock/tag-12-3/root/proc",
            "/var/lib/mock/tag-12-3/root/with blank\ttab\\backslash",
            "/var/lib/mock/tag-12-3/root/proc",
            "/var/lib/mock/tag-12-3",
        ]

    def test_a_trailing_slash_changes_nothing(self) -> None:
        found = mounts.mounts_under("/var/lib/mock/tag-12-34/")
        assert found == ["/var/lib/mock/tag-12-34/root/proc"]

    def test_nothing_is_mounted_below_a_path_without_mounts(self) -> None:
        assert mounts.mounts_under("/var/lib/mock/tag-1") == []

    def test_all_is_below_the_root(self) -> None:
        assert len(mounts.mounts_under("/")) == 9

    def test_a_linked_parent_is_resolved(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/var/lib/mock")
        assert mounts.mounts_under(tmp_path / "link" / "tag-12-34") == ["/var/lib/mock/tag-12-34/root/proc"]

    def test_mounts_that_do_not_go_are_returned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(target: str, _flags: int) -> None:
            raise PermissionError(1, "Operation not permitted", target)

        monkeypatch.setattr(syscalls, "umount2", refuse)
        assert mounts.unmount_under("/var/lib/mock/tag-12-34") == ["/var/lib/mock/tag-12-34/root/proc"]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    top = tmp_path / "a b\\c"
    top.mkdir()
    beside = tmp_path / "a b\\cd"
    beside.mkdir()
    for point in (top, top, top / "in", beside):
        point.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "none", str(point)], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    yield top
    subprocess.run(["umount", "-l", str(beside)], check=True)


@pytest.mark.root
def test_a_busy_stack_of_mounts_goes_and_its_neighbour_stays(mounted: Path) -> None:
    with open(mounted / "in" / "busy", "w"):
        assert len(mounts.mounts_under(mounted)) == 3
        assert mounts.unmount_under(mounted) == []
    assert os.listdir(mounted) == []
    beside = mounted.parent / (mounted.name + "d")
    assert mounts.mounts_under(beside) == [str(beside)]


def test_unmounting_what_is_no_mount_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        syscalls.umount2(str(tmp_path), syscalls.MNT_DETACH)


class TestStorage:
    def test_free_space_is_told_in_mib(self, tmp_path: Path) -> None:
        numbers = os.statvfs(tmp_path)
        wanted = numbers.f_bavail * numbers.f_frsize / 2**20
        assert abs(storage.free_space_mb(tmp_path) - wanted) < 512

    def test_a_missing_directory_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            storage.free_space_mb(tmp_path / "missing")

    def test_load_and_processors_are_told(self) -> None:
        assert storage.load_average() >= 0
        assert storage.cpu_count() >= 1
