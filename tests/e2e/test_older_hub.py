"""A whole build on a hub of 2022: builders choose, repositories are made unasked, sessions travel in URLs."""

from __future__ import annotations

import time
from typing import Iterator

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.layout import BUILDER
from tests.support.mailserver import MailServer
from tests.support.sandbox import Daemon, Sandbox, open_directory

pytestmark = [pytest.mark.root, pytest.mark.e2e]

VERSION = "1.30.1"


@pytest.fixture(scope="module")
def box(mails: MailServer) -> Iterator[Sandbox]:
    with open_directory() as directory:
        made = Sandbox.make(directory, mails.port, version=VERSION)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def builder(box: Sandbox) -> Daemon:
    return box.daemon(BUILDER).start()


@pytest.fixture(scope="module")
def repository(box: Sandbox, builder: Daemon) -> int:
    return box.regenerate()


def test_builders_choose_their_tasks(box: Sandbox, builder: Daemon, repository: int) -> None:
    assert builder.lines(f"The hub is version {VERSION}; tasks are chosen by the builder")
    phrases = ["Load Data:", "  hosts: [", "  tasks: [", "bins: {", "task: {", "Attempting to take task"]
    places = [builder.log.index(phrase) for phrase in phrases]
    assert places == sorted(places)


def test_a_build_is_made_as_on_newer_hubs(box: Sandbox, builder: Daemon, repository: int) -> None:
    directory = box.layout.sources / "tests"
    directory.mkdir()
    task_id = box.submit(samples.noarch(directory, "words"), "words")
    box.closed(task_id)
    (build,) = box.admin.listBuilds(taskID=task_id)
    assert build["state"] == koji.BUILD_STATES["COMPLETE"]
    assert [one["nvr"] for one in box.admin.listTagged(content.DEST_TAG)] == ["words-1.0-1.sandbox"]
    (root,) = box.admin.listBuildroots(taskID=box.child(task_id, "buildArch")["id"])
    assert root["repo_id"] == repository
    assert box.admin.listRPMs(componentBuildrootID=root["id"])


def test_a_repository_is_waited_for_by_looking(box: Sandbox, builder: Daemon, repository: int) -> None:
    wait = box.task("waitrepo", content.BUILD_TAG, time.time())
    newer = box.regenerate()
    assert newer > repository
    assert box.closed(wait, 30)["id"] == newer


def test_no_call_was_made_that_such_a_hub_does_not_know(box: Sandbox, builder: Daemon, repository: int) -> None:
    log = (box.layout.hub_dir / "hub.log").read_text()
    mine = [line for line in log.splitlines() if f"user={BUILDER} " in line and "fault=" in line]
    assert [line for line in mine if " logout " not in line] == []  # the library tries its form of logout first
    assert "Invalid method" not in log
