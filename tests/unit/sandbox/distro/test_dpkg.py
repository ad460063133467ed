"""What dpkg prints is understood."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kojid.sandbox.distro import dpkg
from kojid.sandbox.distro.dpkg import InstalledFile
from kojid.sandbox.distro.errors import DistributionError


def test_relations_lose_versions_and_architectures() -> None:
    found = dpkg.parse_relations("libc6 (>= 2.34), perl:any, awk | mawk (>= 1) | gawk,")
    assert found == (("libc6",), ("perl",), ("awk", "mawk", "gawk"))
    assert dpkg.parse_relations("") == ()


def test_file_lists_are_split_and_diverted_files_found() -> None:
    output = "/.\n/bin\n/bin/sh\ndiverted by dash to: /bin/sh.distrib\n\n/usr/bin/x\npackage diverts others to: /y\n"
    assert dpkg.parse_file_lists(output) == [
        [InstalledFile("/.", "/."), InstalledFile("/bin", "/bin"), InstalledFile("/bin/sh", "/bin/sh.distrib")],
        [InstalledFile("/usr/bin/x", "/usr/bin/x")],
    ]


def test_a_machine_without_dpkg_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(DistributionError, match="not built yet"):
        dpkg.installed_packages()


def test_no_alternatives_is_no_error(tmp_path: Path) -> None:
    assert list(dpkg.alternatives(tmp_path / "absent")) == []
