"""Plugins of third parties, unmodified, in each style that there is: they load, run, and are cleaned up after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.layout import BUILDER
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.scmservers import GitRepository, git_daemon, need

pytestmark = [pytest.mark.root, pytest.mark.e2e]

PLUGINS = Path(__file__).parents[1] / "data" / "plugins"
NAMES = ["styled", "ownbase", "oldstyle", "cleansup", "echoes", "lateone", "autospec"]
ARCH = content.machine_arch()


@pytest.fixture(scope="module")
def plugged(shop: Sandbox) -> Daemon:
    """The builder with the plugins."""
    options = {"plugin": " ".join(NAMES), "pluginpath": f"/nowhere:{PLUGINS}", "allowed_scms": "127.0.0.1*:/*:no:"}
    return shop.daemon(BUILDER, **options).start()


@pytest.fixture(scope="module")
def repo(shop: Sandbox, plugged: Daemon) -> int:
    return shop.regenerate()


def echoed(daemon: Daemon, kind: str) -> List[Dict[str, Any]]:
    """What the callback for every kind has been called with."""
    return [json.loads(line.partition(f"echo {kind} ")[2]) for line in daemon.lines(rf"echo {kind} ")]


def test_a_callback_for_every_kind_is_called_with_the_stock_arguments(
    shop: Sandbox, plugged: Daemon, repo: int
) -> None:
    [made] = [call for call in echoed(plugged, "postCreateRepo") if call["repo_id"] == repo]
    assert set(made) == {"tag", "repodir", "repo_id", "arch", "method", "has_request", "host"}
    assert (made["tag"], made["arch"], made["method"]) == (content.BUILD_TAG, ARCH, "createrepo")
    assert made["repodir"].startswith(plugged.options["workdir"].as_posix()) and made["has_request"]


def test_a_callback_finds_the_buildroot_in_the_calling_frames_and_installs_into_it(
    shop: Sandbox, plugged: Daemon, repo: int, tmp_path: Path
) -> None:
    need("git")
    (tmp_path / "served").mkdir()
    sources = GitRepository(tmp_path / "served" / "auto.git", tmp_path / "work")
    spec = samples.spec("auto", head=["BuildArch: noarch"])
    commit = sources.commit({"auto.spec": spec, "autorelease": "77"})
    with git_daemon(tmp_path / "served") as port:
        url = f"git://127.0.0.1:{port}/auto.git#{commit}"
        task = shop.task("buildSRPMFromSCM", url, content.BUILD_TAG, {"repo_id": repo}, arch=ARCH)
        result = shop.closed(task)
    assert plugged.lines(r"autospec in /chroot_tmpdir/scmroot/auto, \d+ packages before")
    assert result["srpm"].endswith("/auto-1.0-77.src.rpm")
    kinds = {"preSCMCheckout": set(), "postSCMCheckout": {"srcdir"}}
    for kind, more in kinds.items():
        [got] = echoed(plugged, kind)
        assert set(got) == {"scminfo", "build_tag", "scratch", "buildroot", "method", "has_request", "host"} | more
        assert (got["build_tag"]["name"], got["scminfo"]["revision"]) == (content.BUILD_TAG, commit)
        assert {"url", "scheme", "user", "host", "repository", "module", "scmtype"} <= set(got["scminfo"])


def test_a_plugin_makes_a_buildroot_and_runs_a_command_in_it(shop: Sandbox, plugged: Daemon, repo: int) -> None:
    bound = shop.layout.dir / "bound"
    bound.mkdir()
    (bound / "word").write_text("bound\n")
    command = "mkdir -p /builddir/output && cp /bound/word /builddir/output/word && echo run > /builddir/output/second"
    result = shop.closed(shop.task("styledArch", content.BUILD_TAG, ARCH, command, repo, str(bound)))
    assert result["files"] == ["second", "word"] and result["same"] and result["packages"] > 10
    assert {"mock_config.log", "mock_output.log", "root.log"} <= set(result["logs"])
    uploaded = Path(shop.layout.topdir) / "work" / result["upload"]
    assert (uploaded / "word").read_text() == "bound\n"
    [root] = shop.admin.listBuildroots(taskID=int(result["upload"].rpartition("/")[2]))
    assert root["state"] == 3


def test_a_command_that_fails_in_a_plugins_buildroot_is_its_tasks_failure(
    shop: Sandbox, plugged: Daemon, repo: int
) -> None:
    fault = shop.failed(shop.task("styledArch", content.BUILD_TAG, ARCH, "exit 3", repo))
    assert "the command failed: mock exited with status 3; see mock_output.log" in str(fault)


def test_an_image_parent_of_a_plugin_has_its_subtasks_and_their_results(
    shop: Sandbox, plugged: Daemon, repo: int
) -> None:
    opts = {"scratch": True, "command": "mkdir -p /builddir/output; echo image > /builddir/output/disk.img"}
    task = shop.task("styledImage", "thing", "1", [ARCH], content.TARGET, opts)
    assert shop.closed(task) == {ARCH: ["disk.img"]}
    [child] = shop.admin.getTaskChildren(task)
    assert child["label"] == ARCH
    scratch = Path(shop.layout.paths.scratch()) / "admin" / f"task_{child['id']}" / "disk.img"
    assert scratch.read_text() == "image\n"


def test_an_image_build_of_a_plugin_is_complete_and_tagged(shop: Sandbox, plugged: Daemon, repo: int) -> None:
    content.add_packages(shop.admin, content.DEST_TAG, ["whole"])
    opts = {"command": "mkdir -p /builddir/output; echo image > /builddir/output/whole-1-1.qcow2"}
    shop.closed(shop.task("styledImage", "whole", "1", [ARCH], content.TARGET, opts))
    [build] = shop.admin.listTagged(content.DEST_TAG, package="whole", type="image")
    assert build["nvr"] == "whole-1-1"
    [archive] = shop.admin.listArchives(build["build_id"], type="image")
    assert (archive["filename"], archive["arch"]) == ("whole-1-1.qcow2", ARCH)
    assert {"bash", "make"} <= {row["name"] for row in shop.admin.listRPMs(imageID=archive["id"])}
    assert (shop.build_dir(shop.admin.getBuild("whole-1-1")) / "images" / "whole-1-1.qcow2").read_text() == "image\n"


def test_an_image_build_that_fails_is_a_failed_build_on_the_hub(shop: Sandbox, plugged: Daemon, repo: int) -> None:
    content.add_packages(shop.admin, content.DEST_TAG, ["thing"])
    task = shop.task("styledImage", "thing", "1", [ARCH], content.TARGET, {"command": "exit 5"})
    assert "mock exited with status 5" in str(shop.failed(task))
    [build] = shop.admin.listBuilds(taskID=task)
    assert (build["nvr"], koji.BUILD_STATES[build["state"]]) == ("thing-1-1", "FAILED")
    assert set(shop.admin.getBuildType(build["nvr"])) == {"image"}


def test_an_image_that_the_tag_does_not_list_is_refused(shop: Sandbox, plugged: Daemon, repo: int) -> None:
    fault = shop.failed(shop.task("styledImage", "unlisted", "1", [ARCH], content.TARGET, {"command": "true"}))
    assert f"package (image) unlisted not in list for tag {content.DEST_TAG}" in str(fault)


def test_a_handler_on_the_librarys_base_uploads_and_waits_as_ever(shop: Sandbox, plugged: Daemon) -> None:
    task = shop.task("ownBase", "words\n")
    result = shop.closed(task)
    assert shop.log(task, "part.log") == shop.log(task, "whole.log") == "words\n" * 3
    assert json.loads(shop.log(task, "made.json")) == {"json": True}
    assert sorted(row["id"] for row in shop.admin.getTaskChildren(task)) == sorted(result["children"])


def test_a_plugin_that_loads_the_script_as_a_module_has_its_functions(shop: Sandbox, plugged: Daemon) -> None:
    task = shop.task("oldStyle", "old words\n")
    assert shop.closed(task) == "BuildRoot"
    assert shop.log(task, "old.log") == "old words\n"


def test_plugins_take_the_place_of_built_in_methods_and_of_those_before_them(shop: Sandbox, plugged: Daemon) -> None:
    ours, late = shop.task("someMethod"), shop.task("overridden")
    assert shop.closed(ours) == "of ownbase"
    assert shop.closed(late) == "of lateone"


def test_a_canceled_handler_gets_sigint_first_and_the_time_for_its_own_end(
    shop: Sandbox, plugged: Daemon, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    task = shop.task("cleansUp", str(marker))
    [ready] = wait_for(lambda: plugged.lines(r"ready to be canceled in \d+"), 90)
    shop.admin.cancelTask(task)
    assert shop.finish(task)["state"] == "CANCELED"
    wait_for(marker.exists, 60, "its own end was not waited for")
    wait_for(lambda: not Path(f"/proc/{ready.split()[-1]}").exists(), 60)
    assert plugged.lines("canceling what runs elsewhere")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise RuntimeError('broken inside')\n", "broken inside"),
        ("from __main__ import BuildRootLogs\n", "BuildRootLogs of the stock daemon is not built in this one"),
    ],
)
def test_a_plugin_that_does_not_load_is_named_with_its_traceback(
    shop: Sandbox, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "broken.py").write_text(text)
    daemon = shop.daemon(f"broken-{len(text)}", plugin="broken", pluginpath=tmp_path)
    assert daemon.run() == 1
    assert "Loading plugin broken failed" in daemon.log and words in daemon.log
    assert f'File "{tmp_path}/broken.py", line 1' in daemon.log
