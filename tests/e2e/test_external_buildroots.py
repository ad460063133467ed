"""A build whose buildroot holds a package of an external repository: it is installed, and recorded as from there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from tests.support.reposcene import WebServer
from tests.support.sandbox import Sandbox
from tests.unit.sandbox.hub_content import tinyrpm

pytestmark = [pytest.mark.root, pytest.mark.e2e]


@pytest.mark.parametrize("mode", ["koji", "simple"])
def test_a_buildroot_records_which_package_came_from_where(
    box: Sandbox, repository: int, srpms: Path, tmp_path: Path, mode: str
) -> None:
    far = tinyrpm.build(tmp_path / "made", "far")
    tag, name = f"outside-{mode}", f"user-of-far-{mode}"
    content.add_tag(box.admin, tag, arches=content.machine_arch())
    content.inherit(box.admin, tag, [content.BUILD_TAG])
    content.add_packages(box.admin, content.DEST_TAG, [name])
    box.admin.createBuildTarget(tag, tag, content.DEST_TAG)
    with contextlib.closing(WebServer(tmp_path / "www")) as web:
        web.repository(content.machine_arch(), *far.rpms)
        box.koji("add-external-repo", "-t", tag, "-m", mode, f"far-{mode}", f"{web.url}/$arch/")
        source = samples.noarch(srpms, name, requires=["far-data"], build="test -e /usr/share/far/data")
        box.koji("build", "--wait", "--noprogress", tag, str(source))

    (build,) = box.admin.listBuilds(packageID=box.admin.getPackageID(name, strict=True))
    (root,) = box.admin.listBuildroots(taskID=box.child(build["task_id"], "buildArch")["id"])
    recorded = {row["name"]: row["external_repo_name"] for row in box.admin.listRPMs(componentBuildrootID=root["id"])}
    assert recorded.pop("far-data") == f"far-{mode}"
    assert set(recorded.values()) == {"INTERNAL"}
    assert len(recorded) > 10
