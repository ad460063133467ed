from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import koji
import pytest

from kojid.errors import HostFault
from kojid.repos import distcreate, distlayout, multilib
from kojid.repos.multilib import Multilib, Partner
from tests.support import options, signing

CONFIG = "[runtime]\nwhite = {white}\nblack = {black}\n[devel]\nwhite = none-such\nblack = none-such\n"
Row = Dict[str, Any]


@pytest.mark.parametrize(("arch", "multi"), [
    ("x86_64", True), ("s390x", True), ("ppc64", True), ("i386", False), ("aarch64", False), ("ppc64le", False),
    ("src", False),
])  # fmt: skip
def test_which_arches_have_multilib(arch: str, multi: bool) -> None:
    assert multilib.has_multilib(arch) is multi


def test_partners() -> None:
    assert [multilib.partner_arch(arch) for arch in ("x86_64", "s390x", "ppc64")] == ["i686", "s390", "ppc"]
    with pytest.raises(koji.GenericError, match="sparc64"):
        multilib.partner_arch("sparc64")


@pytest.mark.parametrize(("module", "words"), [
    ("dnf", "install python3-dnf"),
    ("multilib", "install python-multilib"),
])  # fmt: skip
def test_a_host_without_the_libraries_leaves_it_to_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, words: str
) -> None:
    if module == "multilib":
        pytest.importorskip("dnf", reason="needs dnf's Python bindings")
    monkeypatch.setitem(sys.modules, module, None)
    wanted = Multilib("x86_64", Partner("i686", tmp_path / "i386"), tmp_path / "conf", tmp_path, 5)
    with pytest.raises(HostFault, match=words):
        multilib.packages(wanted, {})


@pytest.fixture
def library() -> None:
    pytest.importorskip("dnf", reason="needs dnf's Python bindings")
    pytest.importorskip("multilib", reason="needs python-multilib")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> List[Path]:
    pytest.importorskip("rpm", reason="needs rpm's Python bindings")
    for tool in ("rpmbuild", "createrepo_c"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    return signing.build(tmp_path_factory.mktemp("rpms"), "gizmo")


class Scene:
    """Packages of two arches, the partner's in a dist-repo."""

    def __init__(self, directory: Path, rpms: List[Path]) -> None:
        self.dir = directory
        self.partner = directory / "i386"
        self.partner.mkdir(parents=True)
        self.own = dict(self.row(path) for path in rpms if ".src." not in path.name and ".i686." not in path.name)
        self.theirs = dict(self.row(path) for path in rpms if ".src." not in path.name and ".x86_64." not in path.name)
        self.config = directory / "multilib.conf"
        self.config.write_text(CONFIG.format(white="none-such", black="none-such"))
        self.wanted = Multilib("x86_64", Partner("i686", self.partner), self.config, directory / "work", 5)
        self.wanted.workdir.mkdir()

    def row(self, path: Path) -> Tuple[str, Row]:
        return path.name, {**koji.parse_NVRA(path.name), "sigkey": None, "_pkgpath": str(path)}

    def partner_made(self) -> Scene:
        distlayout.write(self.partner, self.theirs)
        distcreate.create(options(), self.partner, distcreate.Wishes(), log=self.dir / "log")
        return self

    def without(self, name: str) -> Scene:
        del self.theirs[name]
        return self

    def found(self) -> List[str]:
        return sorted(multilib.packages(self.wanted, self.own))


@pytest.fixture
def scene(tmp_path: Path, library: None, built: List[Path]) -> Scene:
    return Scene(tmp_path, built)


def test_devel_packages_and_what_they_need_are_taken(scene: Scene) -> None:
    written: List[Path] = []
    found = multilib.packages(scene.partner_made().wanted, scene.own, written.append)
    assert sorted(found) == ["gizmo-devel-1.0-1.i686.rpm", "gizmo-libs-1.0-1.i686.rpm"]
    row = found["gizmo-devel-1.0-1.i686.rpm"]
    assert row["_multilib"] is True
    assert row["_pkgpath"] == str(scene.partner / "Packages/g/gizmo-devel-1.0-1.i686.rpm")
    assert (row["arch"], row["sigkey"]) == ("i686", None)
    assert [path.name for path in written] == ["dnf.conf-koji-x86_64"]
    assert f"baseurl=file://{scene.partner}" in written[0].read_text()


@pytest.mark.parametrize(("white", "black", "expected"), [
    ("gizmo", "none-such", ["gizmo-1.0-1.i686.rpm", "gizmo-devel-1.0-1.i686.rpm", "gizmo-libs-1.0-1.i686.rpm"]),
    ("other gizmo-libs", "none-such", ["gizmo-devel-1.0-1.i686.rpm", "gizmo-libs-1.0-1.i686.rpm"]),
    ("none-such", "gizmo-devel", ["gizmo-devel-1.0-1.i686.rpm", "gizmo-libs-1.0-1.i686.rpm"]),
])  # fmt: skip
def test_names_on_the_lists_count_as_a_whole(scene: Scene, white: str, black: str, expected: List[str]) -> None:
    # The method "devel" takes devel packages whatever the list of "runtime" says; its own list keeps them out.
    scene.config.write_text(CONFIG.format(white=white, black=black))
    assert scene.partner_made().found() == expected


def test_a_devel_package_on_the_black_list_is_left_out(scene: Scene) -> None:
    text = CONFIG.format(white="none-such", black="none-such")
    scene.config.write_text(text.replace("black = none-such\n", "black = gizmo-devel, other\n"))
    assert scene.partner_made().found() == []


def test_the_sack_is_filled_once_for_all_packages(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import dnf

    filled: List[Any] = []
    original = dnf.Base.fill_sack
    monkeypatch.setattr(dnf.Base, "fill_sack", lambda base, **more: (filled.append(more), original(base, **more))[1])
    scene.partner_made().found()
    assert [more["load_available_repos"] for more in filled] == [False, True]


@pytest.mark.parametrize("gone", ["gizmo-devel-1.0-1.i686.rpm", "gizmo-libs-1.0-1.i686.rpm"])
def test_partner_packages_that_are_not_there(scene: Scene, gone: str) -> None:
    scene.partner_made()
    if "devel" in gone:
        kept = {name: row for name, row in scene.theirs.items() if name != gone}
        (scene.partner / "kojipkgs").write_text(json.dumps(kept))
    else:
        (scene.partner / "Packages/g" / gone).unlink()
    with pytest.raises(multilib.Missing, match="multilib packages missing") as raised:
        scene.found()
    assert raised.value.text().splitlines()[1:] == [str(scene.partner / "Packages/g" / gone)]


def test_packages_that_can_not_be_installed_together(scene: Scene) -> None:
    scene.without("gizmo-libs-1.0-1.i686.rpm").partner_made()
    with pytest.raises(koji.GenericError, match="multilib packages for x86_64 can't be resolved"):
        scene.found()


def test_a_partner_that_is_no_arch_of_the_repository(scene: Scene) -> None:
    with pytest.raises(koji.GenericError, match="multilib needs the packages of i386"):
        scene.found()


@pytest.mark.parametrize(("text", "words"), [
    (None, "is not there"),
    ("white = gizmo\n", "can't be read"),
    ("[runtime]\nwhite = a\nblack = b\n", "can't be read: No section: 'devel'"),
])  # fmt: skip
def test_a_configuration_that_can_not_be_used(scene: Scene, text: Any, words: str) -> None:
    scene.config.unlink()
    if text is not None:
        scene.config.write_text(text)
    with pytest.raises(koji.GenericError, match=words):
        scene.partner_made().found()
