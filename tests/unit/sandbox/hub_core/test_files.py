from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from kojid.sandbox.hub.files import FileServer, byte_range


class Answer:
    """What a GET of a path gives."""

    def __init__(self, top: Path, path: str, method: str = "GET", **headers: str) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
        environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        self.body = b"".join(FileServer(top)(environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = dict(headers)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "koji"
    (top / "packages" / "a b").mkdir(parents=True)
    (top / "packages" / "a b" / "x.rpm").write_bytes(b"0123456789")
    (top / "latest").symlink_to("packages")
    (tmp_path / "secret").write_text("secret")
    (top / "out").symlink_to(tmp_path / "secret")
    return top


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=2-4", (2, 5)),
        ("bytes=8-99", (8, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=10-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", (0, 10)),
        ("lines=1-2", (0, 10)),
    ],
)
def test_ranges(header: Optional[str], part: Optional[tuple[int, int]]) -> None:
    assert byte_range(header, 10) == part


def test_a_file(top: Path) -> None:
    answer = Answer(top, "/kojifiles/packages/a b/x.rpm")
    assert (answer.status, answer.body) == ("200 OK", b"0123456789")
    assert answer.headers["Content-Length"] == "10"
    assert {"Last-Modified", "ETag", "Accept-Ranges"} <= set(answer.headers)


def test_its_head(top: Path) -> None:
    answer = Answer(top, "/kojifiles/packages/a b/x.rpm", "HEAD")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == ("200 OK", b"", "10")


def test_a_part_of_it(top: Path) -> None:
    answer = Answer(top, "/kojifiles/latest/a b/x.rpm", range="bytes=2-4")
    assert (answer.status, answer.body) == ("206 Partial Content", b"234")
    assert (answer.headers["Content-Range"], answer.headers["Content-Length"]) == ("bytes 2-4/10", "3")
    answer = Answer(top, "/kojifiles/packages/a b/x.rpm", range="bytes=99-")
    assert (answer.status, answer.headers["Content-Range"]) == ("416 Range Not Satisfiable", "bytes */10")
    answer = Answer(top, "/kojifiles/packages/a b/x.rpm", range="bytes=2-4", if_range='"other"')
    assert answer.status == "200 OK"


def test_a_directory(top: Path) -> None:
    answer = Answer(top, "/kojifiles/packages/")
    assert answer.status == "200 OK"
    assert b'<a href="a%20b/">a b/</a>' in answer.body
    assert Answer(top, "/kojifiles/packages").headers["Location"] == "/kojifiles/packages/"


@pytest.mark.parametrize(
    "path", ["/", "/kojihub", "/kojifilesx", "/kojifiles/none", "/kojifiles/../secret", "/kojifiles/out"]
)
def test_nothing_else(top: Path, path: str) -> None:
    assert Answer(top, path).status == "404 Not Found"


def test_nothing_but_reading(top: Path) -> None:
    answer = Answer(top, "/kojifiles/packages/", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")
