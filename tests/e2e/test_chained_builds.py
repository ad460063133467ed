"""A package that needs another one that was built before: the repository in between makes it known."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.root, pytest.mark.e2e]

ARCH = content.machine_arch()


def test_a_package_is_built_with_one_that_the_client_had_built_before(
    box: Sandbox, repository: int, srpms: Path
) -> None:
    content.add_packages(box.admin, content.DEST_TAG, ["tool", "user-of-tool"])
    tool = samples.c_program(srpms, "tool")
    user = samples.noarch(srpms, "user-of-tool", requires=["tool"], build='test "$(tool)" = tool')

    box.koji("build", "--wait", "--noprogress", content.TARGET, str(tool))
    repo = box.koji("regen-repo", "--wait", content.BUILD_TAG)
    assert "Error" not in repo.stderr
    box.koji("build", "--wait", "--noprogress", content.TARGET, str(user))

    build = (
        box.admin.getBuild("user-of-tool-1.0-1.el0")
        or box.admin.listBuilds(packageID=box.admin.getPackageID("user-of-tool", strict=True))[0]
    )
    arch_task = box.child(build["task_id"], "buildArch")
    root = box.admin.listBuildroots(taskID=arch_task["id"])[0]["id"]
    installed = {row["name"]: row for row in box.admin.listRPMs(componentBuildrootID=root)}
    tool_build = box.admin.listTagged(content.DEST_TAG, package="tool")[0]
    assert installed["tool"]["build_id"] == tool_build["build_id"]
