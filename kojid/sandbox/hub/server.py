"""The hub's two servers, HTTPS with the calls and HTTP with the files; they keep their ports over restarts."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable, Iterable, Optional

import cheroot.wsgi

from kojid.sandbox.hub import authority, methods, tls
from kojid.sandbox.hub.database import Store
from kojid.sandbox.hub.files import FILES_PATH, FileServer
from kojid.sandbox.hub.kernel import Kernel
from kojid.sandbox.hub.seed import seed
from kojid.sandbox.hub.settings import Settings
from kojid.sandbox.hub.wire import HUB_PATH, Application

logger = logging.getLogger("kojid.sandbox.hub")

PORT_FILE = "port"
FILES_PORT_FILE = "files.port"
PID_FILE = "pid"
#: Seconds for which a connection is kept open for a next request.
_KEEP_ALIVE = 60
_KEPT_CONNECTIONS = 500
#: Connections that wait to be accepted, as Apache has it: one too many is tried again by its client after a second.
_BACKLOG = 511


def schemas() -> Iterable[Path]:
    """The SQL files that make the hub's tables, the core's first."""
    here = Path(__file__).parent
    return [here / "core.sql", *sorted((here / "content").glob("*.sql"))]


def open_kernel(settings: Settings) -> Kernel:
    """The hub without its servers: database, first-start data, methods."""
    assert methods.__all__  # importing it has registered every method
    for name in ("packages", "repos", "scratch", "work/tasks", "work/cli-build", "vol", "logs"):
        (settings.topdir / name).mkdir(parents=True, exist_ok=True)
    kernel = Kernel(settings, Store(settings.hub_dir / "hub.db", schemas()))
    seed(kernel)
    return kernel


class Hub:
    """A running hub.

    Args:
        settings: of this hub; a port of 0 becomes the one of its last run, else a free one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.kernel = open_kernel(settings)
        authority.make_ca(settings.ca_dir)
        for name in (*settings.users, *(host.name for host in settings.hosts)):
            authority.ensure(settings.ca_dir, name)
        context = tls.server_context(
            authority.ensure(settings.ca_dir, "hub", settings.address), settings.ca_dir / authority.CA_NAME
        )
        self._calls = _server(settings, self._port(settings.port, PORT_FILE), Application(self.kernel))
        self._calls.ssl_adapter = tls.Adapter(context)
        self._calls.ConnectionClass = tls.Connection
        self._calls.gateway = tls.Gateway
        files_port = self._port(settings.files_port, FILES_PORT_FILE)
        self._files = _server(settings, files_port, FileServer(settings.topdir))
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where calls go."""
        return f"https://{self._settings.address}:{self._calls.bind_addr[1]}{HUB_PATH}"

    @property
    def files_url(self) -> str:
        """Where topdir is found."""
        return f"http://{self._settings.address}:{self._files.bind_addr[1]}{FILES_PATH}"

    def start(self) -> None:
        """Listen, write the ports and the process id down, and serve in threads of its own.

        Raises:
            OSError: an address that can't be listened on.
        """
        for server in (self._calls, self._files):
            server.prepare()
        for server in (self._calls, self._files):
            thread = threading.Thread(target=server.serve, name=server.server_name, daemon=True)
            thread.start()
            self._threads.append(thread)
        directory = self._settings.hub_dir
        write_atomic(directory / PID_FILE, f"{os.getpid()}\n")
        write_atomic(directory / FILES_PORT_FILE, f"{self._files.bind_addr[1]}\n")
        write_atomic(directory / PORT_FILE, f"{self._calls.bind_addr[1]}\n")
        logger.info("listening: %s, files: %s", self.url, self.files_url)

    def stop(self) -> None:
        """Finish the requests under way and close everything."""
        for server in (self._calls, self._files):
            server.stop()
        for thread in self._threads:
            thread.join()
        self.kernel.store.close()
        (self._settings.hub_dir / PID_FILE).unlink(missing_ok=True)

    def _port(self, wanted: int, name: str) -> int:
        if wanted:
            return wanted
        try:
            return int((self._settings.hub_dir / name).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0


def _server(settings: Settings, port: int, application: Callable[..., Any]) -> Any:
    server = _Server(
        (settings.address, port),
        application,
        numthreads=settings.threads,
        timeout=_KEEP_ALIVE,
        request_queue_size=_BACKLOG,
    )
    server.keep_alive_conn_limit = _KEPT_CONNECTIONS
    server.nodelay = True  # else each answer waits 40 ms for the client's delayed acknowledgement
    return server


class _Server(cheroot.wsgi.Server):
    @classmethod
    def prepare_socket(cls, *args: Any, **kwargs: Any) -> Any:
        """As cheroot's, and the port can be had again at once when this process is killed.

        Linux wants the option on the first socket already: the connections that are left over inherit it, and
        without it they would keep a restarted hub from its port for a minute.
        """
        made = super().prepare_socket(*args, **kwargs)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Into the hub's log, not to stderr."""
        logger.log(level, "%s", msg, exc_info=traceback)


def write_atomic(path: Path, text: str, mode: Optional[int] = 0o644) -> None:
    """Replace a file in one step, so that nobody reads half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    if mode is not None:
        os.chmod(temporary, mode)
    os.replace(temporary, path)
