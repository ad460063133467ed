"""Commands in a buildroot by `koji runroot`: packages, mounts, logs, faults, and that nothing of the host gets out."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Iterator

import koji
import pytest

from kojid.daemon.ledger import Ledger
from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.distro.sources.package import srpm
from kojid.sandbox.hub import authority
from kojid.system import mounts
from tests.support.sandbox import Daemon, Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

ARCH = content.machine_arch()
TAG = content.BUILD_TAG
HOST = "runroot-host"

CONFIG = """\
[paths]
default_mounts = /mnt/archive
safe_roots = /mnt/archive/work
[path0]
mountpoint = /mnt/archive
path = {share}
fstype = none
options = bind,ro,nosuid,nodev
"""


@pytest.fixture(scope="module")
def share(box: Sandbox) -> Path:
    """A directory of the host that runroot.conf shows to tasks, with a part that they may ask to write to."""
    share = box.layout.dir / "share"
    (share / "work").mkdir(parents=True)
    (share / "note").write_text("a note in the archive\n")
    return share


@pytest.fixture(scope="module")
def runner(box: Sandbox, share: Path) -> Iterator[Daemon]:
    """A build host of its own, which these tests may kill; its channel has its name."""
    configs = box.layout.dir / "runroot-configs"
    configs.mkdir()
    (configs / "runroot.conf").write_text(CONFIG.format(share=share))
    daemon = box.daemon(HOST, plugin="runroot", plugin_config_dir=configs)
    yield daemon.start()
    daemon.stop()


@pytest.fixture(scope="module")
def planter(box: Sandbox, repository: int, srpms: Path) -> str:
    """A package in the repository that puts links into the chroot it is installed in; returns its name."""
    secret = box.layout.dir / "secret"
    secret.write_text("the host's secret\n")
    post = f"ln -sf {secret} /builddir/runroot.log\nln -sf {secret} /var/log/planted.log\n"
    text = samples.spec("planter", head=["BuildArch: noarch"], files=f"%post\n{post}\n%files")
    box.closed(box.submit(srpm(srpms, "planter", text, {}), "planter"))
    box.regenerate()
    return "planter"


def ask(box: Sandbox, command: Any, **options: Any) -> int:
    return int(box.admin.runroot(TAG, ARCH, command, channel=HOST, **options))


def kill(daemon: Daemon) -> None:
    """As kill -9 does."""
    assert daemon.process is not None
    daemon.process.kill()
    daemon.wait()


def uploaded(box: Sandbox, task_id: int) -> bytes:
    """All that a task has put on the hub."""
    return b"".join(box.admin.downloadTaskOutput(task_id, name) for name in box.admin.listTaskOutput(task_id))


def test_the_client_shows_the_output_and_the_status_of_a_command(box: Sandbox, repository: int, runner: Daemon) -> None:
    done = box.koji("runroot", f"--channel-override={HOST}", TAG, ARCH, "echo", "a  b", "$HOME")
    assert done.stdout == "a  b $HOME\n"
    (task,) = box.admin.listTasks({"method": "runroot", "decode": True}, {"order": "-id", "limit": 1})
    assert task["state"] == koji.TASK_STATES["CLOSED"] and task["priority"] == 15
    assert box.admin.getTaskResult(task["id"]) == "echo completed successfully"
    (root,) = box.admin.listBuildroots(taskID=task["id"])
    assert root["state"] == koji.BR_STATES["EXPIRED"]


def test_packages_mounts_and_further_logs(box: Sandbox, runner: Daemon, share: Path, planter: str) -> None:
    lines = [
        "cat /mnt/archive/note",
        "rpm -q --qf '%{name}\\n' " + planter,
        "if touch /mnt/archive/refused; then echo the default mount is writable; exit 9; fi",
        "echo made > /mnt/archive/work/made && echo more > /var/log/own.log && : > /var/log/empty.log",
        "cat /tmp/runroot_mounts",
    ]
    task_id = ask(
        box, "\n".join(lines), packages=[planter], mounts=["/mnt/archive/work"], weight=0.1, new_chroot=False,
        upload_logs=["/var/log/own.log", "var/log/empty.log"], repo_id=box.admin.getRepo(TAG)["id"], skip_setarch=True,
    )  # fmt: skip
    assert box.closed(task_id) == "cat completed successfully"
    log = box.log(task_id, "runroot.log")
    assert log.startswith("a note in the archive\nplanter\n")
    assert (share / "work" / "made").read_text() == "made\n"
    assert not (share / "refused").exists()
    assert box.log(task_id, "own.log") == "more\n" and box.log(task_id, "empty.log") == ""
    assert f"-o bind,ro,nosuid,nodev {share} /mnt/archive\n" in box.log(task_id, "do_mounts.log")
    assert f"-o bind,rw,nosuid,nodev {share}/work /mnt/archive/work\n" in box.log(task_id, "do_mounts.log")
    (root,) = box.admin.listBuildroots(taskID=task_id)
    top = f"{runner.options['mockdir']}/{TAG}-{root['id']}-{root['repo_id']}/root"
    assert log.splitlines()[-2:] == [f"{top}/mnt/archive", f"{top}/mnt/archive/work"]
    assert box.admin.getTaskInfo(task_id)["weight"] == 0.5
    rows = box.admin.listRPMs(componentBuildrootID=root["id"])
    assert {row["name"]: row["is_update"] for row in rows}[planter]
    assert not mounts.mounts_under(runner.options["mockdir"])
    assert runner.lines(r"mock.*--old-chroot --arch \S+ --chroot -- /bin/sh -c")


def test_no_file_of_the_host_gets_out_by_links_or_paths(box: Sandbox, runner: Daemon, planter: str) -> None:
    """The package plants links before the command runs; the command puts one in place of its own log (11.19)."""
    secret = box.layout.dir / "secret"
    command = f"rm /builddir/runroot.log; ln -s {secret} /builddir/runroot.log; sleep 1.5"
    logs = ["/var/log/planted.log", str(secret)]
    fault = box.failed(task_id := ask(box, command, packages=[planter], upload_logs=logs))
    assert "rm completed successfully, but these logs can't be had" in str(fault)
    assert all(path in str(fault) for path in logs)
    assert b"the host's secret" not in uploaded(box, task_id)
    for climbing in ("../../../etc/hostname", "/etc/../../x"):
        assert "no path of a file in the chroot" in str(box.failed(ask(box, "true", upload_logs=[climbing])))


def test_a_failing_command_is_the_tasks_failure(box: Sandbox, repository: int, runner: Daemon) -> None:
    done = box.koji(
        "runroot", "--use-shell", f"--channel-override={HOST}", TAG, ARCH, "LANG=C", "sh", "-c",
        "'echo what went wrong; exit 7'", check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == "what went wrong\n"
    (task,) = box.admin.listTasks({"method": "runroot"}, {"order": "-id", "limit": 1})
    fault = box.fault(task["id"])
    assert isinstance(fault, koji.BuildrootError)
    assert "sh exited with status 7\nThe last lines of runroot.log:\n  what went wrong" in str(fault)
    assert not mounts.mounts_under(runner.options["mockdir"])


def test_a_package_that_is_not_there_is_named(box: Sandbox, repository: int, runner: Daemon) -> None:
    fault = box.failed(ask(box, "true", packages=["no-such-package"]))
    assert isinstance(fault, koji.BuildrootError)
    assert str(fault).startswith("error installing packages, mock exited with status 30; see ")
    assert "no-such-package" in str(fault).partition("The last lines of")[2]


def test_what_is_not_allowed_fails_before_a_buildroot_is_made(box: Sandbox, repository: int, runner: Daemon) -> None:
    for asked, text in (
        ({"mounts": ["/etc"]}, "read-write mount point is not safe: /etc"),
        ({"mounts": ["/mnt/archive/work/../.."]}, "is not safe"),
        ({"mounts": ["/mnt/archive/workers"]}, "is not safe"),
        ({"packages": ["--enable-network"]}, "no package can be named"),
    ):
        assert text in str(box.failed(ask(box, "true", **asked)))


def test_the_permission_is_asked_for(box: Sandbox, runner: Daemon) -> None:
    box.koji("add-user", "composer")
    authority.ensure(box.layout.ca_dir, "composer")
    with box.session("composer") as session:
        with pytest.raises(koji.ActionNotAllowed):
            session.runroot(TAG, ARCH, "true", channel=HOST)
        box.koji("grant-permission", "--new", "runroot", "composer")
        box.admin.cancelTask(session.runroot(TAG, "noarch", "true", channel=HOST))


def test_a_missing_default_mount_is_the_hosts_fault(box: Sandbox, repository: int, runner: Daemon, share: Path) -> None:
    share.rename(share.with_name("away"))
    try:
        task_id = ask(box, "true")
        wait_for(lambda: runner.lines(f"Refusing task {task_id}: a default mount of runroot.conf fails"), 90)
        wait_for(lambda: box.state(task_id) == "FREE", 60)
        box.admin.cancelTask(task_id)
    finally:
        share.with_name("away").rename(share)


def test_a_wrong_file_stops_the_start_with_one_line(box: Sandbox) -> None:
    configs = box.layout.dir / "wrong-configs"
    configs.mkdir()
    (configs / "runroot.conf").write_text("[paths]\ndefault_mounts = /mnt/archive\n")
    daemon = box.daemon("runroot-wrong", plugin="runroot", plugin_config_dir=configs)
    assert daemon.run() == 1
    (line,) = daemon.lines(r"^kojid: ")
    assert f"{configs}/runroot.conf: [paths] default_mounts: no section [pathN]" in line
    assert "take runroot out of the plugin option" in line and "Traceback" not in daemon.log


def test_mounts_go_with_a_killed_task_a_killed_daemon_and_a_cancelled_task(
    box: Sandbox, repository: int, runner: Daemon, share: Path
) -> None:
    mockdir = runner.options["mockdir"]
    ledger = Ledger(Path(runner.options["state_dir"]) / "ledger")
    task_id = ask(box, "echo > /mnt/archive/work/begun; sleep 600", mounts=["/mnt/archive/work"])

    def begun() -> str:
        """Wait for the command; returns the mounted chroot."""
        wait_for(lambda: (share / "work" / "begun").exists(), 120, box.describe(task_id))
        (share / "work" / "begun").unlink()
        found = mounts.mounts_under(mockdir)
        assert len(found) == 2, found
        return found[-1]

    def kill_task() -> None:
        (record,) = (one for one in ledger.tasks() if one.task_id == task_id)
        os.kill(record.pid, signal.SIGKILL)

    def gone(*places: str) -> bool:
        return not set(places) & set(mounts.mounts_under(mockdir))

    first = begun()
    kill_task()
    wait_for(lambda: gone(first), 60, "the mounts of a killed task")

    second = begun()  # the hub gave it back to this host
    assert second != first
    kill(runner)
    kill_task()
    assert not gone(second)
    runner.start()
    wait_for(lambda: gone(second), 60, "the mounts of a task that was killed while there was no daemon")

    third = begun()
    kill(runner)
    runner.start()
    assert not gone(third)  # the task goes on under the new daemon
    box.koji("cancel", str(task_id))
    wait_for(lambda: not mounts.mounts_under(mockdir), 60, "the mounts of a cancelled task")
    assert (share / "note").exists() and (share / "work").is_dir()
