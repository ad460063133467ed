"""`koji save-failed-tree`: what a failed build has left is on the hub as an archive, with nothing of the host in it."""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import tarfile
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.distro.sources.package import srpm
from kojid.sandbox.layout import BUILDER
from tests.support.sandbox import Daemon, Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

OTHER = "not-its-host"
Members = Dict[str, tarfile.TarInfo]
LEAVES = """\
echo found > left-behind
echo key > secret.keytab
ln -s {secret} link
mkfifo pipe
truncate -s 20G holes
exit 3"""


@pytest.fixture(scope="module")
def failed(box: Sandbox, builder: Daemon, repository: int, srpms: Path) -> Dict[str, Any]:
    """The buildroot of a build that has failed and left something."""
    (box.layout.plugin_configs / "save_failed_tree.conf").write_text("[filters]\npaths = *.keytab\n")
    secret = box.layout.dir / "secret-of-the-host"
    secret.write_text("the host's secret\n")
    text = samples.spec("leaver", head=["BuildArch: noarch"], build=LEAVES.format(secret=secret))
    task_id = box.submit(srpm(srpms, "leaver", text, {}), "leaver")
    box.failed(task_id)
    (root,) = box.admin.listBuildroots(taskID=box.child(task_id, "buildArch")["id"])
    return dict(root)


def archive(box: Sandbox, task_id: int, root: Dict[str, Any], volume: Optional[str] = None) -> Members:
    """The members of the archive that a task has uploaded, by their paths in the buildroot."""
    path = Path(box.layout.paths.work(volume=volume), koji.pathinfo.taskrelpath(task_id), f"broot-{root['id']}.tar.gz")
    with gzip.open(path) as packed:
        data = packed.read()
    assert b"the host's secret" not in data
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name.partition(f"-{root['id']}-{root['repo_id']}/root")[2]: member for member in tar}


def newest(box: Sandbox) -> int:
    (task,) = box.admin.listTasks({"method": "saveFailedTree"}, {"order": "-id", "limit": 1})
    return int(task["id"])


def test_the_build_directory_of_a_failed_task_is_saved(box: Sandbox, failed: Dict[str, Any]) -> None:
    done = box.koji("save-failed-tree", str(failed["task_id"]))
    assert f"for buildroot {failed['id']}" in done.stdout
    task_id = newest(box)
    assert box.admin.getTaskInfo(task_id)["host_id"] == failed["host_id"]
    members = archive(box, task_id, failed)
    by_name = {name.rpartition("/")[2]: member for name, member in members.items()}
    assert all(name.startswith("/builddir") for name in members)
    assert by_name["left-behind"].isreg() and by_name["left-behind"].size == 6
    assert by_name["link"].issym() and by_name["pipe"].isfifo()
    assert by_name["holes"].size == 20 * 1024**3
    assert "secret.keytab" not in by_name


@contextlib.contextmanager
def configured(box: Sandbox, text: str) -> Iterator[Path]:
    """The builder's plugin has another configuration while this lasts; each task reads it anew."""
    config = box.layout.plugin_configs / "save_failed_tree.conf"
    before = config.read_text()
    config.write_text(text)
    try:
        yield config
    finally:
        config.write_text(before)


def test_all_of_the_buildroot_can_be_saved_and_to_another_volume(box: Sandbox, failed: Dict[str, Any]) -> None:
    Path(box.layout.paths.volumedir("trees")).mkdir(parents=True)
    box.koji("add-volume", "trees")
    with configured(box, "[general]\nvolume = trees\n"):
        box.koji("save-failed-tree", "--full", "--buildroot", str(failed["id"]))
    members = archive(box, newest(box), failed, "trees")
    assert {"/usr/bin/rpmbuild", "/etc/passwd"} <= set(members)
    assert box.admin.listTaskOutput(newest(box), all_volumes=True) == {f"broot-{failed['id']}.tar.gz": ["trees"]}


def test_another_host_gives_the_task_back(box: Sandbox, failed: Dict[str, Any]) -> None:
    other = box.daemon(OTHER, plugin="save_failed_tree").start()
    task_id = box.task("saveFailedTree", failed["id"], assign=OTHER)
    wait_for(lambda: other.lines(f"Refusing task {task_id}: buildroot {failed['id']} is on another host"), 90)
    box.closed(task_id)
    assert box.admin.getTaskInfo(task_id)["host_id"] == failed["host_id"]
    other.stop()


def test_a_configuration_that_is_wrong_fails_the_task_and_says_where(
    box: Sandbox, builder: Daemon, failed: Dict[str, Any]
) -> None:
    with configured(box, "volume = NONE\n") as config:
        fault = box.failed(box.admin.saveFailedTree(failed["id"]))
    assert str(config) in str(fault) and "line" in str(fault)


def test_a_volume_that_the_hub_has_not_is_told(box: Sandbox, failed: Dict[str, Any]) -> None:
    with configured(box, "[global]\nvolume = nowhere\n"):
        fault = box.failed(box.admin.saveFailedTree(failed["id"]))
    assert "nowhere" in str(fault)


def test_a_buildroot_that_is_gone_is_the_requests_fault(box: Sandbox, builder: Daemon, failed: Dict[str, Any]) -> None:
    name = f"{content.BUILD_TAG}-{failed['id']}-{failed['repo_id']}"
    shutil.rmtree(Path(builder.options["mockdir"]) / name / "root" / "builddir")
    fault = box.failed(box.admin.saveFailedTree(failed["id"]))
    assert isinstance(fault, koji.GenericError) and "Buildroot directory is missing" in str(fault)


def test_only_failed_builds_can_be_saved(box: Sandbox, failed: Dict[str, Any]) -> None:
    with pytest.raises(koji.GenericError, match="No such buildroot|Nonexistent"):
        box.admin.saveFailedTree(99999)
    assert box.admin.getHost(failed["host_id"])["name"] == BUILDER
