"""A sandbox hub for tests: a process of its own on free ports below a test's directory, and sessions to it.

with running_hub(tmp_path) as hub:
    admin = hub.session("admin")
    builder = hub.session("builder", exclusive=True)
    with hub.counting() as calls:
        builder.host.getTasks()
    assert calls == {"host.getTasks": 1}
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Counter, Iterator, List, Optional, Sequence, Tuple
from unittest import mock

import koji

from kojid.sandbox.hub import authority
from kojid.sandbox.hub.kernel import Kernel, Request
from kojid.sandbox.hub.server import open_kernel
from kojid.sandbox.hub.settings import HostSetting, Settings

#: Environment variables that would replace a test's CA.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE")
_LINE = re.compile(
    r"^(?P<when>\S+ \S+) INFO (?P<method>\S+) user=(?P<user>\S+) session=(?P<session>\S+) (?P<ms>[\d.]+)ms"
    r" in=(?P<size_in>\d+) out=(?P<size_out>\d+)(?: parts=(?P<parts>\S+))?(?: fault=(?P<fault>.*))?$"
)


@dataclasses.dataclass(frozen=True)
class LoggedCall:
    """A call as the hub's log has it: milliseconds on the server, bytes in and out, the fault's code and text.

    `parts` are the methods of a multiCall; `moment` is when it was answered, seconds since the epoch.
    """

    method: str
    user: str
    session: str
    ms: float
    size_in: int
    size_out: int
    fault: Optional[str]
    parts: Tuple[str, ...] = ()
    moment: float = 0.0


def calls_in(log: str) -> List[LoggedCall]:
    """The calls in the text of a hub's log."""
    return [_logged(match) for match in map(_LINE.match, log.splitlines()) if match]


class SandboxHub:
    """A hub process and what a test wants of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.dir = settings.dir
        self.topdir = settings.topdir
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._sessions: List[koji.ClientSession] = []

    @property
    def url(self) -> str:
        """Where calls go."""
        return f"https://{self.settings.address}:{self._port('port')}/kojihub"

    @property
    def files_url(self) -> str:
        """Where topdir is served: the `topurl` of a builder."""
        return f"http://{self.settings.address}:{self._port('files.port')}/kojifiles"

    @property
    def ca(self) -> Path:
        """The CA's certificate: `serverca`."""
        return self.settings.ca_dir / authority.CA_NAME

    @property
    def pid(self) -> int:
        """The process id of the hub."""
        assert self._process is not None
        return self._process.pid

    def certificate(self, name: str) -> Path:
        """PEM with key and certificate of a user or host; made when missing."""
        return authority.ensure(self.settings.ca_dir, name)

    def start(self, timeout: float = 90) -> None:
        """Start the hub and wait until it listens."""
        ready = self.settings.hub_dir / "pid"
        ready.unlink(missing_ok=True)
        given = self.dir / "given-settings.json"
        self.dir.mkdir(parents=True, exist_ok=True)
        given.write_text(self.settings.dump())
        command = [sys.executable, "-m", "kojid.sandbox.hub", "--dir", str(self.dir), "--settings", str(given)]
        self._process = subprocess.Popen(command, cwd=str(_checkout()), stdin=subprocess.DEVNULL)
        port_file = self.settings.hub_dir / "port"
        deadline = time.monotonic() + timeout
        while not (ready.exists() and port_file.exists() and _newer(port_file, ready)):
            if self._process.poll() is not None:
                raise RuntimeError(f"the hub ended with {self._process.returncode}: {self.log()[-4000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the hub did not start in {timeout} s: {self.log()[-4000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the hub as kill -9 does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the hub as an init system does."""
        for session in self._sessions:
            session.logged_in = False  # else it would log out when it is collected, from a hub that is gone
            session.rsession.close()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def session(self, name: str = "admin", *, exclusive: bool = False, **opts: Any) -> koji.ClientSession:
        """A new session, logged in by certificate; retries are off unless `opts` say otherwise."""
        session = self.anonymous(**opts)
        session.ssl_login(str(self.certificate(name)), None, str(self.ca))
        if exclusive:
            session.exclusiveSession(force=True)
        return session

    def anonymous(self, **opts: Any) -> koji.ClientSession:
        """A session that is not logged in."""
        session = koji.ClientSession(
            self.url, {"max_retries": 1, "retry_interval": 1, "serverca": str(self.ca), **opts}
        )
        self._sessions.append(session)
        return session

    def log(self) -> str:
        """The text of the hub's log."""
        path = self.settings.hub_dir / "hub.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def calls(self, since: int = 0) -> List[LoggedCall]:
        """The calls of this hub's log, the first ones left out."""
        return calls_in(self.log())[since:]

    @contextlib.contextmanager
    def counting(self, user: Optional[str] = None) -> Iterator[Counter[str]]:
        """A counter that holds, after the block, how often each method was called in it (by one user)."""
        before = len(self.calls())
        counted: Counter[str] = collections.Counter()
        yield counted
        counted.update(call.method for call in self.calls(before) if user in (None, call.user))

    def read_url(self, path: str) -> bytes:
        """A file below topdir, fetched from the file server."""
        with urllib.request.urlopen(f"{self.files_url}/{path}", timeout=10) as answer:
            data: bytes = answer.read()
        return data

    def client_config(self, user: str = "admin") -> Path:
        """The configuration of a `koji` client with the profile "sandbox"."""
        path = self.dir / f"koji-{user}.conf"
        path.write_text(
            f"[sandbox]\nserver = {self.url}\ntopurl = {self.files_url}\nweburl = http://127.0.0.1/koji\n"
            f"authtype = ssl\ncert = {self.certificate(user)}\nserverca = {self.ca}\n"
            "poll_interval = 1\nmax_retries = 2\nretry_interval = 1\n"
        )
        return path

    def koji(
        self, *args: str, user: str = "admin", timeout: float = 60, cwd: Optional[Path] = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the real `koji` client as a user against this hub and give its output."""
        command = [*koji_client(), "-c", str(self.client_config(user)), "-p", "sandbox", *args]
        return subprocess.run(
            command, cwd=str(cwd or self.dir), timeout=timeout, capture_output=True, text=True, check=False
        )

    def _port(self, name: str) -> int:
        return int((self.settings.hub_dir / name).read_text())


def koji_client() -> Sequence[str]:
    """The command of the `koji` client that belongs to this interpreter's koji library."""
    beside = Path(sys.executable).with_name("koji")
    return [sys.executable, str(beside)] if beside.exists() else ["koji"]


@contextlib.contextmanager
def running_hub(directory: Path, **settings: Any) -> Iterator[SandboxHub]:
    """A hub with these settings, started now and ended with the block; see `Settings` for what there is."""
    with without_ca_variables():
        hub = SandboxHub(test_settings(directory, **settings))
        hub.start()
        try:
            yield hub
        finally:
            hub.stop()


def test_settings(directory: Path, **settings: Any) -> Settings:
    """Settings for tests: admin, an ordinary user "user", and the host "builder"."""
    values: dict[str, Any] = {
        "users": {"admin": ("admin",), "user": ()},
        "hosts": (HostSetting("builder"),),
        "run_interval": 0.05,
        **settings,
    }
    return Settings(dir=directory / "sandbox", **values)


test_settings.__test__ = False  # type: ignore[attr-defined]


@contextlib.contextmanager
def without_ca_variables() -> Iterator[None]:
    """No variable of the environment replaces the test's CA inside the block, here and in child processes."""
    with mock.patch.dict(os.environ):
        for name in CA_VARIABLES:
            os.environ.pop(name, None)
        yield


class Caller:
    """A user's session with a hub inside this process: calls without a network.

    Call it with a method's name and its arguments. Each call has its own number, as a client's.
    """

    def __init__(self, kernel: Kernel, name: str, *, exclusive: bool = False, address: str = "127.0.0.1") -> None:
        self.kernel = kernel
        self.address = address
        self.callnum = 0
        self.info = kernel.call(Request(address=address, certificate=name, login=True), "sslLogin")
        if exclusive:
            self("exclusiveSession", force=True)

    @classmethod
    def of(cls, kernel: Kernel, info: Any) -> Caller:
        """The user of a session that was opened otherwise."""
        caller = cls.__new__(cls)
        caller.kernel, caller.address, caller.callnum, caller.info = kernel, "127.0.0.1", 0, info
        return caller

    def request(self, **fields: Any) -> Request:
        """The request of the next call."""
        callnum = self.callnum
        self.callnum += 1
        session = (self.info["session-id"], self.info["session-key"], callnum)
        return Request(**{"address": self.address, "session": session, **fields})

    def __call__(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Make a call; the answer is what a client gets to see of it."""
        answer = self.kernel.call(self.request(), method, koji.encode_args(*args, **kwargs))
        return koji.xmlrpcplus.loads(koji.xmlrpcplus.dumps((answer,), methodresponse=1))[0][0]


def kernel_for_tests(directory: Path, **settings: Any) -> Kernel:
    """A hub without its servers, for calls inside this process."""
    return open_kernel(test_settings(directory, **settings))


def _logged(match: re.Match[str]) -> LoggedCall:
    return LoggedCall(
        method=match["method"],
        user=match["user"],
        session=match["session"],
        ms=float(match["ms"]),
        size_in=int(match["size_in"]),
        size_out=int(match["size_out"]),
        fault=match["fault"],
        parts=tuple((match["parts"] or "").split(",")) if match["parts"] else (),
        moment=datetime.datetime.fromisoformat(match["when"].replace(",", ".")).timestamp(),
    )


def _newer(one: Path, other: Path) -> bool:
    return one.stat().st_mtime_ns >= other.stat().st_mtime_ns


def _checkout() -> Path:
    return Path(__file__).parents[2]
