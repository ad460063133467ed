"""A real build as an administrator of its host sees it: its tree, its phases, its buildroot, its logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kojid.sandbox.distro.sources import samples
from tests.support import operator
from tests.support.sandbox import Daemon, Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]


def test_a_build_is_seen_with_its_phases_its_buildroot_and_its_logs(
    box: Sandbox, builder: Daemon, repository: int, srpms: Path
) -> None:
    build = box.submit(samples.talking_build(srpms, "looked-at", seconds=15), "looked-at")

    def building() -> Any:
        found = operator.picture(builder.conf)
        return next((found for task in found["tasks"] if task["parent"] == build and task["phase"] == "rebuild"), None)

    found = wait_for(building, 120, "a buildArch task in its rebuild")
    tasks = {task["method"]: task for task in found["tasks"] if build in (task["id"], task["parent"])}
    assert "looked-at-1.0-1" in tasks["buildArch"]["subject"]
    assert tasks["build"]["state"] == "waiting"
    assert tasks["buildArch"]["depth"] == tasks["build"]["depth"] + 1
    assert len(tasks["buildArch"]["processes"]) > 1
    assert tasks["buildArch"]["cpu_seconds"] > 0
    number = tasks["buildArch"]["id"]
    root = next(row for row in found["buildroots"] if row["task"] == number)
    assert root["fate"] == "in use"
    assert root["name"] in tasks["buildArch"]["buildroots"]
    full = operator.run(builder.conf, "status", str(number)).stdout
    assert re.search(r"init +\d+.*\n.*rebuild", full)
    wait_for(lambda: "talking line" in operator.run(builder.conf, "logs", str(number), "--log", "build.log").stdout, 60)
    following = operator.start(builder.conf, "logs", str(number), "-f")
    only = operator.start(builder.conf, "logs", str(number), "-f", "-n", "all", "--log", "build.log")
    box.closed(build, 120)
    output, _ = following.communicate(timeout=120)
    assert following.returncode == 0
    assert re.search(r"==> .*/result/build\.log <==", output)
    assert re.search(r"==> .*/mock_output\.log <==", output)
    assert "talking line 6" in output
    assert only.communicate(timeout=120)[0].count("\ntalking line 6\n") == 1
    # Its buildroot is over, and still here: so are its logs.
    assert "talking line" in operator.run(builder.conf, "logs", str(number), "--log", "build.log").stdout
    wait_for(lambda: _fate(builder, root["name"]) == "to be emptied", 30)
    # Between two rounds of measuring lie twenty times as long as one took, and one has the lowest priority.
    wait_for(lambda: (_row(builder, root["name"])["bytes"] or 0) > 1 << 20, 600)


def _row(builder: Daemon, name: str) -> dict[str, Any]:
    rows = operator.picture(builder.conf)["buildroots"]
    return next((row for row in rows if row["name"] == name), {})


def _fate(builder: Daemon, name: str) -> Any:
    return _row(builder, name).get("fate")
