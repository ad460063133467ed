"""Uploads through the library's session, as plugins make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import koji
import pytest

from kojid.hub.client import HubSession
from kojid.system.files import UnsafeFile


class Session(HubSession):
    """Keeps what it is to send."""

    def __init__(self, tmp_path: Path) -> None:
        places = [str(tmp_path / "mock"), str(tmp_path / "work")]
        super().__init__("http://127.0.0.1:9/kojihub", {"untrusted": places, "use_fast_upload": True})
        self.sent: List[Any] = []
        self.logged_in = True
        self.retries = 1

    def callMethod(self, name: str, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        return self._callMethod(name, args, kwargs)

    def _callMethod(self, name: str, args: Any, kwargs: Any = None, retry: bool = True) -> Dict[str, Any]:
        if name == "checkUpload":
            return {"size": len(self.sent[-1][0])}
        data, _offset, path, filename = args
        self.sent.append((data, f"{path}/{filename}", kwargs.get("volume")))
        return {"size": len(data), "hexdigest": koji.util.adler32_constructor(data).hexdigest()}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    for place in ("mock/a/root", "work", "elsewhere"):
        (tmp_path / place).mkdir(parents=True)
    return Session(tmp_path)


@pytest.mark.parametrize("place", ["mock/a/root", "work", "elsewhere"])
def test_files_are_sent_from_anywhere(session: Session, tmp_path: Path, place: str) -> None:
    (tmp_path / place / "log").write_bytes(b"words")
    session.uploadWrapper(str(tmp_path / place / "log"), "tasks/1/1", volume="other")
    session.uploadWrapper(str(tmp_path / place / "log"), "tasks/1/1", name="renamed")
    assert session.sent == [(b"words", "tasks/1/1/log", "other"), (b"words", "tasks/1/1/renamed", None)]


@pytest.mark.parametrize("place", ["mock/a/root", "work"])
def test_planted_links_are_not_followed(session: Session, tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere/secret").write_bytes(b"secret")
    (tmp_path / place / "log").symlink_to(tmp_path / "elsewhere/secret")
    with pytest.raises(UnsafeFile):
        session.uploadWrapper(str(tmp_path / place / "log"), "tasks/1/1")
    assert session.sent == []
