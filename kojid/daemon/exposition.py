"""The process that serves the metrics: over HTTP and as a file, in Prometheus' own words.

Runs as a helper of the daemon and ends with it. While the daemon does not answer, because it waits for the hub, the
last figures are given again; `kojid_snapshot_timestamp_seconds` tells how old they are.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import socket
import socketserver
import sys
import threading
import time
import wsgiref.simple_server
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

from kojid.daemon import control
from kojid.daemon.exporter import Address, temporary_files
from kojid.daemon.mailbox import short_path
from kojid.metrics.table import COUNTER, HISTOGRAM, TABLE, Metric
from kojid.system.files import write_atomic

_log = logging.getLogger("koji.build.metrics")
_ANSWER_SECONDS = 2.0  # then the last figures have to do: Prometheus waits for ten seconds by default
_FRESH_SECONDS = 0.2  # for which several that ask get the same
_CLIENT_SECONDS = 10.0
_MOST_CLIENTS = 16
_BLOCK = 65536
Rows = List[Tuple[List[str], Any]]
Respond = Callable[[str, List[Tuple[str, str]]], Any]


class NoFigures(Exception):
    """The daemon has not answered yet."""


class Source:
    """The daemon's figures.

    Args:
        directory: the ledger's, where the daemon's socket is.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._last: Optional[Dict[str, Any]] = None
        self._asked = float("-inf")

    def figures(self) -> Dict[str, Any]:
        """The present ones, else the last ones. Raises NoFigures when there are none at all."""
        with self._lock:
            if time.monotonic() - self._asked > _FRESH_SECONDS:
                try:
                    self._last = self._ask()
                except (OSError, ValueError) as error:
                    _log.debug("the daemon does not answer: %s", error)
                self._asked = time.monotonic()
            if self._last is None:
                raise NoFigures("the daemon has not answered yet")
            return self._last

    def _ask(self) -> Dict[str, Any]:
        with contextlib.ExitStack() as stack:
            asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            asking.settimeout(_ANSWER_SECONDS)
            asking.connect(stack.enter_context(short_path(self._directory, control.NAME)))
            asking.sendall(b'{"op": "metrics"}\n')
            blocks = iter(lambda: asking.recv(_BLOCK), b"")
            answer: Dict[str, Any] = json.loads(b"".join(blocks))
        if "gauges" not in answer:
            raise ValueError(str(answer.get("error")))
        return answer

    def collect(self) -> Iterator[Any]:
        """The metrics as prometheus-client wants them; what has no labels is there before it is counted."""
        figures = self.figures()
        rows: Dict[str, Rows] = {}
        for name, labels, value in itertools.chain(figures["gauges"], figures["counts"], figures["spans"]):
            rows.setdefault(name, []).append((labels, value))
        for metric in TABLE:
            yield _family(metric, rows.get(metric.name, []))


def _family(metric: Metric, rows: Rows) -> Any:
    """One metric with all its series."""
    if metric.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, span in rows or _nothing(metric, [0.0] * (len(metric.buckets) + 2)):
            histogram.add_metric(labels, _buckets(metric, span), sum_value=span[-1])
        return histogram
    made = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
    family = made(metric.name, metric.help, labels=metric.labels)
    for labels, value in rows or (_nothing(metric, 0.0) if metric.kind == COUNTER else []):
        family.add_metric(labels, value)
    return family


def _nothing(metric: Metric, value: Any) -> Rows:
    return [] if metric.labels else [([], value)]


def _buckets(metric: Metric, span: List[float]) -> List[Tuple[str, float]]:
    bounds = [*(str(float(bound)) for bound in metric.buckets), "+Inf"]
    return list(zip(bounds, itertools.accumulate(span[:-1])))


def serve(directory: Path, address: Optional[Address], file: Optional[Path], interval: float) -> None:
    """Serve until killed.

    Args:
        directory: the ledger's.
        address: for HTTP, if wanted.
        file: to be written, if wanted.
        interval: seconds between two times that it is written.
    """
    source = Source(directory)
    if address is not None:
        try:
            server = _Server(address, _application(source))
        except OSError as error:
            _log.error("the metrics can't be served at %s: %s", address, error.strerror or error)
            sys.exit(1)
        _log.info("metrics at http://%s/metrics", Address(address.host, server.server_port))
        if file is None:
            server.serve_forever()
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if file is not None:
        _write_for_ever(source, file, interval)


def _write_for_ever(source: Source, file: Path, interval: float) -> None:
    for left in temporary_files(file):
        with contextlib.suppress(OSError):
            left.unlink()
    told = ""
    while True:
        try:
            write_atomic(file, generate_latest(source), sync=False)
            told = ""
        except NoFigures:
            pass
        except OSError as error:
            if told != str(error):
                told = str(error)
                _log.error("the metrics can't be written to %s: %s", file, error.strerror)
        time.sleep(interval)


def _application(source: Source) -> Callable[[Dict[str, Any], Respond], Iterable[bytes]]:
    """The WSGI application."""

    def answer(environ: Dict[str, Any], respond: Respond) -> Iterable[bytes]:
        status, kind, body = "404 Not Found", "text/plain; charset=utf-8", b"the metrics are at /metrics\n"
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status = "405 Method Not Allowed"
        elif environ["PATH_INFO"] == "/metrics":
            encode, kind = choose_encoder(environ.get("HTTP_ACCEPT", ""))
            try:
                status, body = "200 OK", encode(source)
            except NoFigures as error:
                status, kind, body = "503 Service Unavailable", "text/plain; charset=utf-8", f"{error}\n".encode()
        respond(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing: a line for each question would fill the log."""


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """A server with a thread for each of a few clients; further ones are turned away."""

    daemon_threads = True

    def __init__(self, address: Address, application: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._room = threading.BoundedSemaphore(_MOST_CLIENTS)
        super().__init__((address.host, address.port), _Handler)
        self.set_app(application)

    def server_bind(self) -> None:
        """As in the library, without asking the DNS for this host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a client, if there is room for it."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a client."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is nobody's concern."""
        _log.debug("a client of the metrics at %s: %s", client_address, sys.exc_info()[1])
