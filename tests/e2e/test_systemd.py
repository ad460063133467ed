"""The daemon under a real systemd: the unit as it is shipped, in a container of this machine's own files."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

from kojid.sandbox import configuration, content
from kojid.sandbox.distro.sources import samples
from tests.support import systemdmachine
from tests.support.sandbox import Sandbox, wait_for
from tests.support.systemdmachine import Machine

pytestmark = [pytest.mark.e2e, pytest.mark.root]
CHECKOUT = Path(__file__).resolve().parents[2]
HOST = "under-systemd"
STATUS = re.compile(r"\d+/10 jobs, load \d+\.\d, [\d.]+ GB free")


@pytest.fixture(scope="module")
def container(box: Sandbox) -> Iterator[Machine]:
    """A container in which the unit is installed and running."""
    with systemdmachine.container() as made:
        install(made)
        options = box.daemon(HOST).options
        for name in ("state_dir", "log_file", "task_log_dir"):
            del options[name]  # as installed
        configuration.write_builder(made.file("/etc/kojid/kojid.conf"), options)
        made.boot([box.layout.dir, CHECKOUT])
        started = made.run("systemctl", "start", "kojid", timeout=100, check=False)
        assert started.returncode == 0, made.run("journalctl", "--no-pager", "--lines=40").stdout
        yield made


def install(container: Machine) -> None:
    """Put the unit, and what belongs to it, where a package does."""
    container.forget_account("kojibuilder")
    shutil.copy(CHECKOUT / "systemd/kojid.service", container.file("/usr/lib/systemd/system/kojid.service"))
    for kind in ("sysusers.d", "tmpfiles.d"):
        shutil.copy(CHECKOUT / "packaging" / kind / "kojid.conf", container.file(f"/usr/lib/{kind}/kojid.conf"))
    container.file("/usr/sbin/kojid").symlink_to(CHECKOUT / "bin/kojid")


def status(container: Machine) -> Dict[str, Any]:
    return dict(json.loads(container.run("/usr/sbin/kojid", "status", "--json", check=False).stdout))


def running(container: Machine, task: int) -> Tuple[int, int]:
    """Wait until a task runs; returns the pids of the daemon and the task, as the container counts them."""

    def found() -> Tuple[int, int]:
        now = status(container)
        pids = [row["pid"] for row in now["tasks"] if row["id"] == task and row["state"] != "ended"]
        return (now["pid"], pids[0]) if now["daemon"] == "runs" and pids and pids[0] else (0, 0)

    pids = (0, 0)

    def runs() -> bool:
        nonlocal pids
        pids = found()
        return bool(pids[1])

    wait_for(runs, 60, f"task {task} runs: {status(container)}")
    return pids


def text(container: Machine) -> str:
    return container.show("kojid", "StatusText")["StatusText"]


def test_the_unit_is_sound_and_its_exposure_is_the_one_that_the_guide_gives(container: Machine) -> None:
    checked = container.run("systemd-analyze", "verify", "kojid.service")
    assert [line for line in (checked.stdout + checked.stderr).splitlines() if "kojid" in line] == []
    verdict = container.run("systemd-analyze", "security", "--no-pager", "kojid.service").stdout.splitlines()[-1]
    figure = re.search(r"exposure level for kojid.service: ([\d.]+)", verdict)
    assert figure is not None
    assert f"**{figure.group(1)}**" in (CHECKOUT / "docs/operations.md").read_text()


def test_it_is_ready_once_it_can_work_and_says_how_it_is(box: Sandbox, container: Machine) -> None:
    assert container.show("kojid", "ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}
    wait_for(lambda: box.admin.getHost(HOST, strict=True)["ready"], 30)
    wait_for(lambda: STATUS.fullmatch(text(container)), 20, "a status without work")
    assert text(container).startswith("0/10 jobs, ")


def test_users_and_directories_are_those_of_the_package(container: Machine) -> None:
    account = container.run("getent", "passwd", "kojibuilder").stdout.rstrip().split(":")
    assert account[5] == "/builddir"
    assert account[6].endswith("/sbin/nologin")
    assert "mock" in container.run("id", "-Gn", "kojibuilder").stdout.split()
    modes = container.run("stat", "-c", "%a %U %n", "/etc/mock/koji", "/var/lib/kojid", "/var/lib/kojid/ledger").stdout
    assert modes == "755 kojibuilder /etc/mock/koji\n755 root /var/lib/kojid\n700 root /var/lib/kojid/ledger\n"


def test_a_build_is_in_the_status_and_its_records_can_be_asked_for(
    box: Sandbox, container: Machine, repository: int, srpms: Path
) -> None:
    source = box.upload(samples.talking_build(srpms, "journaled", seconds=4))
    tag = box.admin.getTag(content.BUILD_TAG, strict=True)["id"]
    task = box.task("buildArch", source, tag, content.machine_arch(), True, {"repo_id": repository}, channel=HOST)
    wait_for(lambda: "building journaled-1.0" in text(container), 60, "the package in the status")
    assert re.match(r"1/10 jobs, load [\d.]+, [\d.]+ GB free; building journaled-1\.0$", text(container))
    box.closed(task)
    records = container.journal(f"TASK_ID={task}")
    assert {record["METHOD"] for record in records} == {"buildArch"}
    assert {record["NVR"] for record in records} == {"journaled-1.0-1.sandbox"}
    buildroots = {record["BUILDROOT"] for record in records if "BUILDROOT" in record}
    assert len(buildroots) == 1
    assert buildroots.pop().startswith(f"{content.BUILD_TAG}-")
    assert {record["_SYSTEMD_UNIT"] for record in records} == {"kojid.service"}
    assert {record["PRIORITY"] for record in records} <= {"4", "6"}


def test_nothing_is_in_the_journal_twice(container: Machine) -> None:
    records = container.journal("_SYSTEMD_UNIT=kojid.service")
    assert [record for record in records if record["_TRANSPORT"] == "stdout"] == []
    started = [record for record in records if record["MESSAGE"] == "koji.build: Starting up"]
    assert [record["_TRANSPORT"] for record in started] == ["journal"]


def test_a_reload_keeps_the_tasks(box: Sandbox, container: Machine) -> None:
    task = box.task("sleep", 600, channel=HOST)
    before = running(container, task)
    container.run("systemctl", "reload", "kojid")
    wait_for(lambda: container.journal("_SYSTEMD_UNIT=kojid.service", "--grep=still runs: re-attached"), 40)
    wait_for(lambda: container.show("kojid", "ActiveState")["ActiveState"] == "active", 20)
    assert running(container, task) == before
    assert box.state(task) == "OPEN"
    box.admin.cancelTask(task)


def test_a_daemon_that_stands_still_is_replaced_and_its_tasks_keep_their_processes(
    box: Sandbox, container: Machine
) -> None:
    container.run("mkdir", "-p", "/run/systemd/system/kojid.service.d")
    container.run("sh", "-c", "printf '[Service]\\nWatchdogSec=4s\\n' > /run/systemd/system/kojid.service.d/soon.conf")
    container.run("systemctl", "daemon-reload")
    container.run("systemctl", "restart", "kojid", timeout=100)
    task = box.task("sleep", 600, channel=HOST)
    daemon, pid = running(container, task)
    container.run("kill", f"-{int(signal.SIGSTOP)}", str(daemon))
    wait_for(lambda: container.show("kojid", "NRestarts")["NRestarts"] == "1", 40, "the watchdog's restart")
    wait_for(lambda: container.show("kojid", "SubState")["SubState"] == "running", 60, "the next daemon")
    next_daemon, same = running(container, task)
    assert next_daemon != daemon
    assert same == pid
    assert any("Watchdog timeout" in record["MESSAGE"] for record in container.journal("UNIT=kojid.service"))
    assert box.state(task) == "OPEN"
    box.admin.cancelTask(task)


def test_a_stop_gives_the_tasks_back(box: Sandbox, container: Machine) -> None:
    task = box.task("sleep", 600, channel=HOST)
    _, pid = running(container, task)
    container.run("systemctl", "stop", "kojid", timeout=100)
    assert container.show("kojid", "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    assert box.state(task) == "FREE"
    assert container.run("kill", "-0", str(pid), check=False).returncode != 0
    box.admin.cancelTask(task)
