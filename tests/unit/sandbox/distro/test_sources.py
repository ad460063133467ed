"""Source packages: hello's origin is told, test packages are what they say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

import pytest

from kojid.sandbox.distro.errors import DistributionError
from kojid.sandbox.distro.sources import archive, hello, samples, srpm
from kojid.sandbox.distro.sources.archive import Archive, Mirror

needs_rpmbuild = pytest.mark.skipif(not shutil.which("rpmbuild"), reason="rpmbuild is not on this machine")
TARGETS = """\
Packages|http://mirror/debian/|bookworm|main
Packages|http://mirror/debian/|bookworm|main
Packages|http://mirror/security/|bookworm-security|main
Translations|http://mirror/debian/|bookworm|main
Packages|http://elsewhere/|nodistro|main
"""


def test_the_release_itself_is_the_source() -> None:
    assert archive.parse_targets(TARGETS, "bookworm") == [Mirror("http://mirror/debian/", "bookworm", "main")]


def test_without_a_codename_every_main_part_is_asked() -> None:
    assert len(archive.parse_targets(TARGETS, "")) == 3


def test_the_source_list_has_the_keyring_where_there_is_one(tmp_path: Path) -> None:
    mirrors = [Mirror("http://m/d/", "bookworm", "main")]
    assert archive.source_list(mirrors, tmp_path / "absent") == "deb-src http://m/d/ bookworm main\n"
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    assert archive.source_list(mirrors, keyring) == f"deb-src [signed-by={keyring}] http://m/d/ bookworm main\n"


@needs_rpmbuild
def test_hello_out_of_reach_is_replaced_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_archive: Archive, _package: str) -> List[Path]:
        raise DistributionError("no network here")

    monkeypatch.setattr(Archive, "tarball", unreachable)
    made = hello(tmp_path)
    assert not made.upstream
    assert "no network here" in made.origin
    assert made.path.name == "hello-2.10-0.small.sandbox.src.rpm"


@needs_rpmbuild
def test_another_version_in_the_archive_is_not_taken_for_2_10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Archive, "tarball", lambda _archive, _package: [tmp_path / "hello_2.12.orig.tar.gz"])
    assert "another version" in hello(tmp_path).origin


@needs_rpmbuild
def test_a_tarball_that_is_there_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "hello-2.10.tar.gz").write_bytes(b"tar")
    (tmp_path / "hello-2.10.tar.gz.origin").write_text("the archive http://m/d/")
    made = hello(tmp_path, time_limit=0)
    assert made.upstream
    assert made.origin == "GNU hello 2.10, the upstream tarball from the archive http://m/d/"
    assert made.path.name == "hello-2.10-1.sandbox.src.rpm"


def test_the_time_limit_holds(tmp_path: Path) -> None:
    with pytest.raises(DistributionError, match="time|no apt-get"):
        Archive(tmp_path, 0).tarball("hello")


@needs_rpmbuild
def test_a_spec_file_that_rpmbuild_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DistributionError, match="failed with status"):
        srpm(tmp_path, "bad", "this is no spec file\n")


@needs_rpmbuild
@pytest.mark.parametrize(
    "make",
    [samples.c_program, samples.noarch, samples.fails_in_prep, samples.fails_in_build, samples.missing_requirement,
     samples.without_files, samples.unpackaged_files, samples.other_architecture, samples.long_build, samples.broken],
)  # fmt: skip
def test_samples_are_files_named_like_source_packages(make: samples.Maker, tmp_path: Path) -> None:
    path = make(tmp_path)
    assert path.is_file()
    assert path.name.endswith(".src.rpm")


@needs_rpmbuild
def test_samples_take_a_name_a_version_and_requirements(tmp_path: Path) -> None:
    path = samples.noarch(tmp_path, "second", requires=["first"], version="2.5", release="7")
    assert path.name == "second-2.5-7.src.rpm"
