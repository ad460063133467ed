"""Blocks are as large as the way to the hub wants them, and large ones are read while they go out."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Callable

import koji
import pytest

from kojid.hub import blocks
from kojid.hub.blocks import BLOCKSIZE, LEAST, MOST, Pace, Streamed, joined_adler32
from kojid.hub.upload import Uploader
from tests.support.fakehub import Answer, FakeHub, FakeSession, reset, status

from .test_session import patient

MEGABYTE = 1024 * 1024


class TestPace:
    def test_a_long_way_wants_large_blocks(self) -> None:
        pace = Pace(0.03)
        for _ in range(5):
            pace.note(pace.size, 0.03 + pace.size / (100 * MEGABYTE))
        assert pace.size == MOST

    def test_a_short_way_is_content_with_small_ones(self) -> None:
        pace = Pace(0.0005)
        for _ in range(5):
            pace.note(pace.size, 0.0005 + pace.size / (100 * MEGABYTE))
        assert LEAST <= pace.size <= BLOCKSIZE

    def test_a_slow_wire_gets_no_more_than_it_carries_in_seconds(self) -> None:
        pace = Pace(0.2)
        for _ in range(5):
            pace.note(pace.size, 0.2 + pace.size / MEGABYTE)
        assert LEAST <= pace.size <= 6 * MEGABYTE

    def test_it_grows_step_by_step(self) -> None:
        pace = Pace(0.03)
        pace.note(BLOCKSIZE, 0.031)
        assert pace.size <= 4 * BLOCKSIZE

    def test_a_clock_that_stands_still_is_no_trouble(self) -> None:
        pace = Pace(None)
        pace.note(0, 0.0)
        assert pace.size == LEAST


def test_the_checksum_of_two_blocks_follows_from_each() -> None:
    for first, second in [(b"", b""), (b"a", b""), (b"", b"b"), (os.urandom(70000), os.urandom(131071))]:
        assert joined_adler32(zlib.adler32(first), zlib.adler32(second), len(second)) == zlib.adler32(first + second)


class TestReading:
    def test_a_large_block_of_a_file_stays_on_the_disk(self, tmp_path: Path) -> None:
        path = tmp_path / "big"
        path.write_bytes(os.urandom(BLOCKSIZE + 10))
        with path.open("rb") as source:
            source.seek(4)
            block = blocks.read(source, MOST, streamed=True)
            assert isinstance(block, Streamed)
            assert len(block) == BLOCKSIZE + 6
            whole = path.read_bytes()[4:]
            assert b"".join(block) == whole == b"".join(block)  # as often as it is sent
            assert blocks.adler32(block) == zlib.adler32(whole)
            assert blocks.read(source, MOST, streamed=True) == b""

    @pytest.mark.parametrize("streamed", [True, False])
    def test_what_is_in_memory_is_given_in_blocks(self, streamed: bool) -> None:
        source = io.BytesIO(bytes(BLOCKSIZE + 1))
        assert len(blocks.read(source, MOST, streamed=streamed)) == BLOCKSIZE
        assert len(blocks.read(source, MOST, streamed=streamed)) == 1

    def test_a_file_that_has_become_shorter_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "big"
        path.write_bytes(bytes(BLOCKSIZE + 10))
        with path.open("rb") as source:
            block = blocks.read(source, MOST, streamed=True)
            os.truncate(path, BLOCKSIZE)
            with pytest.raises(koji.GenericError, match="became 10 bytes shorter"):
                b"".join(block)  # type: ignore[arg-type]


def _sparse(path: Path, size: int) -> Path:
    with path.open("wb") as out:
        out.write(b"begin")
        out.truncate(size)
    return path


def test_a_big_file_goes_in_few_requests(tmp_path: Path) -> None:
    hub = FakeSession()
    path = _sparse(tmp_path / "big", 3 * BLOCKSIZE)
    uploader = Uploader(hub, "x")
    uploader._pace = Pace(0.5)  # as if the hub were far away
    uploader._pace.size = MOST
    uploader.file(path, "big")
    assert hub.names == ["rawUpload"]
    assert hub.uploads["x/big"] == path.read_bytes()


def test_a_streamed_block_survives_a_connection_that_breaks(serve: Callable[..., FakeHub], tmp_path: Path) -> None:
    hub = serve()
    path = _sparse(tmp_path / "big", 2 * BLOCKSIZE)
    session = patient(hub)
    whole = path.read_bytes()
    digest = f"{zlib.adler32(whole):08x}"
    arrived = []

    def upload(data: bytes, **_: object) -> dict[str, object]:
        arrived.append(data)
        return {"size": len(data), "hexdigest": digest}

    hub.method("rawUpload", upload)
    hub.method("checkUpload", lambda *_args, **_kwargs: {"size": len(whole), "hexdigest": digest})
    hub.script(reset())
    uploader = Uploader(session, "x")
    uploader._pace.size = MOST
    uploader.file(path, "big")
    assert arrived == [whole]
    assert [len(request.body) for request in hub.received if request.name is None] == [len(whole)] * 2


@pytest.mark.parametrize("answer", [reset(), status(413), status(502)])
def test_what_takes_only_smaller_blocks_gets_smaller_ones(
    serve: Callable[..., FakeHub], tmp_path: Path, answer: Answer
) -> None:
    """A web server may limit what it takes, and may break off the connection instead of saying so."""
    hub = serve()
    path = _sparse(tmp_path / "big", 2 * BLOCKSIZE + 5)
    whole = path.read_bytes()
    stored = bytearray()

    def upload(data: bytes, offset: str, **_: object) -> dict[str, object]:
        stored[int(offset) :] = data
        return {"size": len(data), "hexdigest": f"{zlib.adler32(data):08x}"}

    hub.method("rawUpload", upload)
    digest = f"{zlib.adler32(whole):08x}"
    hub.method("checkUpload", lambda *_args, **_kwargs: {"size": len(stored), "hexdigest": digest})
    hub.script(answer, answer)
    uploader = Uploader(patient(hub), "x")
    uploader._pace.size = MOST
    uploader.file(path, "big")
    assert stored == whole
    sizes = [len(request.body) for request in hub.received if request.name is None]
    assert [size for size in sizes if size < len(whole)] == [BLOCKSIZE, BLOCKSIZE, 5]
    assert hub.names()[-1] == "checkUpload"


def test_base64_stays_below_what_a_hub_takes_of_a_call(tmp_path: Path) -> None:
    hub = FakeSession(opts={"use_fast_upload": False})
    path = _sparse(tmp_path / "big", BLOCKSIZE + 5)
    Uploader(hub, "x").file(path, "big")
    assert hub.uploads["x/big"] == path.read_bytes()
    assert max(len(call.args[5]) for call in hub.calls) < 3 * MEGABYTE


def test_the_librarys_debugging_gets_bytes(tmp_path: Path) -> None:
    hub = FakeSession(opts={"debug_xmlrpc": True})
    path = _sparse(tmp_path / "big", BLOCKSIZE + 1)
    uploader = Uploader(hub, "x")
    uploader._pace.size = MOST
    uploader.file(path, "big")
    assert all(isinstance(call.args[0], bytes) for call in hub.called("rawUpload"))
