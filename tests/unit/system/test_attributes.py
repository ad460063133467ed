"""Attributes that forbid removal, on a file system that has them."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

import pytest

from kojid.errors import HostFault
from kojid.system import attributes
from kojid.system.files import remove_tree

pytestmark = pytest.mark.root
IMMUTABLE, APPEND_ONLY = 0x10, 0x20


def put(path: Path, flags: int) -> None:
    """As chattr +i or +a, or a skip where that can't be."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (others,) = struct.unpack("i", fcntl.ioctl(descriptor, attributes._GETFLAGS, struct.pack("i", 0)))
        others &= ~(IMMUTABLE | APPEND_ONLY)
        fcntl.ioctl(descriptor, attributes._SETFLAGS, struct.pack("i", others | flags))
    except OSError as error:
        pytest.skip(f"no attributes here: {error.strerror}")
    finally:
        os.close(descriptor)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root: only root may set attributes")
    (tmp_path / "tree" / "below").mkdir(parents=True)
    for name in ("file", "below/file"):
        (tmp_path / "tree" / name).write_text("x")
    return tmp_path / "tree"


@pytest.mark.parametrize(
    "marked",
    [
        [("file", IMMUTABLE)],
        [("below/file", APPEND_ONLY)],
        [("below", IMMUTABLE)],
        [("below", APPEND_ONLY), ("below/file", IMMUTABLE)],
        [(".", IMMUTABLE), ("below", IMMUTABLE)],
    ],
    ids=["file", "appendable file", "directory", "both", "the whole of it"],
)
def test_a_tree_with_attributes_goes(tree: Path, marked: list[tuple[str, int]]) -> None:
    for name, flags in reversed(marked):
        put(tree / name, flags)
    with pytest.raises(PermissionError):
        os.rename(tree / marked[-1][0], tree.parent / "elsewhere")
    remove_tree(tree)
    assert not tree.exists()


def test_what_a_link_names_keeps_its_attributes(tree: Path) -> None:
    kept = tree.parent / "kept"
    kept.write_text("x")
    put(kept, IMMUTABLE)
    try:
        (tree / "link").symlink_to(kept)
        put(tree, IMMUTABLE)
        remove_tree(tree)
        with pytest.raises(PermissionError):
            kept.unlink()
    finally:
        put(kept, 0)


def test_other_reasons_stay_reasons(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tree / "file", IMMUTABLE)
    monkeypatch.setattr(attributes, "make_removable", lambda descriptor: False)
    with pytest.raises(HostFault, match="can't be removed"):
        remove_tree(tree)
    monkeypatch.undo()
    remove_tree(tree)
