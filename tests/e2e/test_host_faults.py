"""Builders that lack what a task needs - mock, a working directory, the mail server: another builder does it.

The tasks are asked for with the real client, while only the builder that can't do them takes any.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from tests.support.mailserver import MailServer
from tests.support.sandbox import Daemon, Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]


@contextlib.contextmanager
def only(box: Sandbox, builder: Daemon, poor: Daemon) -> Iterator[None]:
    """Inside the block the poor builder takes the tasks of the default channel; afterwards the good one does."""
    poor.start()
    box.admin.addHostToChannel(poor.host, "default")
    box.admin.disableHost(builder.host)
    try:
        yield
    finally:
        box.admin.enableHost(builder.host)
        box.admin.removeHostFromChannel(poor.host, "default")


def asked(box: Sandbox, *words: str) -> int:
    """Have the client ask for a task without waiting for it; returns its id."""
    found = re.search(r"Created task(?: id)?:? (\d+)", box.koji(*words).stdout)
    assert found, words
    return int(found[1])


def refused(poor: Daemon, task_id: int, why: str) -> List[str]:
    return poor.lines(rf"Refusing task {task_id}: {why}")


def host_of(box: Sandbox, task_id: int) -> str:
    """The builder of a task; empty while it has none."""
    host = box.admin.getTaskInfo(task_id)["host_id"]
    return str(box.admin.getHost(host)["name"]) if host else ""


def scratch(box: Sandbox, source: Path, *options: str) -> int:
    return asked(box, "build", "--nowait", "--noprogress", "--scratch", *options, content.TARGET, str(source))


def test_a_builder_without_mock_leaves_buildroots_to_another(
    box: Sandbox, builder: Daemon, repository: int, srpms: Path
) -> None:
    mockless = box.daemon("mockless", mockpath="/nonexistent/mock")
    source = samples.noarch(srpms, "unmocked")
    with only(box, builder, mockless):
        parents = {
            "rebuildSRPM": scratch(box, source, "--rebuild-srpm"),
            "buildArch": scratch(box, source, "--no-rebuild-srpm"),
        }

        def left() -> Dict[str, int]:
            """The subtasks that it has given back, by method."""
            children = [
                (row["method"], row["id"]) for one in parents.values() for row in box.admin.getTaskChildren(one)
            ]
            return {method: one for method, one in children if refused(mockless, one, ".*/nonexistent/mock")}

        given = wait_for(lambda: left() if len(left()) == 2 else {}, 60, mockless.log[-3000:])
        assert set(given) == set(parents)
        assert {host_of(box, one) for one in parents.values()} == {mockless.host}
    for one in [*given.values(), *parents.values()]:
        box.closed(one)
    assert {host_of(box, one) for one in given.values()} == {builder.host}
    roots = [root for one in given.values() for root in box.admin.listBuildroots(taskID=one)]
    assert {koji.BR_STATES[root["state"]] for root in roots} == {"EXPIRED"}


def test_a_builder_without_a_working_directory_leaves_everything_to_another(
    box: Sandbox, builder: Daemon, repository: int, srpms: Path, mails: MailServer
) -> None:
    work = box.layout.dir / "no-work"
    work.mkdir()
    (work / "tasks").touch()  # a file where task directories go
    workless = box.daemon("workless", workdir=work)
    there = box.admin.getBuild(box.admin.listTagged(content.BOOTSTRAP)[0]["nvr"])
    content.add_tag(box.admin, "new-shelf")
    content.add_packages(box.admin, "new-shelf", [there["name"]])
    with only(box, builder, workless):
        tasks = {
            "build": scratch(box, samples.noarch(srpms, "unworked")),
            "chainbuild": asked(box, "chain-build", "--nowait", content.TARGET, there["nvr"], ":", there["nvr"]),
            "tagBuild": asked(box, "tag-build", "--nowait", "new-shelf", there["nvr"]),
            "waitrepo": asked(box, "make-task", "waitrepo", content.BUILD_TAG),
            "buildNotification": box.task("buildNotification", ["work@example.com"], there, None, "http://localhost"),
        }  # fmt: skip
        wait_for(
            lambda: all(refused(workless, one, "the working directory") for one in tasks.values()),
            60,
            workless.log[-3000:],
        )
    wait_for(lambda: {host_of(box, one) for one in tasks.values()} == {builder.host}, 60, "the other builder")
    box.koji("cancel", str(tasks.pop("build")))  # that it can be built is told by other tests
    results: Dict[str, Any] = {method: box.closed(one) for method, one in tasks.items()}
    assert results["waitrepo"]["tag_name"] == content.BUILD_TAG
    assert there["nvr"] in {row["nvr"] for row in box.admin.listTagged("new-shelf")}
    assert wait_for(lambda: [mail for mail in mails.mails if "work@example.com" in mail["X-Envelope-To"]], 30)
