"""The metrics tell what really happened: tasks, calls, uploads, re-attachments and leaks, seen through the endpoint."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from kojid.metrics.table import COUNTER, GAUGE, HISTOGRAM, TABLE
from tests.support.builder import Builder, builder_of, wait_for
from tests.support.sandboxhub import SandboxHub, running_hub
from tests.support.scrape import Scrape, reaches, read, scrape, url

pytestmark = pytest.mark.e2e
PLUGINS = Path(__file__).parents[1] / "data" / "plugins"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def builder(hub: SandboxHub, tmp_path: Path) -> Iterator[Builder]:
    with builder_of(hub, tmp_path / "b", metrics_address="0", metrics_file=tmp_path / "kojid.prom") as made:
        made.start("--force-lock")
        wait_for(lambda: made.admin.getHost("builder")["ready"], what=lambda: made.log[-3000:])
        yield made
        for row in made.admin.listTasks(opts={"state": [0, 1, 4]}):
            made.admin.cancelTask(row["id"])


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_tasks_are_counted_by_how_they_ended_and_all_that_they_do_is(builder: Builder) -> None:
    tasks = [builder.task("sleep", 0) for _ in range(5)]
    bad = builder.task("sleep", "soon")
    gone = builder.task("sleep", 600)
    assert [builder.ends(task) for task in tasks] == ["CLOSED"] * 5
    assert builder.ends(bad) == "FAILED"
    pid = builder.running(gone).pid
    builder.admin.cancelTask(gone)
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    found = reaches(builder, 5, "kojid_tasks_ended_total", method="sleep", outcome="closed")
    found = reaches(builder, 1, "kojid_tasks_ended_total", method="sleep", outcome="stopped")
    assert found.get("kojid_tasks_ended_total", method="sleep", outcome="failed") == 1
    assert len(found.labels("kojid_tasks_ended_total")) == 3
    assert found.get("kojid_tasks_started_total", method="sleep") == 7
    assert sum(found.labels("kojid_task_faults_total").values()) == 1
    assert found.get("kojid_task_duration_seconds_count", method="sleep") == 7
    assert found.get("kojid_task_pickup_seconds_count") == 7
    assert 0 < found.get("kojid_task_pickup_seconds_sum") < 60  # type: ignore[operator]
    assert found.get("kojid_task_queue_seconds_count") == 7
    found = reaches(builder, 7, "kojid_task_phase_seconds_count", phase="at work")
    assert found.get("kojid_hub_calls_total", method="host.closeTask", result="ok") == 5
    assert found.get("kojid_hub_calls_total", method="host.failTask", result="ok") == 1
    assert found.get("kojid_hub_call_duration_seconds_count", method="host.closeTask") == 5
    assert found.get("kojid_jobs", state="running") == 0


def is_settled(seen: Scrape) -> bool:
    """Whether the hub has been reported to, and the file systems have answered."""
    asked = [seen.get("kojid_filesystem_free_bytes", place=place) for place in ("mockdir", "workdir", "log_file")]
    return bool(seen.get("kojid_heartbeats_total", result="ok")) and None not in asked and 0.0 not in asked


def test_the_daemon_tells_how_it_is(builder: Builder, tmp_path: Path) -> None:
    found = wait_for(lambda: seen if is_settled(seen := scrape(builder)) else None, what=lambda: scrape(builder).text)
    assert found is not None
    assert found.labels("kojid_build_info") == {(("version", __import__("kojid").__version__),): 1.0}
    now = time.time()
    for name in ("snapshot", "last_heartbeat", "hub_contact"):
        assert now - 15 < found.get(f"kojid_{name}_timestamp_seconds") <= now + 1, name  # type: ignore[operator]
    assert found.get("kojid_certificate_expiry_timestamp_seconds") > now  # type: ignore[operator]
    assert sum(found.labels("kojid_not_ready_reason").values()) == 1 - found.get("kojid_ready")  # type: ignore[operator]
    assert found.get("kojid_max_jobs") == 10
    assert found.get("kojid_capacity") == builder.admin.getHost("builder")["capacity"]
    for place in ("mockdir", "workdir", "log_file"):
        assert found.get("kojid_filesystem_free_bytes", place=place) > 0  # type: ignore[operator]
        assert found.get("kojid_filesystem_required_inodes", place=place) == 10000
    beats = found.get("kojid_heartbeats_total", result="ok")
    wait_for(lambda: scrape(builder).get("kojid_heartbeats_total", result="ok") > beats)  # type: ignore[operator]
    assert scrape(builder).get("kojid_late_tick_seconds_count") > 0  # type: ignore[operator]

    file = tmp_path / "kojid.prom"
    written = Scrape(wait_for(lambda: file.exists() and file.read_text()))  # type: ignore[arg-type]
    assert written.get("kojid_ready") in (0, 1)
    assert {name for name, _ in written.samples} >= {name for name, _ in found.samples} - {"kojid_capacity"}
    assert file.stat().st_mode & 0o777 == 0o644
    known = {metric.name for metric in TABLE}
    for metric in TABLE:
        if not metric.labels and metric.kind != GAUGE:
            sample = metric.name if metric.kind == COUNTER else f"{metric.name}_count"
            assert found.get(sample) is not None, metric.name
        assert f"# HELP {metric.name} " in found.text
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name, _ in found.samples} <= known | {
        metric.name for metric in TABLE if metric.kind == HISTOGRAM
    }

    program = shutil.which("promtool")
    if program:  # tests/unit/packaging says so when it is missing
        for text in (found.text, file.read_text()):
            done = subprocess.run(
                [program, "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=30
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    builder.admin.disableHost("builder")
    try:
        found = reaches(builder, 1, "kojid_not_ready_reason", kind="disabled")
        assert (found.get("kojid_ready"), found.get("kojid_not_ready_reason", kind="load")) == (0, 0)
    finally:
        builder.admin.enableHost("builder")
    assert builder.stop() == 0
    assert not file.exists()
    wait_for(lambda: not list(tmp_path.glob(".kojid.prom.*")))  # one may be on its way just now


def test_after_a_kill_the_next_daemon_counts_whom_it_took_up_and_how_the_others_ended(builder: Builder) -> None:
    long = [builder.task("sleep", 600) for _ in range(3)]
    pids = {task: builder.running(task).pid for task in long}
    exporter = url(builder)
    builder.kill()
    os.kill(pids[long[0]], signal.SIGKILL)
    with pytest.raises(OSError, match=r"refused|reset"):
        wait_for(lambda: read(exporter) is None, 5)  # it has gone with the daemon
    builder.start("--force-lock")
    found = reaches(builder, 2, "kojid_tasks_reattached_total")
    found = reaches(builder, 1, "kojid_tasks_ended_total", method="sleep", outcome="lost")
    os.kill(pids[long[1]], signal.SIGKILL)
    found = reaches(builder, 1, "kojid_tasks_ended_total", method="sleep", outcome="unknown")
    assert sum(found.labels("kojid_tasks_ended_total").values()) == 2

    started = found.get("kojid_start_time_seconds")
    assert started is not None
    living = len([task for task in long if builder.record(task) is not None])
    builder._told = len(builder.log)
    builder.send(signal.SIGHUP)  # begins anew in place: the port and the tasks are taken up
    found = scrape(builder)
    assert found.get("kojid_start_time_seconds") > started  # type: ignore[operator]
    reaches(builder, living, "kojid_tasks_reattached_total")


def test_faults_uploads_phases_and_leaks_are_told_by_the_tasks(hub: SandboxHub, tmp_path: Path) -> None:
    plugin = {"plugin": "counted", "pluginpath": PLUGINS}
    with builder_of(hub, tmp_path / "b", metrics_address="127.0.0.1:0", **plugin) as made:
        made.start("--force-lock")
        faults = [made.task("counted", kind) for kind in ("package", "internal")]
        host, upload, leave = (made.task("counted", kind) for kind in ("host", "upload", "leave"))
        assert [made.ends(task) for task in faults] == ["FAILED", "FAILED"]
        assert [made.ends(task) for task in (upload, leave)] == ["CLOSED", "CLOSED"]
        found = reaches(made, 1, "kojid_tasks_ended_total", method="counted", outcome="refused")
        made.admin.cancelTask(host)
        for kind in ("package", "internal", "host"):
            assert found.get("kojid_task_faults_total", method="counted", kind=kind) == 1
        # who finds it first: the end of its task, or the look for orphans at the end of another one
        wait_for(lambda: sum(scrape(made).labels("kojid_leaked_processes_total").values()) == 1)
        found = reaches(made, 1, "kojid_task_phase_seconds_count", phase="upload")
        assert found.get("kojid_task_phase_seconds_count", phase="rebuild") == 2  # before and after the upload
        assert found.get("kojid_upload_bytes_total") == 12345
        assert found.get("kojid_upload_block_duration_seconds_count") == 1
        assert found.get("kojid_hub_calls_total", method="rawUpload", result="ok") == 1
        assert found.get("kojid_leaked_mounts_total") == 0
        assert found.get("kojid_unkillable_processes_total") == 0


def test_hostile_clients_cost_the_daemon_nothing_and_what_is_asked_wrongly_is_refused(builder: Builder) -> None:
    address = url(builder)
    port = int(address.split(":")[2].split("/")[0])
    with pytest.raises(OSError, match="404"):
        read(address.replace("/metrics", "/other"))
    kind, text = read(address, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")
    open_ones = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
    for one in open_ones[:5]:
        one.sendall(b"GET /met")
    before = scrape(builder)
    assert before.get("kojid_ready") is not None
    for one in open_ones:
        one.close()
    assert builder.process is not None
    threads = os.listdir(f"/proc/{builder.process.pid}/task")
    assert len(threads) == 1


def test_without_the_options_nothing_is_imported_served_or_counted(hub: SandboxHub, tmp_path: Path) -> None:
    with builder_of(hub, tmp_path / "b") as made:
        made.start("--force-lock")
        wait_for(lambda: made.admin.getHost("builder")["ready"], what=lambda: made.log[-3000:])
        task = made.task("sleep", 600)
        made.running(task)
        assert made.process is not None
        assert not made.lines("metrics at")
        assert "prometheus" not in Path(f"/proc/{made.process.pid}/maps").read_text()
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children(made.process.pid)]
        assert sorted(names) == ["probe", f"task {task}"]
        made.admin.cancelTask(task)


def test_a_daemon_that_stands_still_is_told_by_its_last_figures(builder: Builder) -> None:
    address = url(builder)
    assert scrape(builder).get("kojid_snapshot_timestamp_seconds")
    builder.send(signal.SIGSTOP)
    try:
        stopped = time.time()
        found = Scrape(read(address)[1])
    finally:
        builder.send(signal.SIGCONT)
    assert time.time() - stopped < 9  # Prometheus waits for ten seconds
    assert found.get("kojid_snapshot_timestamp_seconds") < stopped + 0.5  # type: ignore[operator]
    wait_for(lambda: (scrape(builder).get("kojid_snapshot_timestamp_seconds") or 0) > stopped + 1)


def test_an_address_in_use_costs_the_metrics_and_nothing_else(hub: SandboxHub, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with builder_of(hub, tmp_path / "b", metrics_address=port, metrics_file=tmp_path / "no" / "dir") as made:
            made.start("--force-lock")
            wait_for(lambda: made.lines("Sleeping for") and made.lines(f"can't be served at 127.0.0.1:{port}"))
            assert made.stop() == 0
