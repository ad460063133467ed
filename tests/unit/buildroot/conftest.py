from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any, Callable

import pytest

from kojid.buildroot import repocontent
from kojid.buildroot.buildroot import BuildRoot
from tests.support.fakebuildroot import FakeMock, FakeSession, buildroot_options, install_rpms, make_rpm


@pytest.fixture(autouse=True)
def plain_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mock may run as whoever runs the tests, and no test sees what another has fetched."""
    monkeypatch.setattr("kojid.buildroot.mock._MOCK_GROUP", grp.getgrgid(os.getgid()).gr_name)
    monkeypatch.setattr("kojid.buildroot.failures._LOOK_AT", 64 * 1024)
    repocontent._cache.clear()


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def mock(tmp_path: Path) -> FakeMock:
    return FakeMock(tmp_path)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rpm(tmp_path_factory.mktemp("rpms"), "tiny")


@pytest.fixture
def make(tmp_path: Path, session: FakeSession, mock: FakeMock, tiny: Path) -> Callable[..., BuildRoot]:
    """Makes a buildroot that `mock` serves, with one package in its database and a repo that knows it."""

    def make_buildroot(**overrides: Any) -> BuildRoot:
        workdir = tmp_path / "work"
        workdir.mkdir(exist_ok=True)
        repo = tmp_path / "mnt/repos/demo-build/4/x86_64"
        repo.mkdir(parents=True, exist_ok=True)
        (repo / "rpmlist.jsonl").touch()
        overrides.setdefault("mockuser", pwd.getpwuid(os.getuid()).pw_name)
        broot = BuildRoot(session, buildroot_options(tmp_path, **overrides), "demo-build", "x86_64", 306, repo_id=4)
        broot.workdir = str(workdir)
        install_rpms(Path(broot.rootdir()), tiny)
        Path(broot.resultdir()).mkdir()
        return broot

    return make_buildroot
