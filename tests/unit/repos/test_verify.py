from __future__ import annotations

import bz2
import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from kojid.errors import HostFault
from kojid.repos import createrepo, verify
from tests.support import options
from tests.unit.repos.conftest import HubRepo


@pytest.fixture
def repodata(tmp_path: Path, repo: HubRepo, rpms: list[Path], createrepo_c: None) -> Path:
    repo.lists(*rpms)
    return createrepo.create(options(), repo.arch_dir, tmp_path / "repo", log=tmp_path / "createrepo.log")


def part(repodata: Path, pattern: str) -> Path:
    found = list(repodata.glob(pattern))
    if not found:
        pytest.skip(f"this createrepo_c makes no {pattern}")
    return found[0]


def replace(repodata: Path, path: Path, content: bytes) -> None:
    """As a tool does that does not notice: the size in repomd.xml is that of what was written."""
    path.write_bytes(content)
    repomd = repodata / "repomd.xml"
    head, entry = repomd.read_text().split(path.name)  # the sizes of other files may be the same
    repomd.write_text(head + path.name + re.sub(r"<size>\d+</size>", f"<size>{len(content)}</size>", entry, count=1))


def test_whole_metadata_passes(repodata: Path) -> None:
    verify.require_whole(repodata, "/usr/bin/createrepo_c")


def test_a_file_that_is_missing_or_shorter_is_found(repodata: Path) -> None:
    path = part(repodata, "*-filelists.xml.*")
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    with pytest.raises(HostFault, match=r"createrepo_c has left broken metadata: .*-filelists.xml.* has \d+ bytes"):
        verify.require_whole(repodata, "/usr/bin/createrepo_c")
    path.unlink()
    with pytest.raises(HostFault, match="is missing"):
        verify.require_whole(repodata, "createrepo_c")


@pytest.mark.parametrize("cut", [lambda text: text[:-30], lambda text: b""])
@pytest.mark.parametrize("kind", ["primary", "filelists", "other"])
def test_a_list_that_was_written_in_part_is_found(repodata: Path, kind: str, cut: Any) -> None:
    path = part(repodata, f"*-{kind}.xml.gz")
    replace(repodata, path, gzip.compress(cut(gzip.decompress(path.read_bytes()))))
    with pytest.raises(HostFault, match="is cut off"):
        verify.require_whole(repodata, "createrepo_c")


@pytest.mark.parametrize("cut", [lambda text: text[:4096], lambda text: b"", lambda text: text[:16] + b"x" * 8192])
def test_a_database_that_was_written_in_part_is_found(repodata: Path, cut: Any) -> None:
    path = part(repodata, "*-primary.sqlite.bz2")
    whole = bz2.decompress(path.read_bytes())
    shorter = cut(whole)
    replace(repodata, path, bz2.compress(shorter))
    repomd = repodata / "repomd.xml"
    sizes = (f"<open-size>{len(whole)}</open-size>", f"<open-size>{len(shorter)}</open-size>")
    repomd.write_text(repomd.read_text().replace(*sizes))
    with pytest.raises(HostFault, match="is no whole database"):
        verify.require_whole(repodata, "createrepo_c")


def test_an_index_that_can_not_be_read_is_found(repodata: Path) -> None:
    (repodata / "repomd.xml").write_text("<repomd")
    with pytest.raises(HostFault, match="repomd.xml can't be read"):
        verify.require_whole(repodata, "createrepo_c")
