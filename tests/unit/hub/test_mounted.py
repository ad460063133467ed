"""The mounted volume is read where it has what the server has, and nowhere else."""

from __future__ import annotations

import http.server
import os
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator, List

import pytest

from kojid.hub import mounted

RELATIVE = "work/tasks/5/5/a b-1-1.src.rpm"


class Volume:
    """A server with a volume, and a mount of it or of something else."""

    def __init__(self, directory: Path) -> None:
        self.served = directory / "served"
        self.mount = directory / "mount"
        self.target = directory / "target"
        self.asked: List[str] = []
        self.options = SimpleNamespace(topdir=str(self.mount), mount_timeout=60)
        self.url = ""

    def put(self, top: Path, content: bytes, changed: float = 1_000_000_000.5) -> None:
        path = top / RELATIVE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (changed, changed))

    def copy(self) -> bool:
        return mounted.copy(self.options, RELATIVE, f"{self.url}/{RELATIVE.replace(' ', '%20')}", self.target)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a directory, and notes what it is asked for."""

    def __init__(self, *args: Any, asked: List[str], **kwargs: Any) -> None:
        self._asked = asked
        super().__init__(*args, **kwargs)

    def log_message(self, *_: Any) -> None:
        self._asked.append(self.command)


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Volume]:
    monkeypatch.setattr(mounted, "LEAST", 10)
    monkeypatch.setattr(mounted, "_dead", False)
    made = Volume(tmp_path)
    made.put(made.served, b"the source package")
    handler = partial(Handler, asked=made.asked, directory=str(made.served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_mounts_own_file_is_copied(volume: Volume) -> None:
    volume.put(volume.mount, b"the source package")
    assert volume.copy()
    assert volume.target.read_bytes() == b"the source package"
    assert volume.target.stat().st_mode & 0o777 == 0o644
    assert volume.asked == ["HEAD"]


def test_an_empty_mount_is_left_alone(volume: Volume) -> None:
    assert not volume.copy()
    assert volume.asked == []
    assert not volume.target.exists()


def test_without_a_mount_nothing_is_asked(volume: Volume) -> None:
    volume.options.topdir = ""
    assert not volume.copy()
    assert volume.asked == []


@pytest.mark.parametrize(
    ("content", "changed"), [(b"another source package", 1_000_000_000.0), (b"the source PACKAGE", 1_000_000_001.0)]
)
def test_a_file_of_another_hub_or_time_is_not_taken(volume: Volume, content: bytes, changed: float) -> None:
    volume.put(volume.mount, content, changed)
    assert not volume.copy()
    assert not volume.target.exists()


def test_a_server_that_has_no_such_file_is_believed(volume: Volume) -> None:
    volume.put(volume.mount, b"the source package")
    (volume.served / RELATIVE).unlink()
    assert not volume.copy()


def test_a_server_that_is_away_is_for_the_download_to_tell(volume: Volume) -> None:
    volume.put(volume.mount, b"the source package")
    volume.url = "http://127.0.0.1:9"
    assert not volume.copy()


def test_a_directory_or_a_pipe_is_no_file(volume: Volume) -> None:
    (volume.mount / RELATIVE).mkdir(parents=True)
    assert not volume.copy()
    (volume.mount / RELATIVE).rmdir()
    os.mkfifo(volume.mount / RELATIVE)
    assert not volume.copy()
    assert volume.asked == []


def test_a_small_file_is_faster_by_download(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounted, "LEAST", 1000)
    volume.put(volume.mount, b"the source package")
    assert not volume.copy()
    assert volume.asked == []


def test_a_mount_that_does_not_answer_is_asked_once(
    volume: Volume, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: List[int] = []

    def hang(*_args: Any, **_kwargs: Any) -> Any:
        asked.append(1)
        raise mounted.CommandTimeout("stat did not end within 10 seconds")

    monkeypatch.setattr(mounted, "capture", hang)
    for _ in range(2):
        assert not volume.copy()
    assert len(asked) == 1
    assert caplog.text.count("The mounted volume is not used for reading") == 1


def test_a_copy_that_fails_leaves_nothing(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    volume.put(volume.mount, b"the source package")
    real = mounted.run

    def fail(argv: List[str], **options: Any) -> Any:
        Path(argv[-1]).write_bytes(b"half")
        return real(["false"], **options)

    monkeypatch.setattr(mounted, "run", fail)
    assert not volume.copy()
    assert sorted(path.name for path in volume.target.parent.iterdir()) == ["mount", "served"]
