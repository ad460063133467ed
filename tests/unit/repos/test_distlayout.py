from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import pytest

from kojid.hub.upload import Uploader
from kojid.repos import distlayout
from tests.support.fakehub import FakeSession


def packages(tmp_path: Path, *names: str) -> Dict[str, Dict[str, Any]]:
    found = {}
    for name in names:
        path = tmp_path / f"{name}-1-1.noarch.rpm"
        path.write_text(name)
        found[path.name] = {"name": name, "sigkey": None, "_pkgpath": str(path)}
    return found


@pytest.mark.parametrize(("name", "path"), [
    ("hello-1-1.noarch.rpm", "Packages/h/hello-1-1.noarch.rpm"),
    ("ImageMagick-1-1.noarch.rpm", "Packages/i/ImageMagick-1-1.noarch.rpm"),
    ("3proxy-1-1.noarch.rpm", "Packages/3/3proxy-1-1.noarch.rpm"),
])  # fmt: skip
def test_packages_lie_by_their_first_letter(name: str, path: str) -> None:
    assert distlayout.package_path(name) == path


def test_lists_and_links_are_written(tmp_path: Path) -> None:
    found = packages(tmp_path, "widget", "Gizmo", "gizmo-debuginfo")
    top = tmp_path / "repo"
    top.mkdir()
    repos = distlayout.write(top, distlayout.split_debuginfo(found))
    assert repos == {"": top, "debug": top / "debug"}
    assert (top / "pkglist").read_text().split() == [
        "Packages/g/Gizmo-1-1.noarch.rpm",
        "Packages/w/widget-1-1.noarch.rpm",
    ]
    (line,) = (top / "debug/pkglist").read_text().split()
    assert line == "../Packages/g/gizmo-debuginfo-1-1.noarch.rpm"
    assert (top / "debug" / line).read_text() == "gizmo-debuginfo"
    kept = json.loads((top / "kojipkgs").read_text())
    assert kept["gizmo-debuginfo-1-1.noarch.rpm"]["_subrepo"] == "debug"
    assert sorted(kept) == sorted(found)


def test_a_repository_of_nothing_has_empty_lists(tmp_path: Path) -> None:
    assert distlayout.write(tmp_path, {}) == {"": tmp_path}
    assert (tmp_path / "pkglist").read_text() == ""
    assert (tmp_path / "kojipkgs").read_text() == "{}"


def test_everything_but_packages_is_uploaded_and_listed(tmp_path: Path) -> None:
    found = packages(tmp_path, "hello")
    top = tmp_path / "repo"
    (top / "debug/repodata").mkdir(parents=True)
    (top / "debug/repodata/repomd.xml").write_text("<repomd/>")
    distlayout.write(top, found)
    session = FakeSession()
    distlayout.upload(Uploader(session, "tasks/4/4"), top, tmp_path / "manifest")
    names = json.loads(session.uploads["tasks/4/4/repo_manifest"])
    assert names == ["./kojipkgs", "./pkglist", "debug/repodata/repomd.xml"]
    assert set(session.uploads) == {
        "tasks/4/4/kojipkgs",
        "tasks/4/4/pkglist",
        "tasks/4/4/debug/repodata/repomd.xml",
        "tasks/4/4/repo_manifest",
    }


def test_older_packages_lie_in_several_directories(tmp_path: Path) -> None:
    for letter in "ba":
        (tmp_path / "Packages" / letter).mkdir(parents=True)
    (tmp_path / "Packages" / "stray").touch()
    assert distlayout.package_directories(tmp_path) == [tmp_path / "Packages/a", tmp_path / "Packages/b"]
    assert distlayout.package_directories(tmp_path / "none") == []
