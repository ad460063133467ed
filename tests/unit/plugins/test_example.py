"""The plugin of docs/plugins.md loads and does what the page says."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator

import koji
import koji.plugin
import pytest

from kojid.plugins import loader
from tests.support.pages import DOCS

[CODE] = re.findall(r"```python\n(.*?)```", (DOCS / "plugins.md").read_text(), re.DOTALL)


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[loader.Handlers]:
    """What the plugin brings; its callback is forgotten afterwards."""
    monkeypatch.setattr(koji.plugin, "callbacks", {kind: list(known) for kind, known in koji.plugin.callbacks.items()})
    (tmp_path / "build_size.py").write_text(CODE)
    yield loader.load({}, ["build_size"], str(tmp_path))
    sys.modules.pop("_koji_plugin__build_size", None)


def made(handlers: loader.Handlers, tmp_path: Path, build: Any) -> Any:
    """Its handler, with a hub that has one package."""
    session = SimpleNamespace(
        getBuild=lambda nvr: build,
        listBuildRPMs=lambda number: [{"size": 7, "nvr": "a-1-1", "arch": "noarch"}],
    )
    handler = handlers["buildSize"](1, "buildSize", ["a-1-1"], session, SimpleNamespace(workdir=str(tmp_path)))
    handler.workdir = str(tmp_path)
    return handler


def test_its_task_uploads_the_list_and_returns_the_sum(
    handlers: loader.Handlers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = made(handlers, tmp_path, {"id": 1, "nvr": "a-1-1"})
    uploaded = []
    monkeypatch.setattr(handler, "uploadFile", lambda path: uploaded.append(Path(path).read_text()))
    assert handler.handler("a-1-1") == {"nvr": "a-1-1", "packages": 1, "bytes": 7}
    assert uploaded == ["           7 a-1-1.noarch\n"]


def test_a_build_that_is_not_there_is_told(handlers: loader.Handlers, tmp_path: Path) -> None:
    with pytest.raises(koji.GenericError, match="there is no build nosuch-1-1"):
        made(handlers, tmp_path, None).handler("nosuch-1-1")


def test_its_callback_tells_the_size(
    handlers: loader.Handlers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "repodata").mkdir()
    (tmp_path / "repodata" / "repomd.xml").write_bytes(b"x" * 9)
    with caplog.at_level(logging.INFO, "koji.plugin.build_size"):
        koji.plugin.run_callbacks("postCreateRepo", tag={}, repodir=str(tmp_path), repo_id=1, arch="noarch")
    assert f"{tmp_path} has 9 bytes of metadata" in caplog.text
