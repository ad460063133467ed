"""An unchanged machine uses its distribution again, a changed one does not."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from kojid.sandbox.distro import groups, manifest
from kojid.sandbox.distro.dpkg import Package
from kojid.sandbox.distro.manifest import Manifest


def test_a_manifest_comes_back_while_its_files_are_there(tmp_path: Path) -> None:
    written = Manifest("abc", ["rpms/a.rpm"], [], ["a"], {"build": ["a"]})
    manifest.write(tmp_path, written)
    assert manifest.read(tmp_path) is None
    (tmp_path / "rpms").mkdir()
    (tmp_path / "rpms/a.rpm").touch()
    assert manifest.read(tmp_path) == written


def test_a_damaged_manifest_counts_as_none(tmp_path: Path) -> None:
    assert manifest.read(tmp_path) is None
    (tmp_path / manifest.FILE_NAME).write_text('{"digest": 1}')
    assert manifest.read(tmp_path) is None


def test_the_digest_knows_versions_and_release_and_not_the_order() -> None:
    one, two = Package("a", "amd64", "1"), Package("b", "all", "1")
    digest = manifest.input_digest([one, two], "12")
    assert digest == manifest.input_digest([two, one], "12")
    assert digest != manifest.input_digest([one, two], "13")
    assert digest != manifest.input_digest([one, Package("b", "all", "2")], "12")


def test_the_groups_hold_what_the_distribution_has() -> None:
    made = groups.package_groups(["bash", "gcc", "filesystem", "libc6"], compiler=True)
    assert made["srpm-build"] == ["bash", "filesystem"]
    assert set(made["build"]) == {"bash", "filesystem", "gcc", "binutils", "libc6-dev"}


def test_the_comps_document_is_sound() -> None:
    root = ElementTree.fromstring(groups.comps({"build": ["a<b"]}).partition('.dtd">')[2])
    assert [(group.findtext("id"), [row.text for row in group.iter("packagereq")]) for group in root] == [
        ("build", ["a<b"])
    ]
