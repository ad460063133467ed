from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.fakebuildroot import make_rpm, need


@pytest.fixture(scope="session")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("rpms")
    return [make_rpm(directory, name) for name in ("alpha", "beta")]


class HubRepo:
    """A repo of one arch as the hub lays it out before its metadata is made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.arch_dir = directory / "x86_64"
        self.arch_dir.mkdir(parents=True)
        (self.arch_dir / "pkglist").touch()
        (self.arch_dir / "blocklist").touch()

    def lists(self, *rpms: Path) -> None:
        (self.arch_dir / "rpms").mkdir(exist_ok=True)
        for rpm in rpms:
            shutil.copy(rpm, self.arch_dir / "rpms")
        (self.arch_dir / "pkglist").write_text("".join(f"rpms/{rpm.name}\n" for rpm in rpms))

    def has_groups(self) -> None:
        (self.directory / "groups").mkdir()
        (self.directory / "groups/comps.xml").write_text(
            '<?xml version="1.0"?>\n<comps><group><id>build</id><name>build</name></group></comps>\n'
        )


@pytest.fixture
def repo(tmp_path: Path) -> HubRepo:
    return HubRepo(tmp_path / "mnt/repos/demo-build/4")


@pytest.fixture
def createrepo_c() -> None:
    need("/usr/bin/createrepo_c")


@pytest.fixture
def mergerepo_c() -> None:
    need("/usr/bin/createrepo_c", "/usr/bin/mergerepo_c")
