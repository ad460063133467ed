"""Where metrics are served, and what is told when they can't be."""

from __future__ import annotations

import importlib.util
import json
import socket
import threading
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from kojid.config.options import Options
from kojid.daemon import exporter
from kojid.daemon.exporter import Address, parse_address
from kojid.errors import ConfigError
from kojid.metrics import tally
from kojid.metrics.table import TABLE


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    yield
    tally.end()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9596", Address("127.0.0.1", 9596)),
        (":9596", Address("127.0.0.1", 9596)),
        ("0.0.0.0:1", Address("0.0.0.0", 1)),
        ("[::]:80", Address("::", 80)),
        ("build1.example.com:80", Address("build1.example.com", 80)),
    ],
)
def test_an_address_is_on_loopback_unless_it_says_otherwise(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["x", "host", "host:", "1:2:3", "::1:80", "h:65536", "h:-1", "h:٣", "[::1:9"])
def test_what_is_no_address_is_told_at_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="metrics_address"):
        exporter.check(Options({"metrics_address": text}))


def test_nothing_is_counted_unless_somebody_wants_it() -> None:
    exporter.prepare(Options())
    assert not tally.counting()


def test_without_the_library_there_is_one_line_and_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    options = Options({"metrics_file": "/somewhere/kojid.prom"})
    assert len(exporter.check(options)) == 1
    assert "prometheus-client is not installed" in exporter.check(options)[0]
    assert exporter.check(Options()) == []
    exporter.prepare(options)
    assert not tally.counting()


class Daemon:
    """Answers on the local socket as often as it is told to."""

    def __init__(self, directory: Path, answers: List[Any]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(directory / "control"))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, args=(answers,))
        self._thread.start()

    def _serve(self, answers: List[Any]) -> None:
        for answer in answers:
            asking, _ = self._socket.accept()
            with asking:
                asking.recv(4096)
                asking.sendall(json.dumps(answer).encode() + b"\n")
        self._socket.close()

    def join(self) -> None:
        self._thread.join()


FIGURES = {
    "gauges": [["kojid_ready", [], 1.0], ["kojid_jobs", ["running"], 3.0]],
    "counts": [["kojid_tasks_ended_total", ['a\\b\n"c"', "closed"], 2.0]],
    "spans": [["kojid_late_tick_seconds", [], [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 99.0]]],
}


def test_the_figures_are_put_into_prometheus_words(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    from prometheus_client import generate_latest

    from kojid.daemon.exposition import NoFigures, Source

    source = Source(tmp_path)
    with pytest.raises(NoFigures):
        source.figures()
    daemon = Daemon(tmp_path, [FIGURES, {"error": "not now"}])
    source = Source(tmp_path)
    text = generate_latest(source).decode()
    assert "kojid_ready 1.0\n" in text
    assert 'kojid_jobs{state="running"} 3.0\n' in text
    assert 'kojid_tasks_ended_total{method="a\\\\b\\n\\"c\\"",outcome="closed"} 2.0\n' in text
    assert 'kojid_late_tick_seconds_bucket{le="0.1"} 3.0\n' in text
    assert 'kojid_late_tick_seconds_bucket{le="+Inf"} 7.0\n' in text
    assert "kojid_late_tick_seconds_sum 99.0\n" in text
    assert "kojid_upload_bytes_total 0.0\n" in text
    for metric in TABLE:
        assert f"# HELP {metric.name} " in text
    source._asked = float("-inf")
    assert source.figures() == FIGURES  # the last ones, as the daemon gave none
    daemon.join()
