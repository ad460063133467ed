"""Uploads arrive whole, in order, checked, or not at all."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, List

import koji
import pytest

from kojid.hub.upload import Uploader
from tests.support.fakehub import FakeHub, FakeSession, status

from .test_session import patient

DIRECTORY = "tasks/5/10005"


@pytest.fixture
def hub() -> FakeSession:
    return FakeSession()


class TestWholeFiles:
    def test_a_file_arrives_under_its_name(self, hub: FakeSession, tmp_path: Path) -> None:
        (tmp_path / "x.rpm").write_bytes(b"content")
        assert Uploader(hub, DIRECTORY).file(tmp_path / "x.rpm", "y.rpm") == f"{DIRECTORY}/y.rpm"
        assert hub.uploads == {f"{DIRECTORY}/y.rpm": b"content"}

    def test_an_open_file_is_read_from_where_it_stands_and_stays_open(self, hub: FakeSession) -> None:
        source = io.BytesIO(b"skipped, sent")
        source.seek(9)
        Uploader(hub, DIRECTORY).file(source, "x.log")
        assert hub.uploads[f"{DIRECTORY}/x.log"] == b"sent"
        assert not source.closed

    def test_a_large_file_goes_in_blocks_in_their_order(self, hub: FakeSession) -> None:
        content = os.urandom(1000)
        Uploader(hub, DIRECTORY, blocksize=300).file(io.BytesIO(content), "x")
        assert hub.uploads[f"{DIRECTORY}/x"] == content
        assert [call.args[1] for call in hub.called("rawUpload")] == [0, 300, 600, 900]
        assert [call.kwargs for call in hub.called("rawUpload")] == [{"overwrite": True}] * 4
        assert hub.names[-1] == "checkUpload"

    def test_a_small_file_takes_one_request(self, hub: FakeSession) -> None:
        Uploader(hub, DIRECTORY).file(io.BytesIO(b"x"), "x")
        assert hub.names == ["rawUpload"]

    def test_an_empty_file_arrives_too(self, hub: FakeSession) -> None:
        Uploader(hub, DIRECTORY).file(io.BytesIO(b""), "empty.log")
        assert hub.uploads == {f"{DIRECTORY}/empty.log": b""}

    def test_a_longer_file_of_the_same_name_is_replaced(self, hub: FakeSession) -> None:
        uploader = Uploader(hub, DIRECTORY, blocksize=2)
        uploader.file(io.BytesIO(b"longer than that"), "x")
        uploader.file(io.BytesIO(b"short"), "x")
        assert hub.uploads[f"{DIRECTORY}/x"] == b"short"

    def test_subdirectories_and_volumes_are_passed_on(self, hub: FakeSession) -> None:
        uploader = Uploader(hub, DIRECTORY, volume="big", blocksize=1)
        assert uploader.file(io.BytesIO(b"ab"), "x", subdir="a/b") == f"{DIRECTORY}/a/b/x"
        assert hub.called("rawUpload")[0].kwargs == {"overwrite": True, "volume": "big"}
        assert hub.called("checkUpload")[0].kwargs == {"volume": "big"}

    def test_the_default_volume_is_not_named(self, hub: FakeSession) -> None:
        Uploader(hub, DIRECTORY, volume="DEFAULT").file(io.BytesIO(b""), "x")
        assert hub.calls[0].kwargs == {"overwrite": True}

    @pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\0b"])
    def test_names_that_a_hub_refuses_are_not_sent(self, hub: FakeSession, name: str) -> None:
        with pytest.raises(koji.GenericError, match="is no name for an uploaded file"):
            Uploader(hub, DIRECTORY).file(io.BytesIO(b""), name)
        with pytest.raises(koji.GenericError, match="is no name for an uploaded file"):
            Uploader(hub, DIRECTORY).block(name, b"", 0)
        assert hub.calls == []

    @pytest.mark.parametrize("subdir", ["..", "a/../..", "/etc", "a//b", "./a"])
    def test_directories_outside_are_not_sent_to(self, hub: FakeSession, subdir: str) -> None:
        with pytest.raises(koji.GenericError, match="does not name a directory below"):
            Uploader(hub, DIRECTORY).file(io.BytesIO(b""), "x", subdir=subdir)


def answer(data: bytes, offset: int) -> Dict[str, Any]:
    return {"size": len(data), "offset": offset, "fileverify": "adler32", "hexdigest": f"{zlib.adler32(data):08x}"}


class TestTrouble:
    def test_a_block_that_arrived_wrong_is_sent_again(self, hub: FakeSession, naps: List[float]) -> None:
        wrong = {**answer(b"content", 0), "hexdigest": "00000000"}
        hub.answer("rawUpload", wrong, {**wrong, "size": 3}, answer(b"content", 0))
        Uploader(hub, DIRECTORY).file(io.BytesIO(b"content"), "x")
        assert [call.args[:2] for call in hub.calls] == [(b"content", 0)] * 3
        assert naps == [0.1, 0.5]

    def test_a_block_that_never_arrives_right_is_given_up_with_the_cause(
        self, hub: FakeSession, naps: List[float]
    ) -> None:
        hub.answer("rawUpload", {**answer(b"content", 0), "hexdigest": "00000000"})
        told = rf"upload of {DIRECTORY}/x failed at offset 0 after 6 tries: .*checksum 00000000 instead of"
        with pytest.raises(koji.GenericError, match=told):
            Uploader(hub, DIRECTORY).file(io.BytesIO(b"content"), "x")
        assert sum(naps) < 10

    def test_a_lock_that_an_earlier_attempt_holds_is_waited_for(self, hub: FakeSession, naps: List[float]) -> None:
        hub.answer("rawUpload", koji.LockError("file is locked"), answer(b"x", 0))
        Uploader(hub, DIRECTORY).file(io.BytesIO(b"x"), "x")
        assert len(hub.calls) == 2

    def test_another_fault_is_passed_on_at_once(self, hub: FakeSession, naps: List[float]) -> None:
        hub.answer("rawUpload", koji.ActionNotAllowed("task is not open"))
        with pytest.raises(koji.ActionNotAllowed):
            Uploader(hub, DIRECTORY).file(io.BytesIO(b"x"), "x")
        assert naps == []

    @pytest.mark.parametrize(
        ("found", "told"),
        [
            (None, "the hub has no tasks/5/10005/x after its upload"),
            ({"size": 1}, "has 1 bytes instead of 2"),
        ],
    )
    def test_a_copy_that_differs_in_the_end_is_told(self, hub: FakeSession, found: Any, told: str) -> None:
        hub.answer("checkUpload", found)
        with pytest.raises(koji.GenericError, match=told):
            Uploader(hub, DIRECTORY, blocksize=1).file(io.BytesIO(b"ab"), "x")

    def test_after_a_repeated_request_the_whole_copy_is_compared(self, hub: FakeSession) -> None:
        hub.retries = 2
        Uploader(hub, DIRECTORY, blocksize=1).file(io.BytesIO(b"ab"), "x")
        assert hub.called("checkUpload")[0].kwargs == {"verify": "adler32"}
        hub.answer("checkUpload", {"size": 2, "hexdigest": "00000000"})
        with pytest.raises(koji.GenericError, match="another checksum"):
            Uploader(hub, DIRECTORY, blocksize=1).file(io.BytesIO(b"ab"), "x")


class TestGrowingFiles:
    def test_pieces_are_appended(self, hub: FakeSession) -> None:
        uploader = Uploader(hub, DIRECTORY)
        uploader.block("build.log", b"first ", 0)
        uploader.block("build.log", b"second", 6)
        assert hub.uploads[f"{DIRECTORY}/build.log"] == b"first second"
        assert hub.requests == 2

    def test_repeating_a_piece_is_safe(self, hub: FakeSession) -> None:
        uploader = Uploader(hub, DIRECTORY)
        for data, offset in ((b"first ", 0), (b"second", 6), (b"second", 6)):
            uploader.block("build.log", data, offset)
        assert hub.uploads[f"{DIRECTORY}/build.log"] == b"first second"


class TestBase64:
    def test_a_file_arrives(self) -> None:
        hub = FakeSession(opts={"use_fast_upload": False})
        Uploader(hub, DIRECTORY, blocksize=4).file(io.BytesIO(b"content"), "x")
        assert hub.uploads == {f"{DIRECTORY}/x": b"content"}
        assert [call.args[4] for call in hub.called("uploadFile")] == [0, 4, -1]

    def test_an_empty_file_arrives(self) -> None:
        hub = FakeSession(opts={"use_fast_upload": False})
        Uploader(hub, DIRECTORY).file(io.BytesIO(b""), "x")
        assert hub.uploads == {f"{DIRECTORY}/x": b""}

    def test_a_piece_of_a_growing_file_arrives(self) -> None:
        hub = FakeSession(opts={"use_fast_upload": False})
        Uploader(hub, DIRECTORY).block("x", b"content", 0)
        assert hub.uploads == {f"{DIRECTORY}/x": b"content"}

    def test_a_copy_that_differs_is_told(self) -> None:
        hub = FakeSession({"uploadFile": False}, opts={"use_fast_upload": False})
        with pytest.raises(koji.GenericError, match="differs from the file"):
            Uploader(hub, DIRECTORY).file(io.BytesIO(b""), "x")


def test_a_real_session_uploads_through_a_broken_connection(
    serve: Callable[..., FakeHub], naps: List[float], tmp_path: Path
) -> None:
    stored = bytearray()

    def raw(data: bytes, filename: str, filepath: str, offset: str, overwrite: str, fileverify: str) -> Dict[str, Any]:
        assert (filename, filepath, overwrite, fileverify) == ("x", DIRECTORY, "1", "adler32")
        stored[int(offset) :] = data
        return answer(data, int(offset))

    content = os.urandom(100_000)
    server = serve()
    server.method("rawUpload", raw)
    server.method("checkUpload", lambda path, name, verify: {"size": len(stored), **answer(bytes(stored), 0)})
    session = patient(server)
    uploader = Uploader(session, DIRECTORY, blocksize=30_000)
    server.script(status(502))
    uploader.file(io.BytesIO(content), "x")
    assert stored == content
    assert server.names() == [None] * 5 + ["checkUpload"]


class TestWriting:
    def test_what_is_written_arrives_in_blocks_while_it_is_written(self, hub: FakeSession) -> None:
        with Uploader(hub, DIRECTORY, blocksize=4).writer("x") as out:
            out.write(b"abcde")
            assert hub.uploads[f"{DIRECTORY}/x"] == b"abcd"
            out.write(b"fghijklmn")
        assert hub.uploads[f"{DIRECTORY}/x"] == b"abcdefghijklmn"
        assert [call.args[1] for call in hub.called("rawUpload")] == [0, 4, 8, 12]

    def test_nothing_written_is_an_empty_file(self, hub: FakeSession) -> None:
        with Uploader(hub, DIRECTORY).writer("x"):
            pass
        assert hub.uploads[f"{DIRECTORY}/x"] == b""

    def test_a_copy_of_another_length_is_an_error(self, hub: FakeSession) -> None:
        hub.answer("checkUpload", {"size": 1})
        wrong = pytest.raises(koji.GenericError, match="the hub has 1 bytes of .*/x instead of 3")
        with wrong, Uploader(hub, DIRECTORY, volume="big").writer("x") as out:
            out.write(b"abc")
        assert hub.called("checkUpload")[0].kwargs == {"volume": "big"}
