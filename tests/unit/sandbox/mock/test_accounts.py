"""What is written into the chroot stays in the chroot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kojid.sandbox.mock import accounts
from kojid.sandbox.mock.caller import Caller
from kojid.sandbox.mock.errors import MockError


def test_topdir_comes_first_among_the_macros() -> None:
    text = accounts.macro_file({"%_rpmdir": "%_topdir/R", "vendor": "V", "%_topdir": "/builddir/build"})
    assert text == "%_topdir /builddir/build\n%_rpmdir %_topdir/R\n%vendor V\n"


def test_the_build_user_replaces_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nmockbuild:!:1:1::/:/bin/sh\n")
    accounts.add_build_user(tmp_path, "/builddir", Caller(1234, 135))
    assert (tmp_path / "etc/passwd").read_text().splitlines() == [
        "root:x:0:0::/root:/bin/sh", "mockbuild:!:1234:135::/builddir:/bin/bash",
    ]  # fmt: skip
    assert (tmp_path / "etc/group").read_text() == "mock:x:135:\n"


def test_the_home_is_wiped_and_laid_out(tmp_path: Path) -> None:
    config = {"chroothome": "/builddir", "macros": {"%_topdir": "/builddir/build"}}
    left = tmp_path / "builddir/left"
    left.mkdir(parents=True)
    accounts.make_home(tmp_path, config, Caller(os.getuid(), os.getgid()))
    assert not left.exists()
    assert (tmp_path / "builddir/build/SPECS").is_dir()
    assert "%_topdir /builddir/build" in (tmp_path / "builddir/.rpmmacros").read_text()


def test_a_link_that_leads_out_is_refused_and_one_in_the_place_is_replaced(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "etc").symlink_to(outside)
    with pytest.raises(MockError, match="outside"):
        accounts.write_inside(root, "etc/hosts", "x")
    (root / "hosts").symlink_to(outside / "hosts")
    accounts.write_inside(root, "hosts", "x")
    assert not (outside / "hosts").exists()
    assert (root / "hosts").read_text() == "x"
