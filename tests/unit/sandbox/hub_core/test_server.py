"""The hub as a process: TLS, connections, its own restart."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import gc
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Callable, Iterator

import koji
import pytest

from kojid.sandbox.hub import authority
from tests.support.sandboxhub import CA_VARIABLES, SandboxHub, running_hub

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as started:
        yield started


def login_with(hub: SandboxHub, pem: bytes, path: Path) -> koji.ClientSession:
    path.write_bytes(pem)
    session = hub.anonymous()
    session.ssl_login(str(path), None, str(hub.ca))
    return session


def now() -> datetime.datetime:
    return datetime.datetime.now(tz=datetime.timezone.utc).replace(tzinfo=None)


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def half_sent(
    hub: SandboxHub, session: koji.ClientSession, directory: str, block: bytes
) -> Iterator[http.client.HTTPSConnection]:
    """An upload of a second block that stops in the middle."""
    port = int(urllib.parse.urlsplit(hub.url).port or 0)
    context = ssl.create_default_context(cafile=str(hub.ca))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    url, headers, _ = session._prepUpload(block, len(block), directory, "x.rpm", overwrite=True)
    connection.putrequest("POST", url[url.index("/kojihub") :])
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(block[: len(block) - 10])
    try:
        yield connection
    finally:
        connection.close()


class TestCertificates:
    def test_the_name_in_the_certificate_is_logged_in(self, hub: SandboxHub) -> None:
        session = hub.session("builder", exclusive=True)
        assert session.host.getHost()["name"] == "builder"
        assert session.hub_version == (1, 35, 3)
        session.logout()

    def test_no_certificate_is_needed_for_looking(self, hub: SandboxHub) -> None:
        assert hub.anonymous().listChannels()

    def test_a_user_that_the_hub_does_not_know(self, hub: SandboxHub, tmp_path: Path) -> None:
        with pytest.raises(koji.AuthError, match="Unknown user: stranger"):
            login_with(hub, authority.issue(hub.settings.ca_dir, "stranger"), tmp_path / "x.pem")

    @pytest.mark.parametrize("dates", [{"not_after": -DAY}, {"not_before": DAY}])
    def test_one_that_does_not_hold_now(
        self, hub: SandboxHub, tmp_path: Path, dates: dict[str, datetime.timedelta]
    ) -> None:
        moments = {name: now() + delta for name, delta in dates.items()}
        with pytest.raises(koji.AuthError, match=r"certificate expired|bad certificate|unable to obtain a session"):
            login_with(hub, authority.issue(hub.settings.ca_dir, "admin", **moments), tmp_path / "x.pem")

    def test_one_of_another_authority(self, hub: SandboxHub, tmp_path: Path) -> None:
        authority.make_ca(tmp_path / "other", "somebody else")
        with pytest.raises(koji.AuthError):
            login_with(hub, authority.issue(tmp_path / "other", "admin"), tmp_path / "x.pem")

    def test_a_client_that_trusts_another_authority(self, hub: SandboxHub, tmp_path: Path) -> None:
        other = authority.make_ca(tmp_path / "other", "somebody else")
        session = hub.anonymous()
        with pytest.raises(koji.AuthError, match=r"(?i)certificate"):
            session.ssl_login(str(hub.certificate("admin")), None, str(other))


class TestConnections:
    def test_an_answer_does_not_wait_for_an_acknowledgement(self, hub: SandboxHub) -> None:
        session = hub.session("user")
        session.echo()
        durations = []
        for _ in range(30):
            started = time.monotonic()
            session.echo("x" * 3000)
            durations.append(time.monotonic() - started)
        assert sorted(durations)[15] < 0.030  # 0.044 when it does

    def test_an_idle_call_costs_about_a_millisecond(self, hub: SandboxHub) -> None:
        session = hub.session("builder", exclusive=True)
        before = len(hub.calls())
        for _ in range(30):
            session.host.updateHost(0.0, False)
            session.host.getHostTasks()
        costs = sorted(call.ms for call in hub.calls(before))
        session.logout()
        assert costs[len(costs) // 2] < 4.0

    def test_a_client_that_says_nothing_holds_up_nobody(self, hub: SandboxHub) -> None:
        port = int(hub.url.rsplit(":", 1)[1].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as half:
            half.sendall(b"\x16\x03\x01")
            started = time.monotonic()
            assert hub.anonymous().hello() == "Hello World"
            assert time.monotonic() - started < 5

    def test_plain_http_is_no_way_to_the_hub(self, hub: SandboxHub) -> None:
        with pytest.raises(OSError, match=r".*"):
            urllib.request.urlopen(hub.url.replace("https", "http"), data=b"x", timeout=10)
        assert hub.anonymous().hello() == "Hello World"

    def test_many_at_once(self, hub: SandboxHub) -> None:
        def work(number: int) -> int:
            session = hub.session("admin")
            ids = [session.makeTask("sleep", [number], priority=number) for _ in range(5)]
            for task_id in ids:
                session.cancelTask(task_id)
            count: int = session.listTasks({"id": ids, "owner": 1}, {"countOnly": True})
            session.logout()
            assert count >= 5
            return len(set(ids))

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [5] * 8

    def test_a_multicall_of_the_library(self, hub: SandboxHub) -> None:
        session = hub.session("user")
        with session.multicall() as many:
            good, bad = many.getUser("admin"), many.getUser("nobody", strict=True)
        assert good.result["name"] == "admin"
        assert hub.calls()[-1].parts == ("getUser", "getUser")
        with pytest.raises(koji.GenericError, match="nobody"):
            assert bad.result

    def test_counting_calls(self, hub: SandboxHub) -> None:
        session = hub.session("user")
        with hub.counting(user="user") as calls:
            session.echo(1)
            session.echo(2)
            with pytest.raises(koji.GenericError):
                session.nothing()
        assert calls == {"echo": 2, "nothing": 1}
        assert hub.calls()[-1].fault == "1000: Invalid method: nothing"


# The library's upload leaves its file open for the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
class TestFiles:
    def test_an_uploaded_file_is_served(self, hub: SandboxHub, tmp_path: Path) -> None:
        data = os.urandom(3_000_000)
        (tmp_path / "big.src.rpm").write_bytes(data)
        session = hub.session("user")
        session.uploadWrapper(str(tmp_path / "big.src.rpm"), "cli-build/1.xyz", blocksize=1_000_000)
        assert hub.read_url("work/cli-build/1.xyz/big.src.rpm") == data
        request = urllib.request.Request(
            f"{hub.files_url}/work/cli-build/1.xyz/big.src.rpm", headers={"Range": "bytes=1000-1999"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 206
            assert answer.read() == data[1000:2000]

    def test_the_slow_form_of_upload(self, hub: SandboxHub, tmp_path: Path) -> None:
        (tmp_path / "a.src.rpm").write_bytes(b"x" * 100_000)
        session = hub.session("user", use_fast_upload=False)
        session.uploadWrapper(str(tmp_path / "a.src.rpm"), "cli-build/2.xyz", blocksize=30_000)
        assert hub.read_url("work/cli-build/2.xyz/a.src.rpm") == b"x" * 100_000


class TestRestart:
    @pytest.fixture
    def mortal(self, tmp_path: Path) -> Iterator[SandboxHub]:
        with running_hub(tmp_path) as hub:
            yield hub

    def test_after_kill_9_everything_goes_on(self, mortal: SandboxHub) -> None:
        urls = mortal.url, mortal.files_url
        admin, builder = mortal.session("admin"), mortal.session("builder", exclusive=True)
        below = builder.subsession()
        builder.host.updateHost(0.0, True)
        task_id = admin.makeTask("sleep", [1])
        assert [task["id"] for task in builder.host.getTasks()] == [task_id]
        builder.host.openTask(task_id)
        mortal.kill()
        mortal.start()
        assert (mortal.url, mortal.files_url) == urls
        assert [task["id"] for task in builder.host.getHostTasks()] == [task_id]
        assert below.host.getID() == builder.host.getID()
        assert admin.listTasks()[0]["id"] == task_id

    # The client library drops a connection that broke in the handshake without closing its socket.
    @pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    def test_what_was_answered_is_kept_when_it_is_killed_at_work(self, mortal: SandboxHub) -> None:
        admin = mortal.session("admin")
        answered: list[int] = []

        def make_tasks() -> None:
            with contextlib.suppress(Exception):
                while True:
                    answered.append(admin.makeTask("sleep", [1]))

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(make_tasks)
            deadline = time.monotonic() + 30
            while len(answered) < 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            mortal.kill()
            running.result(timeout=30)
        gc.collect()
        mortal.start()
        known = {task["id"] for task in mortal.session("admin").listTasks()}
        assert len(answered) >= 20
        assert set(answered) <= known
        assert len(known) <= len(answered) + 1

    def test_an_upload_that_it_was_killed_in_is_sent_again(self, mortal: SandboxHub) -> None:
        admin, builder = mortal.session("admin"), mortal.session("builder", exclusive=True)
        task_id = admin.makeTask("sleep", [1])
        builder.host.openTask(task_id)
        directory = koji.pathinfo.taskrelpath(task_id)
        blocks = [os.urandom(400_000), os.urandom(400_000)]
        builder.rawUpload(blocks[0], 0, directory, "x.rpm", overwrite=True)
        path = mortal.topdir / "work" / directory / "x.rpm"
        with half_sent(mortal, builder, directory, blocks[1]) as connection:
            wait_until(lambda: path.stat().st_size > len(blocks[0]))
            mortal.kill()
            del connection
        mortal.start()
        assert builder.rawUpload(blocks[1], len(blocks[0]), directory, "x.rpm", overwrite=True)["size"] == 400_000
        assert path.read_bytes() == b"".join(blocks)

    def test_settings_are_kept(self, mortal: SandboxHub) -> None:
        kept = json.loads((mortal.settings.hub_dir / "settings.json").read_text())
        assert kept["run_interval"] == 0.05
        assert kept["dir"] == str(mortal.dir)
        assert int((mortal.settings.hub_dir / "pid").read_text()) == mortal.pid

    def test_it_stops_although_clients_keep_their_connections(self, mortal: SandboxHub) -> None:
        session = mortal.session("admin")
        started = time.monotonic()
        mortal.stop()
        assert time.monotonic() - started < 10
        assert not (mortal.settings.hub_dir / "pid").exists()
        assert session.logged_in is False


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "settings"), ('{"dir": "/x", "colour": 1}', "unknown settings: colour"), ("[]", "JSON object")],
)
def test_settings_that_make_no_sense_are_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    command = [sys.executable, "-m", "kojid.sandbox.hub", "--dir", str(tmp_path / "x")]
    environ = {name: value for name, value in os.environ.items() if name not in CA_VARIABLES}
    done = subprocess.run(
        [*command, "--settings", str(tmp_path / "settings.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[4],
        env=environ,
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
