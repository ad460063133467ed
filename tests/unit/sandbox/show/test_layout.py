"""Which directory a sandbox takes, and which it leaves alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kojid.sandbox import layout
from kojid.sandbox.errors import SandboxError, SandboxUsage


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a user kojibuilder nor a group mock is needed here."""
    monkeypatch.setattr(layout, "_enterable", lambda place: "closed" not in place.parts)
    monkeypatch.setattr(shutil, "chown", lambda *args, **kwargs: None)
    monkeypatch.setattr(layout, "OPEN_PLACE", tmp_path / "open" / "sandbox")


def test_a_new_directory_becomes_a_sandbox_and_stays_one(tmp_path: Path) -> None:
    made = layout.create(tmp_path / "new", movable=False)
    assert made.dir == tmp_path / "new"
    assert all(place.is_dir() for place in made.directories())
    assert layout.create(tmp_path / "new", movable=False) == made
    assert layout.find(tmp_path / "new") == made


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(SandboxUsage, match="not empty"):
        layout.create(tmp_path, movable=True)
    with pytest.raises(SandboxUsage, match="no sandbox"):
        layout.find(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_the_default_place_becomes_a_link_when_mock_cannot_enter_it(tmp_path: Path) -> None:
    chosen = tmp_path / "closed" / "state"
    made = layout.create(chosen, movable=True)
    assert made.dir == tmp_path / "open" / "sandbox"
    assert chosen.is_symlink() and chosen.resolve() == made.dir
    assert layout.create(chosen, movable=True) == made


def test_a_chosen_place_that_mock_cannot_enter_is_told(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=f"can't enter .*{tmp_path}/closed is closed"):
        layout.create(tmp_path / "closed" / "state", movable=False)


def test_the_default_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert layout.default_dir() == tmp_path / "kojid-sandbox"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert layout.default_dir() == Path("/home/somebody/.local/state/kojid-sandbox")
