"""Archives of trees that nobody trusts: complete, small where the tree is sparse, and without anything from outside."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import Dict, List, Sequence

import pytest

from kojid.buildroot.treearchive import TreeArchive, data_extents

MIB = 1024 * 1024


def archive(top: Path, *filters: str) -> TreeArchive:
    made = TreeArchive(io.BytesIO(), str(top), filters)
    made.write()
    return made


def saved(top: Path, *filters: str) -> bytes:
    out = io.BytesIO()
    TreeArchive(out, str(top), filters).write()
    return out.getvalue()


def members(data: bytes, top: Path) -> Dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {os.path.relpath("/" + member.name, top): member for member in tar}


def content(data: bytes, top: Path, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = tar.extractfile(str(top / name).lstrip("/"))
        assert found is not None
        return found.read()


def test_files_directories_and_links_are_in_it_under_the_names_of_the_host(tmp_path: Path) -> None:
    top = tmp_path / "builddir"
    (top / "deep" / "er").mkdir(parents=True)
    (top / "deep" / "file").write_bytes(b"content")
    (top / "empty").touch()
    os.link(top / "deep" / "file", top / "second-name")
    (top / "a-link").symlink_to("/etc/shadow")
    found = members(saved(top), top)
    assert set(found) == {".", "deep", "deep/er", "deep/file", "empty", "second-name", "a-link"}
    assert found["a-link"].issym() and found["a-link"].linkname == "/etc/shadow"
    linked, whole = sorted((found["deep/file"], found["second-name"]), key=lambda member: member.isreg())
    assert linked.islnk() and whole.isreg() and linked.linkname == whole.name
    assert content(saved(top), top, "deep/file") == content(saved(top), top, "second-name") == b"content"


def test_links_are_not_followed_and_pipes_devices_and_sockets_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("a secret of the host")
    top = tmp_path / "top"
    top.mkdir()
    (top / "to-directory").symlink_to(tmp_path / "outside")
    (top / "to-file").symlink_to(tmp_path / "outside" / "secret")
    os.mkfifo(top / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "socket"))
    if os.geteuid() == 0:
        os.mknod(top / "zero", 0o600 | 0o020000, os.makedev(1, 5))
    data = saved(top)
    found = members(data, top)
    assert b"a secret of the host" not in data
    assert found["pipe"].isfifo() and found["to-directory"].issym() and "socket" not in found
    assert os.geteuid() != 0 or (found["zero"].ischr() and found["zero"].devminor == 5)


def test_a_top_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(OSError, match=r"link|directory"):
        archive(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        archive(tmp_path / "absent")


def sparse_file(path: Path, size: int, parts: Sequence[int]) -> None:
    with path.open("wb") as out:
        for offset in parts:
            out.seek(offset)
            out.write(b"data")
        out.truncate(size)
    if os.stat(path).st_blocks * 512 > size // 2:
        pytest.skip("this file system keeps no holes")


@pytest.mark.parametrize("parts", [[], [0], [40 * MIB], [3 * MIB, 7 * MIB], [50 * MIB - 4]])
def test_holes_cost_nothing_and_come_back(tmp_path: Path, parts: List[int]) -> None:
    top = tmp_path / "top"
    top.mkdir()
    sparse_file(top / "sparse", 50 * MIB, parts)
    data = saved(top)
    assert len(data) < MIB
    assert content(data, top, "sparse") == (top / "sparse").read_bytes()
    assert members(data, top)["sparse"].size == 50 * MIB
    if shutil.which("tar"):
        subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=data, check=True)
        out = tmp_path / str(top / "sparse").lstrip("/")
        assert out.read_bytes() == (top / "sparse").read_bytes()
        assert os.stat(out).st_blocks * 512 < 2 * MIB


def test_a_sparse_file_keeps_a_long_name(tmp_path: Path) -> None:
    top = tmp_path / ("d" * 60) / ("e" * 60)
    top.mkdir(parents=True)
    sparse_file(top / ("ü" * 50), MIB, [])
    assert list(members(saved(top), top)) == [".", "ü" * 50]


def test_extents_of_a_file_without_holes(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"x" * 10)
    with (tmp_path / "full").open("rb") as opened:
        assert data_extents(opened.fileno(), 10) == [(0, 10)]
        assert data_extents(opened.fileno(), 0) == []


def test_filters_take_the_names_in_the_archive_and_whole_directories(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for name in ("tmp/krb5cc", "etc/a.keytab", "etc/sub/b.keytab", "private/x/y", "kept"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    found = members(saved(top, "*/tmp/krb5cc", "*/etc/*.keytab", "*/private"), top)
    assert set(found) == {".", "tmp", "etc", "etc/sub", "kept"}


def test_a_file_that_shrinks_meanwhile_does_not_spoil_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "a-shrinking").write_bytes(b"x" * 5000)
    (top / "b-after").write_bytes(b"fine")
    fstat = os.fstat

    def shrinking(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        if status.st_size == 5000:
            os.truncate(top / "a-shrinking", 100)
        return status

    monkeypatch.setattr("kojid.buildroot.treearchive.os.fstat", shrinking)
    data = saved(top)
    assert content(data, top, "a-shrinking") == b"x" * 100 + b"\0" * 4900
    assert content(data, top, "b-after") == b"fine"


def test_names_of_any_bytes_and_depths_survive(tmp_path: Path) -> None:
    top = tmp_path / "top"
    deep = top / "/".join(["d" * 60] * 20)
    deep.mkdir(parents=True)
    with open(os.fsencode(deep) + b"/\xff\xe4", "w") as out:
        out.write("x")
    found = members(saved(top), top)
    assert any(os.fsencode(name).endswith(b"/\xff\xe4") for name in found)


def test_a_tree_that_is_nested_without_end_is_cut_off_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojid.buildroot.treearchive._DEEPEST", 3)
    (tmp_path / "a/b/c/d/e").mkdir(parents=True)
    made = archive(tmp_path)
    assert made.left_out == ["/a/b/c/d: it is nested too deep"]


def test_what_can_not_be_read_is_told_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").write_text("x")
    (tmp_path / "here").write_text("y")
    stat = os.stat

    def vanishing(name: str, **options: object) -> os.stat_result:
        if name == "gone":
            raise FileNotFoundError(2, "No such file or directory", name)
        return stat(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("kojid.buildroot.treearchive.os.stat", vanishing)
    made = archive(tmp_path)
    assert made.left_out == ["/gone: No such file or directory"]


def test_trouble_with_the_way_out_ends_it(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    (tmp_path / "file").write_bytes(b"x" * MIB)
    with pytest.raises(OSError, match="No space left"):
        TreeArchive(Full(), str(tmp_path)).write()


@pytest.mark.root
def test_what_is_mounted_in_it_is_left_out(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    for name in ("mounted", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    done = subprocess.run(["mount", "--bind", str(tmp_path / "other"), str(tmp_path / "mounted")], check=False)
    if done.returncode:
        pytest.skip("this machine does not let us mount")
    try:
        made = archive(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path / "mounted")], check=True)
    assert made.left_out == ["/mounted: something is mounted on it"]
