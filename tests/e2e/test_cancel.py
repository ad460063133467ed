"""A build that is cancelled in %build: five seconds later nothing of it is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.sandbox.distro.sources import samples
from tests.support.sandbox import Daemon, Sandbox, alive, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

LEFT_SECONDS = 5.0


def test_a_cancelled_build_leaves_no_process_no_mount_and_no_open_task(
    box: Sandbox, builder: Daemon, repository: int, srpms: Path
) -> None:
    task_id = box.submit(samples.long_build(srpms, "long-build"), "long-build")
    wait_for(lambda: sleeping(box, task_id), 120, "%build")
    arch_task = box.child(task_id, "buildArch")["id"]
    root = box.admin.listBuildroots(taskID=arch_task)[0]
    chroot = f"-{root['id']}-"
    before = builder.descendants()
    assert [line for line in box.processes() if chroot in line or "sleep 600" in line]

    box.koji("cancel", str(task_id))

    def gone() -> bool:
        states = {node.state for _, node in box.tree(task_id).walk()}
        running = [line for line in box.processes() if "sleep 600" in line]
        return states <= {"CANCELED", "CLOSED"} and not running and not box.mounts() and not alive(before)

    wait_for(gone, LEFT_SECONDS, f"{box.describe(task_id)}\n{box.processes()}\n{box.mounts()}\n{alive(before)}")
    assert box.state(task_id) == "CANCELED"
    assert box.state(arch_task) == "CANCELED"
    assert builder.lines(rf"Killing canceled task {arch_task} \(pid \d+\)")


def sleeping(box: Sandbox, task_id: int) -> bool:
    children = {row["method"]: row for row in box.admin.getTaskChildren(task_id)}
    if "buildArch" not in children:
        assert box.state(task_id) in ("FREE", "ASSIGNED", "OPEN"), box.describe(task_id)
        return False
    output = box.admin.listTaskOutput(children["buildArch"]["id"])
    return "build.log" in output and "the long sleep begins" in box.log(children["buildArch"]["id"], "build.log")
