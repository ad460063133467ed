"""Which packages are chosen, and how their relations are met."""

from __future__ import annotations

from typing import Dict, Tuple

import pytest

from kojid.sandbox.distro import selection
from kojid.sandbox.distro.dpkg import Package
from kojid.sandbox.distro.errors import MissingPackages


def package(name: str, *depends: Tuple[str, ...], provides: Tuple[str, ...] = ()) -> Package:
    return Package(name, "amd64", "1.0-1", depends, provides)


def machine(*packages: Package) -> Dict[str, Package]:
    return {item.name: item for item in packages}


def test_missing_packages_are_all_named_with_the_command_that_helps() -> None:
    installed = machine(*(package(name) for name in selection.BASE if name not in ("rpm", "cpio")))
    with pytest.raises(MissingPackages, match="apt-get install --no-install-recommends cpio rpm") as error:
        selection.seeds(installed, compiler=False)
    assert error.value.names == ["cpio", "rpm"]


def test_welcome_packages_come_along_only_where_they_are() -> None:
    installed = machine(*(package(name) for name in (*selection.BASE, "zstd")))
    assert selection.seeds(installed, compiler=False) == [*selection.BASE, "zstd"]


def test_the_closure_follows_relations_alternatives_and_provided_names() -> None:
    installed = machine(
        package("tool", ("absent", "library"), ("virtual",), ("perl",)), package("library", ("base",)),
        package("base"), package("provider", provides=("virtual",)), package("perl", ("much-more",)),
        package("unrelated"), package("much-more"),
    )  # fmt: skip
    assert [item.name for item in selection.closure(["tool"], installed)] == ["base", "library", "provider", "tool"]


def test_requirements_stay_within_the_distribution() -> None:
    index = selection.provider_index([package("tool"), package("library")])
    found = selection.requirements(package("tool", ("library",), ("elsewhere",), ("tool",)), index)
    assert found == ["library"]
