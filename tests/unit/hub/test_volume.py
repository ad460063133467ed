from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Iterator, List

import koji
import pytest

from kojid.hub import volume

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes


class Server:
    """A web server on loopback whose answers are taken from a list; the last one stays."""

    def __init__(self, *answers: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.answers = list(answers)
        self.requests: List[Any] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, self.headers.get("Range")))
                (server.answers.pop(0) if len(server.answers) > 1 else server.answers[0])(self)

            def log_message(self, *_args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@contextmanager
def serving(*answers: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Server]:
    server = Server(*answers)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def whole(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    try:
        request.wfile.write(CONTENT)
    except OSError:
        request.close_connection = True  # whoever asked has enough


def ranged(request: BaseHTTPRequestHandler) -> None:
    last = int(request.headers["Range"].split("-")[1])
    part = CONTENT[: last + 1]
    request.send_response(206)
    request.send_header("Content-Length", str(len(part)))
    request.end_headers()
    request.wfile.write(part)


def half(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    request.wfile.write(CONTENT[:1000])
    request.close_connection = True


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "20")
        request.end_headers()
        request.wfile.write(b"<html>sorry</html>\r\n")

    return answer


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "PAUSES", (0.0, 0.0))


def test_a_file_is_fetched_whole(tmp_path: Path) -> None:
    with serving(whole) as server:
        volume.download(f"{server.url}/a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_download_that_breaks_off_is_tried_again(tmp_path: Path) -> None:
    with serving(half, status(503), whole) as server:
        volume.download(f"{server.url}/a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_a_download_that_always_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with serving(half) as server, pytest.raises(volume.DownloadFailed, match="could not download"):
        volume.download(f"{server.url}/a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 3


def test_an_error_page_is_never_taken_for_the_file(tmp_path: Path) -> None:
    with serving(status(404)) as server, pytest.raises(volume.DownloadFailed, match="404") as raised:
        volume.download(f"{server.url}/a", tmp_path / "a")
    assert raised.value.status == 404
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stays_broken_is_named_with_its_answer(tmp_path: Path) -> None:
    with serving(status(502)) as server, pytest.raises(koji.GenericError, match="the server answered 502") as raised:
        volume.download(f"{server.url}/a", tmp_path / "a")
    assert raised.value.status == 502


def test_nobody_listening_is_an_error_in_the_end(tmp_path: Path) -> None:
    with serving(whole) as server:
        url = server.url
    with pytest.raises(volume.DownloadFailed, match="could not download"):
        volume.download(f"{url}/a", tmp_path / "a")


def test_a_server_that_says_nothing_is_not_waited_for_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "READ_SECONDS", 0.1)
    over = threading.Event()

    def silent(_request: BaseHTTPRequestHandler) -> None:
        over.wait(30)

    with serving(silent, silent, silent, silent) as server:
        with pytest.raises(volume.DownloadFailed, match="timed out"):
            volume.download(f"{server.url}/a", tmp_path / "a")
        over.set()


def test_only_as_much_as_is_needed_is_read() -> None:
    with serving(ranged) as server:
        start = volume.read_start(f"{server.url}/a", lambda start: 1500 if len(start) >= 100 else None, first=50)
    assert start == CONTENT[:1500]
    assert [asked for _path, asked in server.requests] == ["bytes=0-49", "bytes=0-99", "bytes=0-1499"]


def test_a_server_without_ranges_will_do() -> None:
    with serving(whole) as server:
        start = volume.read_start(f"{server.url}/a", lambda _start: 1500, first=2000)
    assert start == CONTENT[:2000]


def test_a_short_file_is_read_whole() -> None:
    with serving(ranged) as server:
        start = volume.read_start(f"{server.url}/a", lambda _start: None, first=10**6)
    assert start == CONTENT


def test_urls_are_quoted_and_stay_on_the_volume() -> None:
    assert (
        volume.volume_url("http://h/k/", "work/a b#c/x-1^2~3+4.src.rpm")
        == "http://h/k/work/a%20b%23c/x-1%5E2~3+4.src.rpm"
    )
    for path in ("", "/etc/passwd", "work/../../secret", "work/\0"):
        with pytest.raises(koji.GenericError, match="Invalid path"):
            volume.volume_url("http://h/k", path)
