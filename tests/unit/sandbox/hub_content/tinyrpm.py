"""Real, tiny rpms for tests, made by rpmbuild once for each spec."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

import pytest

SPEC = """\
Name: {name}
Version: {version}
Release: {release}
Summary: A package for tests
License: MIT
%description
A package for tests.
%package data
Summary: Its data
BuildArch: noarch
%description data
Its data.
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {text} > %{{buildroot}}/usr/share/{name}/data
%files
%files data
/usr/share/{name}
%changelog
* Tue Jan 06 2026 A Tester <tester@example.com> - {version}-{release}
- second entry
* Mon Jan 05 2026 A Tester <tester@example.com> - 0.9-1
- first entry
"""


@dataclass(frozen=True)
class TinyRpms:
    """What one spec gave: the source package and the binary ones."""

    srpm: Path
    rpms: Tuple[Path, ...]

    @property
    def nvr(self) -> str:
        """The build's name-version-release."""
        return self.srpm.name[: -len(".src.rpm")]

    @property
    def noarch(self) -> Path:
        """The noarch one."""
        return next(path for path in self.rpms if path.name.endswith(".noarch.rpm"))


def build(
    directory: Path, name: str = "tiny", version: str = "1.0", release: str = "1", text: str = "hello"
) -> TinyRpms:
    """Build the package in `directory`; skips the test where there is no rpmbuild."""
    if not shutil.which("rpmbuild"):
        pytest.skip("rpmbuild is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    spec = directory / f"{name}.spec"
    spec.write_text(SPEC.format(name=name, version=version, release=release, text=text))
    command = ["rpmbuild", "-ba", "--define", f"_topdir {directory}", "--define", "debug_package %{nil}"]
    command += ["--target", "x86_64", "--define", "_build_id_links none", str(spec)]
    subprocess.run(command, check=True, capture_output=True)
    (srpm,) = directory.glob("SRPMS/*.src.rpm")
    return TinyRpms(srpm, tuple(_sorted(directory / "RPMS")))


def _sorted(directory: Path) -> List[Path]:
    return sorted(directory.glob("*/*.rpm"))
