from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.buildroot.download import FileMissing, fetch
from kojid.hub import volume
from tests.support import options


@contextlib.contextmanager
def serving(answer: Any) -> Iterator[str]:
    """An HTTP server on a port of its own; `answer(handler, number)` serves the request of that number."""
    count = [0]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            count[0] += 1
            answer(self, count[0])

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: Any, status: int, body: bytes = b"", length: Any = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "PAUSES", (0.0, 0.0))


def test_a_file_comes_from_the_url() -> None:
    with serving(lambda handler, number: send(handler, 200, handler.path.encode())) as url:
        assert fetch(options(topurl=f"{url}/files/"), "/repos/x") == b"/files/repos/x"


def test_a_file_that_is_not_there_is_missing_at_once() -> None:
    requests: list[int] = []
    with (
        serving(lambda handler, number: (requests.append(number), send(handler, 404))) as url,
        pytest.raises(FileMissing),
    ):
        fetch(options(topurl=url), "x")
    assert requests == [1]


def test_trouble_is_tried_again() -> None:
    def answer(handler: Any, number: int) -> None:
        if number == 1:
            send(handler, 503)
        elif number == 2:
            send(handler, 200, b"only the begin", length=1000)
        else:
            send(handler, 200, b"all of it")

    with serving(answer) as url:
        assert fetch(options(topurl=url), "x") == b"all of it"


def test_the_next_url_is_tried() -> None:
    with serving(lambda handler, number: send(handler, 200, b"ok")) as url:
        assert fetch(options(topurl=f"http://127.0.0.1:1 {url}"), "x") == b"ok"


def test_lasting_trouble_is_an_error() -> None:
    with pytest.raises(koji.GenericError, match="could not download http://127.0.0.1:1/x"):
        fetch(options(topurl="http://127.0.0.1:1"), "x")


def test_without_a_url_the_mounted_volume_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    settings = options(topurl=None, topdir=str(tmp_path))
    assert fetch(settings, "x") == b"content"
    with pytest.raises(FileMissing):
        fetch(settings, "y")
    with pytest.raises(koji.GenericError, match="can't be read"):
        fetch(settings, "")
