"""Many files are uploaded in few requests and side by side, and whatever goes wrong with one leaves nothing behind."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Callable, List

import koji
import pytest

from kojid.hub import transfers
from kojid.hub.transfers import Item
from kojid.hub.upload import Uploader
from tests.support.fakehub import FakeSession

DIRECTORY = "tasks/5/10005"
LARGE = transfers.SMALL + 1
DEADLINE = 60.0


def files(directory: Path, count: int, size: int, prefix: str = "f") -> List[Item]:
    """So many files with a content of their own."""
    paths = [directory / f"{prefix}{number}" for number in range(count)]
    for path in paths:
        path.write_bytes(os.urandom(size))
    return [Item.of(path) for path in paths]


def stored(hub: FakeSession, items: List[Item]) -> bool:
    """Whether the hub has all of them as they are."""
    for item in items:
        with item.open() as source:
            if hub.uploads.get(f"{DIRECTORY}/{item.name}") != source.read():
                return False
    return True


@pytest.fixture
def hub() -> FakeSession:
    return FakeSession()


class TestSmallFiles:
    def test_they_share_requests(self, hub: FakeSession, tmp_path: Path) -> None:
        items = files(tmp_path, 130, 100)
        paths = Uploader(hub, DIRECTORY).files(items)
        assert paths == [f"{DIRECTORY}/{item.name}" for item in items]
        assert stored(hub, items)
        assert set(hub.names) == {"uploadFile"}
        assert (len(hub.calls), hub.requests) == (130, 3)

    def test_a_request_stays_below_what_a_hub_takes(self, hub: FakeSession, tmp_path: Path) -> None:
        items = files(tmp_path, 30, transfers.SMALL)
        Uploader(hub, DIRECTORY).files(items)
        assert hub.requests == 2
        assert stored(hub, items)

    def test_empty_files_and_subdirectories_arrive(self, hub: FakeSession, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        (tmp_path / "full").write_bytes(b"x")
        items = [Item.of(tmp_path / "empty", "e.log"), Item.of(tmp_path / "full", subdir="a/b")]
        assert Uploader(hub, DIRECTORY, volume="big").files(items) == [f"{DIRECTORY}/e.log", f"{DIRECTORY}/a/b/full"]
        assert hub.uploads == {f"{DIRECTORY}/e.log": b"", f"{DIRECTORY}/a/b/full": b"x"}
        assert [call.kwargs for call in hub.calls] == [{"volume": "big"}] * 2

    def test_of_two_with_one_name_the_last_one_stays(self, hub: FakeSession, tmp_path: Path) -> None:
        first, second = files(tmp_path, 2, 10)
        Uploader(hub, DIRECTORY).files([Item("x", first.open), Item("y", first.open), Item("x", second.open)])
        with second.open() as source:
            assert hub.uploads[f"{DIRECTORY}/x"] == source.read()

    def test_a_single_one_is_no_batch(self, hub: FakeSession, tmp_path: Path) -> None:
        Uploader(hub, DIRECTORY).files(files(tmp_path, 1, 10))
        assert hub.names == ["rawUpload"]

    def test_no_files_need_no_request(self, hub: FakeSession) -> None:
        assert Uploader(hub, DIRECTORY).files([]) == []
        assert hub.calls == []

    @pytest.mark.parametrize("trouble", [False, koji.GenericError("[Errno 11] locked")])
    def test_what_a_hub_does_not_take_so_goes_by_itself(self, hub: FakeSession, tmp_path: Path, trouble: Any) -> None:
        items = files(tmp_path, 3, 10)
        hub.answer("uploadFile", True, trouble, True)
        Uploader(hub, DIRECTORY).files(items)
        assert [call.args[3] for call in hub.called("rawUpload")] == ["f1"]

    @pytest.mark.parametrize("fault", [koji.GenericError("Request too long"), koji.RetryError("done already")])
    def test_a_request_that_is_refused_is_made_up_for(
        self, hub: FakeSession, tmp_path: Path, fault: koji.GenericError, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Refusing:
            def __enter__(self) -> Any:
                return FakeSession({"uploadFile": True})

            def __exit__(self, *_: Any) -> None:
                raise fault

        monkeypatch.setattr(hub, "multicall", lambda strict: Refusing())
        items = files(tmp_path, 3, 10)
        Uploader(hub, DIRECTORY).files(items)
        assert stored(hub, items)
        assert hub.names == ["rawUpload"] * 3

    def test_names_that_a_hub_refuses_are_not_sent(self, hub: FakeSession, tmp_path: Path) -> None:
        good, bad = files(tmp_path, 2, 10)
        with pytest.raises(koji.GenericError, match="is no name for an uploaded file"):
            Uploader(hub, DIRECTORY).files([good, Item(".hidden", bad.open)])
        assert hub.calls == []


class TestSideBySide:
    def test_a_few_files_are_no_reason_for_another_session(self, hub: FakeSession, tmp_path: Path) -> None:
        items = files(tmp_path, 4, LARGE)
        Uploader(hub, DIRECTORY).files(items)
        assert stored(hub, items)
        assert hub.names == ["rawUpload"] * 4

    def test_many_files_go_on_a_few_sessions_that_end_with_them(self, hub: FakeSession, tmp_path: Path) -> None:
        items = files(tmp_path, 60, LARGE)
        assert Uploader(hub, DIRECTORY).files(items) == [f"{DIRECTORY}/{item.name}" for item in items]
        assert stored(hub, items)
        assert len(hub.called("rawUpload")) == 60
        assert 1 <= len(hub.children) <= transfers.HELPERS
        assert len(hub.called("logout")) == len(hub.children)
        assert not any(child.logged_in for child in hub.children)
        assert hub.logged_in

    def test_a_hub_without_another_session_gets_them_one_after_the_other(
        self, hub: FakeSession, tmp_path: Path
    ) -> None:
        items = files(tmp_path, 20, LARGE)
        hub.subsession = Refusal(koji.GenericError("no more sessions"))  # type: ignore[method-assign, assignment]
        Uploader(hub, DIRECTORY).files(items)
        assert stored(hub, items)

    def test_the_work_of_a_session_that_ends_early_is_done_by_another(self, tmp_path: Path) -> None:
        hub = Expiring()
        items = files(tmp_path, 30, LARGE)
        Uploader(hub, DIRECTORY).files(items)
        assert stored(hub, items)
        assert hub.children

    def test_the_first_failure_ends_them_all(self, hub: FakeSession, tmp_path: Path) -> None:
        items = files(tmp_path, 60, LARGE)
        (tmp_path / "f40").unlink()
        broken = Item("broken", Refusal(OSError("unreadable"), after=1, good=items[0].open))
        with pytest.raises((OSError, koji.GenericError)):
            Uploader(hub, DIRECTORY).files([item for item in items if item.name != "f40"] + [broken])
        assert not any(child.logged_in for child in hub.children)
        assert not [one for one in threading.enumerate() if one.name == "upload"]

    def test_what_ends_the_task_ends_the_other_sessions(self, tmp_path: Path) -> None:
        hub = Canceled()
        with pytest.raises(KeyboardInterrupt):
            Uploader(hub, DIRECTORY).files(files(tmp_path, 60, LARGE))
        assert hub.children
        assert not any(child.logged_in for child in hub.children)
        assert not [one for one in threading.enumerate() if one.name == "upload"]
        assert len(hub.called("rawUpload")) < 60

    def test_a_session_that_hangs_is_ended_from_outside(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transfers, "_PATIENCE", 0.2)
        hub = Canceled()
        hub.hang = threading.Event()
        try:
            with pytest.raises(KeyboardInterrupt):
                Uploader(hub, DIRECTORY).files(files(tmp_path, 60, LARGE))
            ended = [call.kwargs["session_id"] for call in hub.called("logout")]
            assert sorted(ended) == [child.sinfo["session-id"] for child in hub.children]
        finally:
            hub.hang.set()
            for thread in threading.enumerate():
                if thread.name == "upload":
                    thread.join(DEADLINE)


class Refusal:
    """A function that raises, at first or after a while."""

    def __init__(self, error: Exception, *, after: int = 0, good: Callable[[], Any] = lambda: None) -> None:
        self._error, self._left, self._good = error, after, good

    def __call__(self, *_: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return self._good()


class Expiring(FakeSession):
    """A hub whose subsessions end after two uploads each; the first session waits until one has."""

    def __init__(self) -> None:
        super().__init__()
        self.expired = threading.Event()

    def subsession(self) -> FakeSession:
        child = super().subsession()
        raw, left = child._raw, Refusal(koji.AuthError("Invalid session"), after=2)

        def upload(*args: Any, **kwargs: Any) -> Any:
            try:
                left()
            except koji.AuthError:
                self.expired.set()
                raise
            return raw(*args, **kwargs)

        child._raw = upload  # type: ignore[method-assign]
        return child

    def _raw(self, *args: Any, **kwargs: Any) -> Any:
        assert self.expired.wait(DEADLINE), "no subsession has expired"
        return super()._raw(*args, **kwargs)


class Canceled(FakeSession):
    """A hub whose first session is interrupted in its first upload, while a subsession is in the middle of one."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.interrupted = threading.Event()
        self.hang = threading.Event()
        self.hang.set()

    def subsession(self) -> FakeSession:
        child = super().subsession()
        raw = child._raw

        def upload(*args: Any, **kwargs: Any) -> Any:
            self.begun.set()
            assert self.interrupted.wait(DEADLINE), "the first session has not begun an upload"
            self.hang.wait(DEADLINE)
            threading.Event().wait(0.05)  # without latency all could be uploaded before the first session gets a turn
            return raw(*args, **kwargs)

        child._raw = upload  # type: ignore[method-assign]
        return child

    def _raw(self, *args: Any, **kwargs: Any) -> Any:
        assert self.begun.wait(DEADLINE), "no subsession has begun an upload"
        self.interrupted.set()
        raise KeyboardInterrupt
