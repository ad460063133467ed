"""What a sandbox's hub gets, against a real sandbox hub; made twice it is made once."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Iterator

import koji
import pytest

from kojid.sandbox import content, demosource
from kojid.sandbox.distro import Distribution
from kojid.sandbox.distro.sources import SourcePackage, samples
from kojid.sandbox.errors import SandboxError
from tests.support.sandboxhub import SandboxHub, running_hub

pytestmark = pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="rpmbuild is not installed")


needs_rpm = pytest.mark.skipif(importlib.util.find_spec("rpm") is None, reason="no rpm module for this Python")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as started:
        yield started


@pytest.fixture
def admin(hub: SandboxHub) -> koji.ClientSession:
    return hub.session("admin")


def test_tags_target_and_packages_are_there_after_one_or_two_calls(admin: koji.ClientSession) -> None:
    for _ in range(2):
        content.lay_out(admin)
        event = admin.getLastEvent()["id"]
    assert admin.getLastEvent()["id"] == event
    target = admin.getBuildTarget(content.TARGET)
    assert (target["build_tag_name"], target["dest_tag_name"]) == ("demo-build", "demo")
    parents = [row["name"] for row in admin.getFullInheritance("demo-build")]
    assert parents == ["demo", "bootstrap"]
    config = admin.getBuildConfig("demo-build")
    assert config["arches"] == content.machine_arch() and config["extra"]["mock.use_bootstrap"] is False
    assert [row["package_name"] for row in admin.listPackages(tagID="demo")] == ["hello"]


def test_groups_grow_and_never_lose_a_package(admin: koji.ClientSession) -> None:
    content.add_tag(admin, "grouped")
    content.set_groups(admin, "grouped", {"build": ["bash", "gcc"]})
    content.set_groups(admin, "grouped", {"build": ["bash", "make"], "srpm-build": ["bash"]})
    found = {group["name"]: {row["package"] for row in group["packagelist"]} for group in admin.getTagGroups("grouped")}
    assert found == {"build": {"bash", "gcc", "make"}, "srpm-build": {"bash"}}


def distribution(directory: Path) -> Distribution:
    """A distribution of one source package and, in its binary packages' place, nothing."""
    source = samples.noarch(directory, "small-distribution")
    return Distribution(directory, [], [source], [], {}, reused=False)


@needs_rpm
def test_the_distribution_is_imported_once_and_tagged_last(admin: koji.ClientSession, tmp_path: Path) -> None:
    content.lay_out(admin)
    assert content.imported_distribution(admin) is None
    nvr = content.import_distribution(admin, distribution(tmp_path))
    assert content.imported_distribution(admin) == nvr
    assert koji.BUILD_STATES[admin.getBuild(nvr)["state"]] == "COMPLETE"


def test_a_distribution_needs_exactly_one_source_package(admin: koji.ClientSession, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="0 source packages"):
        content.import_distribution(admin, Distribution(tmp_path, [], [], [], {}, reused=False))


def test_the_next_release_is_above_all_that_the_hub_knows(admin: koji.ClientSession) -> None:
    assert demosource.next_release(admin, "counted", "1.0") == 1
    for release in ("1", "12.el9", "3.fc40"):
        admin.createEmptyBuild("counted", "1.0", release, None)
    admin.createEmptyBuild("counted", "2.0", "40", None)
    assert demosource.next_release(admin, "counted", "1.0") == 13


@needs_rpm
def test_a_source_package_gets_another_release_and_keeps_its_sources(tmp_path: Path) -> None:
    path = samples.c_program(tmp_path, "counted")
    package = SourcePackage(path, "counted", "1.0", "the tests", upstream=False)
    changed = demosource.with_release(package, 7, tmp_path)
    found = koji.get_header_fields(str(changed.path), ["name", "version", "release"])
    assert (found["name"], found["version"], found["release"].split(".")[0]) == ("counted", "1.0", "7")
    assert changed.origin == package.origin and path.exists()
    again = demosource.with_release(changed, 8, tmp_path)
    assert koji.get_header_fields(str(again.path), ["release"])["release"].startswith("8.")
