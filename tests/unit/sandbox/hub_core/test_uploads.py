"""Contract 12, "Uploads": where files may be written, by whom, and how."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import os
import zlib
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller


@pytest.fixture
def task(admin: Caller, builder: Caller) -> int:
    task_id: int = admin("makeTask", "sleep", [1])
    builder("host.openTask", task_id)
    return task_id


@pytest.fixture
def work(kernel: Kernel) -> Path:
    return kernel.settings.topdir / "work"


def directory(task_id: int) -> str:
    path: str = koji.pathinfo.taskrelpath(task_id)
    return path


def send(caller: Caller, path: str, name: str, data: bytes, offset: int = 0, **query: str) -> Any:
    query = {"filepath": path, "filename": name, "fileverify": "adler32", "offset": str(offset), **query}
    request = caller.request(query=query, body=io.BytesIO(data), length=len(data))
    return caller.kernel.call(request, "rawUpload")


def adler32(data: bytes) -> str:
    return f"{zlib.adler32(data):08x}"


class TestRawUpload:
    def test_blocks_make_a_file(self, builder: Caller, task: int, work: Path) -> None:
        blocks = [b"a" * 300_000, b"b" * 1000]
        first = send(builder, directory(task), "x.rpm", blocks[0])
        assert first == {"size": 300_000, "fileverify": "adler32", "offset": 0, "hexdigest": adler32(blocks[0])}
        assert send(builder, directory(task), "x.rpm", blocks[1], offset=300_000)["offset"] == 300_000
        assert (work / directory(task) / "x.rpm").read_bytes() == b"".join(blocks)
        about = builder("checkUpload", directory(task), "x.rpm", verify="adler32")
        assert (about["size"], about["sumlength"]) == (301_000, 301_000)
        assert about["hexdigest"] == adler32(b"".join(blocks))
        assert builder("checkUpload", directory(task), "x.rpm", "adler32", tail=5)["hexdigest"] == adler32(b"bbbbb")
        assert builder("checkUpload", directory(task), "y.rpm") is None

    def test_a_block_may_be_sent_again(self, builder: Caller, task: int, work: Path) -> None:
        send(builder, directory(task), "x", b"12345", overwrite="1")
        for _ in range(2):
            send(builder, directory(task), "x", b"678", offset=5)
        assert (work / directory(task) / "x").read_bytes() == b"12345678"

    def test_overwriting_cuts_the_file_at_the_offset(self, builder: Caller, task: int, work: Path) -> None:
        send(builder, directory(task), "build.log", b"a long first run", overwrite="1")
        send(builder, directory(task), "build.log", b"short", overwrite="1")
        assert (work / directory(task) / "build.log").read_bytes() == b"short"
        send(builder, directory(task), "build.log", b"!", offset=-1)
        assert (work / directory(task) / "build.log").read_bytes() == b"short!"

    def test_without_it_a_file_is_not_begun_twice_and_not_left_longer(self, builder: Caller, task: int) -> None:
        send(builder, directory(task), "x", b"12345")
        with pytest.raises(koji.GenericError, match="upload path exists"):
            send(builder, directory(task), "x", b"again")
        with pytest.raises(koji.GenericError, match="Incorrect upload length"):
            send(builder, directory(task), "x", b"!", offset=1)

    def test_empty_files(self, builder: Caller, task: int) -> None:
        assert send(builder, directory(task), "empty", b"", overwrite="1")["hexdigest"] == "00000001"
        assert builder("checkUpload", directory(task), "empty")["size"] == 0

    def test_directories_inside_the_tasks_own(self, builder: Caller, task: int) -> None:
        send(builder, f"{directory(task)}/sub/dir", "x", b"x")
        send(builder, directory(task), "y", b"yy")
        assert sorted(builder("listTaskOutput", task)) == ["sub/dir/x", "y"]
        assert builder("listTaskOutput", task, all_volumes=True) == {"sub/dir/x": ["DEFAULT"], "y": ["DEFAULT"]}
        about = builder("listTaskOutput", task, stat=True)["y"]
        assert about["st_size"] == "2"
        assert {name: type(value) for name, value in about.items()} == {
            "st_size": str,
            "st_atime": float,
            "st_mtime": float,
            "st_ctime": float,
        }
        assert builder("listTaskOutput", task, stat=True, all_volumes=True)["y"]["DEFAULT"]["st_size"] == "2"
        assert builder("listTaskOutput", 99) == []
        with pytest.raises(koji.GenericError):
            builder("listTaskOutput", 99, strict=True)

    def test_a_part_that_is_missing_is_noticed(self, builder: Caller, task: int) -> None:
        query = {"filepath": directory(task), "filename": "x", "offset": "0"}
        request = builder.request(query=query, body=io.BytesIO(b"half"), length=8)
        with pytest.raises(koji.GenericError, match="ended after 4 of 8 bytes"):
            builder.kernel.call(request, "rawUpload")

    @pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", ".user"])
    def test_names(self, builder: Caller, task: int, name: str) -> None:
        with pytest.raises(koji.GenericError, match="Invalid upload filename"):
            send(builder, directory(task), name, b"x")

    @pytest.mark.parametrize("path", ["../packages", "/etc", "tasks/../../x", "", ".", "tasks", "tasks/1/x", "a/../.."])
    def test_directories(self, builder: Caller, path: str) -> None:
        with pytest.raises(koji.GenericError, match="Invalid"):
            send(builder, path, "x", b"x")

    def test_only_an_open_task_of_the_calling_host(
        self, kernel: Kernel, admin: Caller, builder: Caller, task: int
    ) -> None:
        admin("addHost", "other", ["x86_64"])
        other = Caller(kernel, "other", exclusive=True)
        with pytest.raises(koji.ActionNotAllowed, match=f"^host 2 does not own task {task}$"):
            send(other, directory(task), "x", b"x")
        with pytest.raises(koji.AuthError):
            send(admin, directory(task), "x", b"x")
        below = Caller.of(kernel, builder("subsession"))
        assert send(below, directory(task), "x", b"x")["size"] == 1
        builder("host.freeTasks", [task])
        with pytest.raises(koji.ActionNotAllowed, match="does not own"):
            send(builder, directory(task), "y", b"x")

    def test_links_are_not_followed(self, builder: Caller, task: int, work: Path, tmp_path: Path) -> None:
        target = tmp_path / "precious"
        target.write_text("precious")
        own = work / directory(task)
        own.mkdir(parents=True)
        (own / "x").symlink_to(target)
        (own / "sub").symlink_to(tmp_path)
        with pytest.raises(koji.GenericError, match="symlink"):
            send(builder, directory(task), "x", b"gone", overwrite="1")
        with pytest.raises(koji.GenericError, match="symlink"):
            send(builder, f"{directory(task)}/sub", "precious", b"gone", overwrite="1")
        assert target.read_text() == "precious"

    def test_two_writers_do_not_mix(self, builder: Caller, task: int, work: Path) -> None:
        send(builder, directory(task), "x", b"1")
        descriptor = os.open(work / directory(task) / "x", os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(koji.LockError) as caught:
            send(builder, directory(task), "x", b"2", offset=1)
        assert caught.value.faultCode == 1001
        with pytest.raises(koji.LockError):
            builder("checkUpload", directory(task), "x")
        os.close(descriptor)
        send(builder, directory(task), "x", b"2", offset=1)

    def test_users_have_directories_of_their_own(self, admin: Caller, user: Caller, work: Path) -> None:
        send(user, "cli-build/1.abc", "x.src.rpm", b"x")
        assert (work / "cli-build/1.abc/x.src.rpm").read_bytes() == b"x"
        with pytest.raises(koji.GenericError, match="not owner"):
            send(admin, "cli-build/1.abc", "y.src.rpm", b"x")

    def test_anonymous_callers_upload_nothing(self, kernel: Kernel, user: Caller) -> None:
        request = user.request(query={"filepath": "cli-build/1", "filename": "x"})
        anonymous = type(request)(query=request.query)
        with pytest.raises(koji.ActionNotAllowed, match="logged-in"):
            kernel.call(anonymous, "rawUpload")

    def test_unknown_volumes_and_checksums(self, user: Caller) -> None:
        with pytest.raises(koji.GenericError, match="volume"):
            send(user, "cli-build/1", "x", b"x", volume="attic")
        with pytest.raises(koji.GenericError, match="Unsupported verify type"):
            send(user, "cli-build/1", "x", b"x", fileverify="crc")


class TestBase64Upload:
    def send(self, caller: Caller, name: str, parts: list[bytes], path: str = "cli-build/1") -> bool:
        offset = 0
        for part in parts:
            digest = hashlib.sha256(part).hexdigest()
            data = base64.b64encode(part).decode()
            assert caller("uploadFile", path, name, len(part), ("sha256", digest), offset, data)
            offset += len(part)
        digest = hashlib.sha256(b"".join(parts)).hexdigest()
        done: bool = caller("uploadFile", path, name, offset, ("sha256", digest), -1, "")
        return done

    def test_parts_make_a_file(self, user: Caller, work: Path) -> None:
        assert self.send(user, "x.rpm", [b"one", b"two"]) is True
        assert (work / "cli-build/1/x.rpm").read_bytes() == b"onetwo"

    def test_a_log_may_be_begun_again_and_nothing_else(self, user: Caller, work: Path) -> None:
        for _ in range(2):
            assert self.send(user, "build.log", [b"text"]) is True
        self.send(user, "x.rpm", [b"one"])
        with pytest.raises(koji.GenericError, match="file already exists"):
            self.send(user, "x.rpm", [b"one"])

    def test_a_damaged_part_is_turned_away(self, user: Caller, work: Path) -> None:
        data = base64.b64encode(b"x").decode()
        assert user("uploadFile", "cli-build/1", "x", 1, ("sha256", "0" * 64), 0, data) is False
        assert user("uploadFile", "cli-build/1", "x", 2, None, 0, data) is False
        assert user("uploadFile", "cli-build/1", "x", 1, hashlib.md5(b"x").hexdigest(), 0, data) is True
        assert user("uploadFile", "cli-build/1", "x", 1, ("sha256", "0" * 64), -1, "") is False

    def test_a_short_file_in_one_call(self, user: Caller, work: Path) -> None:
        data = base64.b64encode(b"whole").decode()
        assert user("uploadFile", "cli-build/1", "x", 5, None, -1, data) is True
        assert (work / "cli-build/1/x").read_bytes() == b"whole"


class TestDownloading:
    def read(self, caller: Caller, task: int, name: str, **kwargs: Any) -> bytes:
        return base64.b64decode(caller("downloadTaskOutput", task, name, **kwargs))

    def test_pieces_of_a_file(self, builder: Caller, task: int) -> None:
        send(builder, directory(task), "build.log", b"0123456789")
        assert self.read(builder, task, "build.log") == b"0123456789"
        assert self.read(builder, task, "build.log", offset=4, size=3) == b"456"
        assert self.read(builder, task, "build.log", offset="8", size=100) == b"89"
        assert self.read(builder, task, "build.log", offset=-2) == b"89"
        assert self.read(builder, task, "build.log", offset=10) == b""

    def test_nothing_outside(self, builder: Caller, task: int) -> None:
        with pytest.raises(koji.GenericError, match="Invalid file name"):
            self.read(builder, task, "../../../../hub/hub.db")
        with pytest.raises(koji.GenericError, match=f'no file "x" output by task {task}'):
            self.read(builder, task, "x")
