"""Removing trees, opening files beneath untrusted directories, writing whole files, reading the end of logs."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from kojid.errors import HostFault
from kojid.system import beneath, files, mounts, syscalls, trees
from kojid.system.files import UnsafeFile

as_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not as_root, reason="only root can mount")


def _no_openat2(*_: object) -> int:
    raise OSError(38, "Function not implemented")


@pytest.fixture(params=["openat2", "without openat2"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without openat2":
        monkeypatch.setattr(syscalls, "openat2", _no_openat2)


def make_tree(top: Path) -> None:
    (top / "a/b/c").mkdir(parents=True)
    (top / "a/file").write_text("x")
    (top / "a/b/c/file").write_text("x")
    (top / "a/b/link").symlink_to("/etc")
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "a/pipe")


@pytest.mark.usefixtures("_both_ways")
class TestRemoveTree:
    def test_a_tree_is_removed_and_its_neighbours_stay(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "tag-1-3")
        make_tree(tmp_path / "tag-1-34")
        files.remove_tree(tmp_path / "tag-1-3")
        assert os.listdir(tmp_path) == ["tag-1-34"]

    def test_a_file_is_removed(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        files.remove_tree(tmp_path / "file")
        assert os.listdir(tmp_path) == []

    def test_a_link_is_removed_and_its_target_stays(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "target")
        (tmp_path / "link").symlink_to("target")
        files.remove_tree(tmp_path / "link")
        assert os.listdir(tmp_path) == ["target"]
        assert (tmp_path / "target/a/b/c/file").exists()

    def test_links_to_the_outside_are_not_followed(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "outside")
        make_tree(tmp_path / "tree")
        (tmp_path / "tree/a/escape").symlink_to(tmp_path / "outside")
        files.remove_tree(tmp_path / "tree")
        assert (tmp_path / "outside/a/b/c/file").exists()

    def test_what_is_missing_is_fine_unless_told_otherwise(self, tmp_path: Path) -> None:
        files.remove_tree(tmp_path / "missing")
        files.remove_tree(tmp_path / "missing/deeper")
        with pytest.raises(FileNotFoundError):
            files.remove_tree(tmp_path / "missing", missing_ok=False)
        with pytest.raises(FileNotFoundError):
            files.remove_tree(tmp_path / "missing/deeper", missing_ok=False)

    @pytest.mark.parametrize("mode", [0o555, 0o444, 0o000])
    def test_directories_without_permissions_are_opened_up(self, tmp_path: Path, mode: int) -> None:
        make_tree(tmp_path / "tree")
        for directory in ("a/b/c", "a/b", "a"):
            (tmp_path / "tree" / directory).chmod(mode)
        run_unprivileged(tmp_path, lambda: files.remove_tree(tmp_path / "tree"))
        assert not (tmp_path / "tree").exists()

    def test_a_very_deep_tree_is_removed(self, tmp_path: Path) -> None:
        make_deep(tmp_path / "deep", 3000)
        files.remove_tree(tmp_path / "deep")
        assert os.listdir(tmp_path) == []

    def test_names_of_any_bytes_are_removed(self, tmp_path: Path) -> None:
        (tmp_path / "tree").mkdir()
        for name in (b"\xff\xfe", b"new\nline", b"-rf", b" "):
            os.mkdir(os.path.join(os.fsencode(tmp_path / "tree"), name))
        files.remove_tree(tmp_path / "tree")
        assert not (tmp_path / "tree").exists()

    def test_a_directory_replaced_by_a_link_meanwhile_is_not_followed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_tree(tmp_path / "outside")
        make_tree(tmp_path / "tree")
        entered = trees._enter

        def swap_first(directory: int, name: str) -> object:
            if name == "b":
                os.rename(tmp_path / "tree/a/b", tmp_path / "moved")
                (tmp_path / "tree/a/b").symlink_to(tmp_path / "outside")
            return entered(directory, name)

        monkeypatch.setattr(trees, "_enter", swap_first)
        files.remove_tree(tmp_path / "tree")
        assert not (tmp_path / "tree").exists()
        assert (tmp_path / "outside/a/b/c/file").exists()

    def test_a_directory_moved_away_meanwhile_stops_the_removal(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other/precious").mkdir(parents=True)
        make_tree(tmp_path / "tree")
        entered = trees._enter

        def move_after(directory: int, name: str) -> object:
            descriptor = entered(directory, name)
            if name == "b":
                os.rename(tmp_path / "tree/a/b", tmp_path / "other/b")
            return descriptor

        monkeypatch.setattr(trees, "_enter", move_after)
        with pytest.raises(HostFault, match="moved while it was being removed"):
            files.remove_tree(tmp_path / "tree")
        assert (tmp_path / "other/precious").exists()

    def test_a_directory_that_is_filled_meanwhile_is_gone_over_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_tree(tmp_path / "tree")
        removed = trees._rmdir
        refills = [3]

        def refill(directory: int, name: str) -> bool:
            if name in ("c", "tree") and refills[0] > 0:
                refills[0] -= 1
                os.close(os.open(f"{name}/new", os.O_CREAT, dir_fd=directory))
            return removed(directory, name)

        monkeypatch.setattr(trees, "_rmdir", refill)
        files.remove_tree(tmp_path / "tree")
        assert not (tmp_path / "tree").exists()

    def test_a_directory_that_is_filled_for_ever_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_tree(tmp_path / "tree")
        monkeypatch.setattr(trees, "_rmdir", lambda *_: False)
        with pytest.raises(HostFault, match="can't be removed: Directory not empty"):
            files.remove_tree(tmp_path / "tree")

    def test_no_descriptor_is_left_open(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "tree")
        before = len(os.listdir("/proc/self/fd"))
        files.remove_tree(tmp_path / "tree")
        assert len(os.listdir("/proc/self/fd")) == before

    @pytest.mark.root
    @needs_root
    @pytest.mark.parametrize("kind", ["tmpfs", "bind"])
    def test_a_mount_inside_is_named_and_not_emptied(self, tmp_path: Path, kind: str) -> None:
        make_tree(tmp_path / "tree")
        (tmp_path / "host").mkdir()
        (tmp_path / "host/precious").touch()
        point = tmp_path / "tree/a/b"
        mount(kind, tmp_path / "host", point)
        try:
            (point / "kept").touch()
            with pytest.raises(HostFault, match=f"something is mounted on {point}"):
                files.remove_tree(tmp_path / "tree")
            assert (point / "kept").exists()
            assert (tmp_path / "host/precious").exists()
        finally:
            assert mounts.unmount_under(tmp_path / "tree") == []
        files.remove_tree(tmp_path / "tree")
        assert not (tmp_path / "tree").exists()

    @pytest.mark.root
    @needs_root
    def test_a_bind_mounted_file_is_named(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "tree")
        (tmp_path / "hosts").write_text("x")
        mount("bind", tmp_path / "hosts", tmp_path / "tree/a/file")
        try:
            with pytest.raises(HostFault, match=r"something is mounted on .*/tree/a/file"):
                files.remove_tree(tmp_path / "tree")
        finally:
            mounts.unmount_under(tmp_path / "tree")
        assert (tmp_path / "hosts").read_text() == "x"


def mount(kind: str, source: Path, point: Path) -> None:
    argv = ["mount", "-t", "tmpfs", "none"] if kind == "tmpfs" else ["mount", "--bind", str(source)]
    done = subprocess.run([*argv, str(point)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


def make_deep(top: Path, depth: int) -> None:
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def run_unprivileged(top: Path, work: Callable[[], None]) -> None:
    """Permissions mean nothing to root: do the work in a child that is somebody else, who owns the tree."""
    if not as_root:
        work()
        return
    # the tree's owner must be able to come here, through directories that pytest keeps to root
    handle = os.open(top, os.O_RDONLY)
    subprocess.run(["chown", "-R", "-h", "65534:65534", str(top)], check=True)
    pid = os.fork()
    if pid == 0:
        try:
            parents = [path for path in top.parents if str(path) != "/"]
            for path in parents:
                if not os.stat(path).st_mode & stat.S_IXOTH:
                    os.chmod(path, os.stat(path).st_mode | stat.S_IXOTH)
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            work()
            os._exit(0)
        except BaseException as error:
            os.write(2, repr(error).encode())
        os._exit(1)
    os.close(handle)
    assert os.waitpid(pid, 0)[1] == 0


class TestEmptyTree:
    def test_the_directory_stays_and_all_in_it_goes(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "root")
        files.empty_tree(tmp_path / "root")
        assert os.listdir(tmp_path / "root") == []

    def test_a_link_in_its_place_is_refused(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "target")
        (tmp_path / "root").symlink_to("target")
        with pytest.raises(HostFault, match="can't be removed"):
            files.empty_tree(tmp_path / "root")
        assert (tmp_path / "target/a/file").exists()

    def test_a_missing_directory_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            files.empty_tree(tmp_path / "missing")


@pytest.mark.usefixtures("_both_ways")
class TestOpenBeneath:
    def test_a_regular_file_is_read(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "tree")
        with files.open_beneath(tmp_path / "tree", "a/b/c/file") as opened:
            assert opened.read() == b"x"

    def test_a_descriptor_of_the_directory_stays_open(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "tree")
        top = os.open(tmp_path / "tree", os.O_RDONLY)
        with files.open_beneath(top, "a/file") as opened:
            assert opened.read() == b"x"
        os.close(top)

    @pytest.mark.parametrize("path", ["", "/etc/passwd", "../outside", "a/../../outside", "a/.."])
    def test_a_path_to_the_outside_is_refused(self, tmp_path: Path, path: str) -> None:
        make_tree(tmp_path / "tree")
        with pytest.raises(UnsafeFile, match="does not name a file beneath"):
            files.open_beneath(tmp_path / "tree", path)

    def test_a_link_to_a_host_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "dnf.log").symlink_to("/etc/passwd")
        with pytest.raises(UnsafeFile, match="symbolic link"):
            files.open_beneath(tmp_path, "dnf.log")

    def test_a_link_to_a_file_within_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "real.log").touch()
        (tmp_path / "dnf.log").symlink_to("real.log")
        with pytest.raises(UnsafeFile, match="symbolic link"):
            files.open_beneath(tmp_path, "dnf.log")

    def test_a_linked_directory_on_the_way_is_refused(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "tree")
        (tmp_path / "tree/var").symlink_to("a")
        with pytest.raises(UnsafeFile, match="symbolic link"):
            files.open_beneath(tmp_path / "tree", "var/file")

    def test_a_pipe_is_refused_without_waiting_for_a_writer(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "dnf.log")
        with pytest.raises(UnsafeFile, match="not a regular file"):
            files.open_beneath(tmp_path, "dnf.log")

    def test_a_directory_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "dnf.log").mkdir()
        with pytest.raises(UnsafeFile, match="not a regular file"):
            files.open_beneath(tmp_path, "dnf.log")

    def test_a_socket_is_refused(self, tmp_path: Path) -> None:
        import socket

        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "s"))
            with pytest.raises(UnsafeFile, match="not a regular file"):
                files.open_beneath(tmp_path, "s")

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            files.open_beneath(tmp_path, "a/missing")

    def test_no_descriptor_is_left_open(self, tmp_path: Path) -> None:
        make_tree(tmp_path / "tree")
        before = len(os.listdir("/proc/self/fd"))
        files.open_beneath(tmp_path / "tree", "a/file").close()
        for path in ("a/b/link", "a/b", "a/missing", "a/pipe"):
            with pytest.raises((UnsafeFile, FileNotFoundError)):
                files.open_beneath(tmp_path / "tree", path)
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_list_names_regular_files_only(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "x.txt"):
        (tmp_path / name).touch()
    (tmp_path / "link.log").symlink_to("a.log")
    (tmp_path / "dir.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    assert files.list_beneath(tmp_path, "*.log") == ["a.log", "b.log"]


def test_a_copy_takes_no_links_and_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from/file").write_bytes(b"content")
    (tmp_path / "from/link").symlink_to("/etc/passwd")
    files.copy_beneath(tmp_path / "from", "file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    with pytest.raises(FileExistsError):
        files.copy_beneath(tmp_path / "from", "file", tmp_path / "copy")
    with pytest.raises(UnsafeFile):
        files.copy_beneath(tmp_path / "from", "link", tmp_path / "other")
    assert beneath.list_beneath(tmp_path, "*") == ["copy"]


class TestWriteAtomic:
    def test_the_file_has_the_content_and_the_mode(self, tmp_path: Path) -> None:
        files.write_atomic(tmp_path / "file", "grün", mode=0o600)
        assert (tmp_path / "file").read_bytes() == "grün".encode()
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600

    def test_a_failure_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files.write_atomic(tmp_path / "file", b"old")

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            files.write_atomic(tmp_path / "file", b"new")
        assert os.listdir(tmp_path) == ["file"]
        assert (tmp_path / "file").read_bytes() == b"old"


class TestTailLines:
    def test_the_last_lines_are_returned(self, tmp_path: Path) -> None:
        (tmp_path / "log").write_text("".join(f"line {n}\n" for n in range(100)))
        assert files.tail_lines(tmp_path / "log", 2) == ["line 98", "line 99"]

    def test_an_open_file_stays_open(self) -> None:
        log = io.BytesIO(b"a\nb")
        assert files.tail_lines(log) == ["a", "b"]
        assert not log.closed

    def test_an_empty_log_has_no_lines(self) -> None:
        assert files.tail_lines(io.BytesIO(b"")) == []

    def test_only_the_end_of_a_huge_log_is_read(self) -> None:
        assert files.tail_lines(io.BytesIO(b"x" * 1000 + b"\nlast\n"), limit=10) == ["xxxx", "last"]

    def test_no_control_character_gets_through(self) -> None:
        log = io.BytesIO(b"\x1b[31mred\x00\x9b\rover\tand\x07 out\r\n\xff\n")
        assert files.tail_lines(log) == ["?[31mred?\ufffd?over\tand? out", "\ufffd"]
