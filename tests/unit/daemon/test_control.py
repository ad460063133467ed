"""The socket that `kojid status` asks: bounded in time and size, and never in the loop's way."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any, Iterator, Mapping

import pytest

from kojid.daemon import control
from kojid.daemon.control import Control
from kojid.daemon.loop import Loop


class Site:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = Loop()
        self.asked: list[Mapping[str, Any]] = []
        self.answer: Any = {"fine": True}
        self.control = Control(self.loop, directory, self._answer)

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        found: dict[str, Any] = self.answer
        return found

    def connect(self, data: bytes = b"") -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(5)
        made.connect(str(self.directory / control.NAME))
        made.sendall(data)
        return made

    def turn(self, seconds: float = 0.05) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.loop.turn(end)

    def ask(self, data: bytes) -> Any:
        with self.connect(data) as made:
            self.turn()
            return json.loads(made.recv(65536))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.control.close()
    made.loop.close()


def test_a_line_of_json_is_answered_by_one(site: Site) -> None:
    assert site.ask(b'{"op": "status"}\n') == {"fine": True}
    assert site.asked == [{"op": "status"}]
    assert (site.directory / control.NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b"\xff\n", b"\n"])
def test_what_is_no_request_is_said_to_be_none(site: Site, line: bytes) -> None:
    assert "not understood" in site.ask(line)["error"]
    assert site.asked == []


def test_trouble_with_an_answer_is_the_answer(site: Site) -> None:
    site.answer = KeyError("odd")
    assert "odd" in site.ask(b"{}\n")["error"]
    site.answer = {"much": "x" * control.LONGEST_ANSWER}
    assert "too many" in site.ask(b"{}\n")["error"]


def test_a_stale_socket_is_replaced(site: Site) -> None:
    again = Control(site.loop, site.directory, lambda _request: {"new": True})
    assert site.ask(b"{}\n") == {"new": True}
    again.close()


def test_where_there_can_be_no_socket_the_daemon_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop()
    made = Control(loop, tmp_path / "missing", lambda _request: {})
    assert "there is no socket" in caplog.text
    made.close()
    made.abandon()
    loop.close()


def test_who_is_slow_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.05)
    with site.connect(b'{"half') as made:
        site.turn(0.2)
        assert made.recv(1) == b""
    assert site.asked == []


def test_who_takes_no_answer_holds_up_nobody_and_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.3)
    site.answer = {"much": "x" * (control.LONGEST_ANSWER // 2)}
    with site.connect(b"{}\n") as lazy:
        site.turn(0.05)
        site.answer = {"little": True}
        assert site.ask(b"{}\n") == {"little": True}
        site.turn(0.4)
        received = 0
        with contextlib.suppress(ConnectionError):
            while data := lazy.recv(1 << 20):
                received += len(data)
        assert received < control.LONGEST_ANSWER // 2


def test_a_long_answer_arrives_whole(site: Site) -> None:
    site.answer = {"much": "x" * (control.LONGEST_ANSWER // 2)}
    with site.connect(b"{}\n") as made:
        made.setblocking(False)
        data = b""
        deadline = time.monotonic() + 10
        while not data.endswith(b"\n") and time.monotonic() < deadline:
            site.loop.turn(time.monotonic() + 0.01)
            with contextlib.suppress(BlockingIOError):
                data += made.recv(1 << 20)
    assert json.loads(data) == site.answer


def test_a_request_without_an_end_is_dropped(site: Site) -> None:
    with site.connect(b"x" * control.LONGEST_REQUEST) as made:
        site.turn()
        assert made.recv(1) == b""


def test_a_newcomer_takes_the_place_of_the_oldest(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(site.connect()) for _ in range(control.MOST_CLIENTS)]
        site.turn()
        assert site.ask(b"{}\n") == {"fine": True}
        assert waiting[0].recv(1) == b""
        waiting[1].sendall(b"{}\n")
        site.turn()
        assert json.loads(waiting[1].recv(4096)) == {"fine": True}


def test_another_user_is_told_no_and_not_heard(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_user_of", lambda _client: 12345)
    assert "only root is answered" in site.ask(b"{}\n")["error"]
    assert site.asked == []


def test_nothing_is_left_open(site: Site) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        site.ask(b"{}\n")
    site.connect().close()
    site.turn()
    assert len(os.listdir("/proc/self/fd")) == before
