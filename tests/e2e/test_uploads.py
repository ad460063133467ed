"""Uploads side by side against a hub and a wire that fail: whatever happens, the hub has each file as it is, or none
of the sessions that were opened for them stays behind.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Iterator, List

import koji
import pytest

from kojid.hub import transfers
from kojid.hub.client import HubSession
from kojid.hub.transfers import Item
from kojid.hub.upload import Uploader
from tests.support import faultproxy
from tests.support.faultproxy import FaultProxy
from tests.support.sandboxhub import SandboxHub, running_hub

pytestmark = pytest.mark.e2e
FILES = 40


class Place:
    """A hub, a faulty wire to it, and a task's session on it."""

    def __init__(self, hub: SandboxHub) -> None:
        self.hub = hub
        self.master = hub.session("builder")
        self.count = 0

    @contextlib.contextmanager
    def session(self, proxy: FaultProxy) -> Iterator[HubSession]:
        options = {"serverca": str(self.hub.ca), "patient": True, "retry_interval": 1, "max_retries": 20}
        session = HubSession(proxy.url, options, sinfo=self.master.callMethod("subsession"))
        yield session
        session.logout()

    @contextlib.contextmanager
    def wire(self) -> Iterator[FaultProxy]:
        with FaultProxy(self.hub.url, self.hub.settings.ca_dir, "builder") as proxy:
            yield proxy

    def directory(self) -> str:
        self.count += 1
        return f"test/upload{self.count}"

    def holds(self, directory: str, items: List[Item]) -> bool:
        """Whether the hub has all of the files as they are."""
        for item in items:
            with item.open() as source:
                if (self.hub.topdir / "work" / directory / item.name).read_bytes() != source.read():
                    return False
        return True

    def open_sessions(self) -> int:
        """How many subsessions are open on the hub."""
        with contextlib.closing(sqlite3.connect(self.hub.settings.hub_dir / "hub.db")) as database:
            master = self.master.sinfo["session-id"]
            query = "SELECT count(*) FROM sessions WHERE master = ? AND closed = 0"
            return int(database.execute(query, (master,)).fetchone()[0])

    def close_all_but(self, session: HubSession) -> None:
        """End all subsessions but one, as an admin may."""
        with contextlib.closing(sqlite3.connect(self.hub.settings.hub_dir / "hub.db")) as database:
            query = "SELECT id FROM sessions WHERE master = ? AND closed = 0 AND id != ?"
            ids = (self.master.sinfo["session-id"], session.sinfo["session-id"])
            for (number,) in database.execute(query, ids).fetchall():
                self.master.logoutChild(number)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_hub(tmp_path_factory.mktemp("uploads")) as hub:
        yield Place(hub)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> List[Item]:
    """Files that go by a request each."""
    return _files(tmp_path_factory.mktemp("large"), transfers.SMALL + 1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> List[Item]:
    """Files that go several to a request."""
    return _files(tmp_path_factory.mktemp("small"), 3000)


def _files(directory: Path, size: int) -> List[Item]:
    paths = [directory / f"f{number}" for number in range(FILES)]
    for path in paths:
        path.write_bytes(os.urandom(size))
    return [Item.of(path) for path in paths]


def test_many_files_take_few_requests_and_leave_no_session(place: Place, small: List[Item], large: List[Item]) -> None:
    directory = place.directory()
    with place.wire() as proxy, place.session(proxy) as session:
        before = place.open_sessions()
        renamed = [Item(f"small-{item.name}", item.open) for item in small]
        assert len(Uploader(session, directory).files([*large, *renamed])) == 2 * FILES
        names = [one.name for one in proxy.seen]
        assert names.count("rawUpload") == FILES
        assert names.count("multiCall") == 1
        assert 1 <= names.count("subsession") <= transfers.HELPERS
        assert "checkUpload" not in names
        assert place.open_sessions() == before
    assert place.holds(directory, [*large, *renamed])


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("rawUpload", faultproxy.reset()),
        ("rawUpload", faultproxy.lose()),
        ("rawUpload", faultproxy.page(502)),
        ("multiCall", faultproxy.reset()),
        ("multiCall", faultproxy.lose()),
        ("subsession", faultproxy.lose()),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_a_wire_that_breaks_in_the_middle_loses_nothing(
    place: Place, small: List[Item], large: List[Item], method: str, fault: faultproxy.Fault
) -> None:
    directory = place.directory()
    renamed = [Item(f"small-{item.name}", item.open) for item in small]
    with place.wire() as proxy, place.session(proxy) as session:
        proxy.on(method, fault, nth=1 if method != "rawUpload" else 9)
        Uploader(session, directory).files([*large, *renamed])
        assert proxy.hits() == {method: 1}
    assert place.holds(directory, [*large, *renamed])


def test_subsessions_that_are_ended_leave_their_files_to_the_task_s_own(place: Place, large: List[Item]) -> None:
    directory = place.directory()
    with place.wire() as proxy, place.session(proxy) as session:
        ended: List[str] = []

        def end_others(name: str, _answer: object) -> None:
            if name == "rawUpload" and not ended:
                ended.append(name)
                place.close_all_but(session)

        session.after_call = end_others
        Uploader(session, directory).files(large)
        assert ended
        assert place.open_sessions() == 1
    assert place.holds(directory, large)


def test_what_the_hub_refuses_is_told_once_and_ends_all(place: Place, large: List[Item]) -> None:
    with place.wire() as proxy, place.session(proxy) as session:
        before = place.open_sessions()
        with pytest.raises(koji.GenericError, match="requires an exclusive session"):
            Uploader(session, "tasks/99/99").files(large)
        assert place.open_sessions() == before


def test_a_task_that_is_canceled_leaves_no_session(place: Place, large: List[Item]) -> None:
    """The signal ends the handler by an exception, wherever it is."""
    directory = place.directory()
    with place.wire() as proxy, place.session(proxy) as session:
        before = place.open_sessions()
        during: List[int] = []

        def cancel(name: str, _answer: object) -> None:
            if name == "rawUpload":
                during.append(place.open_sessions())
                raise KeyboardInterrupt

        session.after_call = cancel
        with pytest.raises(KeyboardInterrupt):
            Uploader(session, directory).files(large)
        session.after_call = None
        assert during[0] > before
        assert place.open_sessions() == before
