"""What the stand-in for mock looks for before it installs anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kojid.sandbox.mock.installation import InstallError, install


def test_programs_that_are_missing_are_named_with_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match=r"calls rpm and dnf, .*apt-get install .*rpm dnf dnf-plugins-core"):
        install(tmp_path / "prefix")
    assert not (tmp_path / "prefix").exists()
