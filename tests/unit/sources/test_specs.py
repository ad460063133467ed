from __future__ import annotations

from pathlib import Path
from typing import Dict

import koji
import pytest

from kojid.sources import specs
from tests.support.faketask import require_rpm


def tree(tmp_path: Path, *names: str) -> Path:
    top = tmp_path / "hello"
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    top.mkdir(exist_ok=True)
    return top


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["hello.spec"], "hello.spec"),
        (["other.spec", "README"], "other.spec"),
        (["SPECS/other.spec", "SOURCES/x"], "SPECS/other.spec"),
        (["a.spec", "hello.spec"], "hello.spec"),
        (["SPECS/a.spec", "SPECS/hello.spec"], "SPECS/hello.spec"),
        (["top.spec", "SPECS/hello.spec"], "top.spec"),
    ],
)
def test_the_one_spec_is_found(tmp_path: Path, files: list[str], found: str) -> None:
    assert specs.find_spec(tree(tmp_path, *files)) == found


def test_a_given_name_picks_one_of_several(tmp_path: Path) -> None:
    assert specs.find_spec(tree(tmp_path, "a.spec", "hello.spec"), name="a") == "a.spec"


def test_several_specs_are_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(koji.BuildError, match=r"Multiple spec files found: a\.spec, b\.spec"):
        specs.find_spec(tree(tmp_path, "a.spec", "b.spec"))


def test_no_spec_is_an_error_of_the_package(tmp_path: Path) -> None:
    with pytest.raises(koji.BuildError, match="No spec file found"):
        specs.find_spec(tree(tmp_path, "README"))


def test_the_source_layout_can_be_switched_off(tmp_path: Path) -> None:
    with pytest.raises(koji.BuildError, match="No spec file found"):
        specs.find_spec(tree(tmp_path, "SPECS/hello.spec"), source_layout=False)


def test_links_are_no_specs(tmp_path: Path) -> None:
    top = tree(tmp_path)
    (top / "hello.spec").symlink_to("/etc/passwd")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.spec").touch()
    (top / "SPECS").symlink_to(outside)
    with pytest.raises(koji.BuildError, match="No spec file found"):
        specs.find_spec(top)


def test_a_header_says_what_a_build_needs_to_know(packages: Dict[str, Path]) -> None:
    header = specs.read_header(packages["hello-1.0-1.src.rpm"])
    assert specs.is_source(header)
    assert specs.build_fields(header) == {"name": "hello", "version": "1.0", "release": "1", "epoch": None}
    assert specs.source_file_name(header) == "hello-1.0-1.src.rpm"


def test_a_binary_package_is_no_source(packages: Dict[str, Path]) -> None:
    assert not specs.is_source(specs.read_header(packages["hello-data-1.0-1.noarch.rpm"]))


def test_the_start_of_a_package_tells_how_long_its_header_is(packages: Dict[str, Path], tmp_path: Path) -> None:
    content = packages["hello-1.0-1.src.rpm"].read_bytes()
    size = specs.header_size(content)
    assert size is not None
    assert size < len(content)
    assert specs.header_size(content[:96]) is None
    start = tmp_path / "start"
    start.write_bytes(content[:size])
    assert specs.build_fields(specs.read_header(start))["name"] == "hello"


@pytest.mark.parametrize("content", [b"", b"no package at all", b"\0" * 5000], ids=["nothing", "text", "zeros"])
def test_what_is_no_package_is_an_error_of_the_package(tmp_path: Path, content: bytes) -> None:
    require_rpm()
    broken = tmp_path / "broken.src.rpm"
    broken.write_bytes(content)
    with pytest.raises(koji.BuildError, match=r"broken\.src\.rpm is not an rpm package or is damaged"):
        specs.read_header(broken)


def test_the_length_of_what_is_no_package_is_an_error() -> None:
    with pytest.raises(koji.BuildError, match="not the start of an rpm package"):
        specs.header_size(b"<html>" * 100)


def test_a_header_beneath_a_directory_is_not_read_through_a_link(packages: Dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "x.src.rpm").symlink_to(packages["hello-1.0-1.src.rpm"])
    with pytest.raises(koji.GenericError, match="symbolic link"):
        specs.read_header_beneath(tmp_path, "x.src.rpm")
