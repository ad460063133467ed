from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kojid.repos import metadata

PRIMARY = b'<?xml version="1.0"?>\n<metadata xmlns="x" xmlns:rpm="y" packages="12">\n<package/></metadata>'


@pytest.mark.parametrize(("suffix", "pack"), [
    (".xml", bytes), (".xml.gz", gzip.compress), (".xml.bz2", bz2.compress), (".xml.xz", lzma.compress),
])  # fmt: skip
def test_packages_are_counted_whatever_the_compression(tmp_path: Path, suffix: str, pack: Any) -> None:
    (tmp_path / f"abc-primary{suffix}").write_bytes(pack(PRIMARY))
    (tmp_path / "abc-primary.sqlite.bz2").touch()
    assert metadata.package_count(tmp_path) == 12


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
def test_zstd_too(tmp_path: Path) -> None:
    (tmp_path / "primary.xml").write_bytes(PRIMARY)
    subprocess.run(["zstd", "-q", "--rm", str(tmp_path / "primary.xml")], check=True)
    assert metadata.package_count(tmp_path) == 12


@pytest.mark.parametrize("name", ["primary.xml.gz", "primary.xml.unknown", "other.xml"])
def test_what_can_not_be_told_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no metadata")
    assert metadata.package_count(tmp_path) is None


def test_links_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert metadata.files(tmp_path) == ["a"]
