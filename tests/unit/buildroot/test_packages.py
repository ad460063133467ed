from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.buildroot import packages
from kojid.errors import HostFault
from tests.support.fakebuildroot import install_rpms, make_rpm

pytest.importorskip("rpm", reason="rpm's Python bindings are not on this machine")


@pytest.mark.parametrize("database", packages.DATABASES)
def test_installed_packages_are_listed_with_what_the_hub_wants(tmp_path: Path, database: str) -> None:
    rpm = make_rpm(tmp_path / "made", "other", "2", "Epoch: 3")
    install_rpms(tmp_path / "root", rpm, database=database)
    (package,) = packages.installed(str(tmp_path / "root"))
    header = koji.get_rpm_header(str(rpm))
    assert {name: package[name] for name in ("name", "version", "release", "epoch", "size")} == {
        "name": "other", "version": "2", "release": "1", "epoch": 3, "size": 0,
    }  # fmt: skip
    assert package["payloadhash"] == koji.hex_string(header["sigmd5"])
    assert isinstance(package["buildtime"], int)
    assert package["arch"] == header["arch"]


def test_an_older_library_without_digests_is_enough(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_rpms(tmp_path, tiny)
    expected = packages.installed(str(tmp_path))[0]
    monkeypatch.delattr(koji, "get_rpm_ident_fields", raising=False)
    package = packages.installed(str(tmp_path))[0]
    assert package == {name: expected[name] for name in package}
    assert set(package) == {*packages._FIELDS, "payloadhash", "size"}


def test_keys_and_stand_ins_are_no_packages(tmp_path: Path, tiny: Path) -> None:
    install_rpms(tmp_path, tiny, make_rpm(tmp_path / "made", "buildsys-build"))
    assert [package["name"] for package in packages.installed(str(tmp_path))] == ["tiny"]


def test_the_hosts_own_database_is_left_alone(tmp_path: Path, tiny: Path) -> None:
    import rpm

    before = rpm.expandMacro("%_dbpath")
    install_rpms(tmp_path, tiny)
    packages.installed(str(tmp_path))
    assert rpm.expandMacro("%_dbpath") == before


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(koji.BuildrootError, match="no rpm database"):
        packages.installed(str(tmp_path))


def test_an_empty_place_is_not_made_into_a_database(tmp_path: Path) -> None:
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    with pytest.raises(koji.BuildrootError, match="known format"):
        packages.installed(str(tmp_path))
    assert os.listdir(tmp_path / "var/lib/rpm") == []


def test_a_database_without_packages_is_no_success(tmp_path: Path, tiny: Path) -> None:
    import subprocess

    install_rpms(tmp_path, tiny)
    command = ["rpm", "--dbpath", str(tmp_path / "var/lib/rpm"), "-e", "--justdb", "tiny"]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(koji.BuildrootError, match="lists no packages"):
        packages.installed(str(tmp_path))


def test_a_format_that_this_rpm_can_not_read_is_named(tmp_path: Path) -> None:
    database = tmp_path / "var/lib/rpm"
    database.mkdir(parents=True)
    (database / "rpmdb.sqlite").write_bytes(b"not a database of any kind" * 100)
    with pytest.raises((HostFault, koji.BuildrootError), match=r"sqlite database"):
        packages.installed(str(tmp_path))


def test_a_database_of_the_host_is_not_read(tmp_path: Path, tiny: Path) -> None:
    install_rpms(tmp_path / "host", tiny)
    root = tmp_path / "root/var/lib"
    root.mkdir(parents=True)
    os.symlink(tmp_path / "host/var/lib/rpm", root / "rpm")
    with pytest.raises(koji.BuildrootError, match="no rpm database"):
        packages.installed(str(tmp_path / "root"))
    (root / "rpm").unlink()
    (root / "rpm").mkdir()
    os.symlink(tmp_path / "host/var/lib/rpm/rpmdb.sqlite", root / "rpm/rpmdb.sqlite")
    with pytest.raises(koji.BuildrootError, match="no regular file"):
        packages.installed(str(tmp_path / "root"))


def test_links_of_a_migrated_database_are_removed(tmp_path: Path, tiny: Path) -> None:
    install_rpms(tmp_path, tiny, database="usr/lib/sysimage/rpm")
    link = tmp_path / "usr/lib/sysimage/rpm/__db.001"
    os.symlink("/nowhere", link)
    assert packages.installed(str(tmp_path))
    assert not link.is_symlink()


def test_without_the_bindings_the_host_is_at_fault(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    install_rpms(tmp_path, tiny)
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "rpm":
            raise ImportError("no rpm")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(HostFault, match="python3-rpm"):
        packages.installed(str(tmp_path))
