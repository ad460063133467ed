"""Further packages for a distribution: which they are, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

from kojid.sandbox.distro import DistributionError, MissingPackages, dpkg, selection
from kojid.sandbox.distro.dpkg import Package
from kojid.sandbox.distro.more import make_more


def package(name: str, *depends: str) -> Package:
    return Package(name, "all", "1.0-1", tuple((need,) for need in depends))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Dict[str, Package]:
    names = [*selection.BASE, *selection.COMPILER]
    found = {name: package(name) for name in names}
    found["python3"] = package("python3", "bash", "python3.11")
    found["python3.11"] = package("python3.11")
    found["python3-requests"] = package("python3-requests", "python3")
    found["git"] = package("git", "perl", "bash")
    found["perl"] = package("perl")
    monkeypatch.setattr(dpkg, "installed_packages", lambda: found)
    return found


def names(wanted: set[str], installed: Dict[str, Package]) -> set[str]:
    left_out = selection.LEFT_OUT - wanted
    return {found.name for found in selection.closure(wanted, installed, left_out)}


def test_what_is_usually_left_out_comes_when_it_is_asked_for(installed: Dict[str, Package]) -> None:
    assert names({"python3", "python3-requests"}, installed) == {"python3", "python3.11", "python3-requests", "bash"}
    assert names({"git"}, installed) == {"git", "bash"}
    assert names({"python3-requests"}, installed) == {"python3-requests"}


def test_requirements_follow_the_same_choice(installed: Dict[str, Package]) -> None:
    index = selection.provider_index(installed.values())
    requests = installed["python3-requests"]
    assert selection.requirements(requests, index) == []
    assert selection.requirements(requests, index, selection.LEFT_OUT - {"python3"}) == ["python3"]


def test_packages_that_are_not_here_are_named(installed: Dict[str, Package], tmp_path: Path) -> None:
    with pytest.raises(MissingPackages, match="no-such-package"):
        make_more(tmp_path, ["python3", "no-such-package"])


def test_spec_files_find_them_by_the_names_they_know() -> None:
    assert "python3-devel" in selection.RPM_NAMES["python3-dev"]
    assert "shadow-utils" in selection.RPM_NAMES["passwd"]
    assert issubclass(MissingPackages, DistributionError)
