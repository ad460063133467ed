from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Type

import pytest

from kojid.tasks import chroots
from tests.support.faketask import FakeBuildRoot, make_packages, task_options


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """A source package, one of this machine's arch and a noarch one, by file name."""
    return make_packages(tmp_path_factory.mktemp("packages"), source_only=False)


@pytest.fixture
def options(tmp_path: Path) -> Any:
    return task_options(tmp_path)


@pytest.fixture
def broots(monkeypatch: pytest.MonkeyPatch) -> Type[FakeBuildRoot]:
    """The class of buildroots that tasks make: fresh for each test."""

    class Broot(FakeBuildRoot):
        rpms: ClassVar[Dict[str, Path]] = {}
        fail: ClassVar[Dict[str, BaseException]] = {}
        made: ClassVar[List[FakeBuildRoot]] = []

    monkeypatch.setattr(chroots, "BuildRoot", Broot)
    return Broot
