"""A builder behind a network and a hub that fail: what it does goes on, is done once, and arrives."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import koji
import pytest

from kojid.sandbox.distro.sources import samples
from kojid.sandbox.layout import BUILDER
from tests.support.faultproxy import OF_ANY_TASK, FaultProxy, delay, drip, lose, offline, page, reset
from tests.support.mailserver import MailServer
from tests.support.sandbox import Daemon, Sandbox, alive, open_directory, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

# Everything that a build, a scratch build and a repository have a builder change on the hub.
CHANGES = [
    "exclusiveSession",
    *OF_ANY_TASK,
    "host.closeTask",
    "host.repoInit",
    "host.repoDone",
    "host.newBuildRoot",
    "host.setBuildRootState",
    "host.setBuildRootList",
    "host.updateBuildRootList",
    "host.initBuild",
    "host.completeBuild",
    "host.tagBuild",
    "host.moveBuildToScratch",
    "repo.request",
    "rawUpload",
    "logoutChild",
]
ONCE = {"host.initBuild", "host.completeBuild", "host.tagBuild", "host.moveBuildToScratch", "repo.request"}
PATIENCE: Dict[str, Any] = {"max_retries": 100, "retry_interval": 1, "offline_retry_interval": 1}


@contextlib.contextmanager
def sandbox(mails: MailServer, **settings: Any) -> Iterator[Sandbox]:
    with open_directory() as directory:
        made = Sandbox.make(directory, mails.port, **settings)
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def proxy_of(box: Sandbox, host: str) -> Iterator[FaultProxy]:
    with FaultProxy(box.hub.urls().server, box.layout.ca_dir, host) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def own(machine: None, mails: MailServer) -> Iterator[Sandbox]:
    """A sandbox of this module's own: its hub is killed and its sessions expire."""
    with sandbox(mails) as made:
        yield made


@pytest.fixture
def quick(own: Sandbox, request: pytest.FixtureRequest) -> Iterator[Callable[..., Daemon]]:
    """Starts builders behind proxies, each of a channel of its own; `daemon.proxy` is the proxy."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Daemon:
            name = f"host{len(own.daemons)}"
            proxy = stack.enter_context(proxy_of(own, name))
            daemon = own.daemon(name, server=proxy.url, **{**PATIENCE, **options})
            daemon.proxy = proxy  # type: ignore[attr-defined]
            stack.callback(daemon.stop)
            return daemon.start()

        yield start


def sleep(box: Sandbox, daemon: Daemon, seconds: int) -> int:
    """A task that sleeps in its own process by now."""
    task_id = box.task("sleep", seconds, channel=daemon.name)
    wait_for(lambda: box.state(task_id) == "OPEN" and daemon.descendants(), 30)
    return task_id


# -- lost replies


@pytest.mark.parametrize("strict", [True, False], ids=["numbers enforced", "numbers ignored"])
def test_a_build_in_which_every_reply_is_lost_is_complete_and_done_once(
    machine: None, mails: MailServer, strict: bool
) -> None:
    with sandbox(mails, strict_call_numbers=strict) as box, proxy_of(box, BUILDER) as proxy:
        for name in CHANGES:
            proxy.on(name, lose())
            if name not in ONCE:
                proxy.on(name, page(502, done=True), nth=2 if name in ("host.repoInit", "host.repoDone") else 3)
        daemon = box.daemon(BUILDER, server=proxy.url, **PATIENCE).start()
        box.regenerate()
        source = box.layout.sources / "tests"
        source.mkdir()
        build = box.submit(samples.noarch(source, "words"), "words")
        scratch = box.submit(samples.noarch(source, "others"), scratch=True)
        chain, waits = box.task("subtask", 2), box.task("waittest", 3, 0)
        for task_id in (build, scratch, chain, waits):
            box.closed(task_id)

        _assert_built_once(box, build)
        _assert_made_once(box, build, ["buildArch", "rebuildSRPM", "tagBuild"])
        _assert_made_once(box, scratch, ["buildArch", "rebuildSRPM"])
        assert [row["method"] for row in box.admin.getTaskChildren(chain)] == ["subtask"]
        assert len(box.admin.getTaskChildren(waits)) == 4
        assert {name for one in proxy.seen if one.fault is not None for name in (one.name, *one.parts)} >= set(CHANGES)
        assert daemon.stop() == 0
        assert "RetryError" not in daemon.log


def _assert_built_once(box: Sandbox, task_id: int) -> None:
    builds = box.admin.listBuilds(taskID=task_id)
    assert [build["state"] for build in builds] == [koji.BUILD_STATES["COMPLETE"]]
    assert len(box.admin.listTags(build=builds[0]["build_id"])) == 1


def _assert_made_once(box: Sandbox, task_id: int, methods: List[str]) -> None:
    children = box.admin.getTaskChildren(task_id)
    assert sorted(row["method"] for row in children) == methods
    for row in children:
        roots = box.admin.listBuildroots(taskID=row["id"])
        assert [koji.BR_STATES[root["state"]] for root in roots] == ["EXPIRED"] * (row["method"] != "tagBuild")


# -- outages


@pytest.fixture(scope="module")
def builds(own: Sandbox) -> Iterator[Daemon]:
    """The builder that takes builds, behind a proxy."""
    with proxy_of(own, BUILDER) as proxy:
        daemon = own.daemon(BUILDER, server=proxy.url, **PATIENCE)
        daemon.proxy = proxy  # type: ignore[attr-defined]
        daemon.start()
        own.regenerate()
        yield daemon
        assert daemon.stop() == 0


def test_a_build_goes_on_through_an_outage_and_delivers_afterwards(own: Sandbox, builds: Daemon) -> None:
    proxy: FaultProxy = builds.proxy  # type: ignore[attr-defined]
    lines = "for i in $(seq 40); do echo line $i of the build; sleep 0.05; done"
    task_id = own.submit(samples.noarch(own.layout.sources, "outlasts", build=lines), "outlasts")
    arch = wait_for(lambda: _started(own, task_id, "buildArch"), 60)
    wait_for(lambda: "line 3 of the build" in _build_log(own, arch["id"]), 60)
    pids = builds.descendants()

    down = time.monotonic()
    proxy.down()
    wait_for(lambda: not [line for line in own.processes() if "line $i" in line or "rpmbuild" in line], 30)
    wait_for(lambda: time.monotonic() > down + 10, 20)
    at_the_end = _build_log(own, arch["id"])
    proxy.on("*", offline(), times=4)
    proxy.on("*", page(503), nth=5, times=3)
    assert alive(pids)
    proxy.up()

    own.closed(task_id)
    after = own.admin.getTaskInfo(arch["id"])
    assert "line 40 of the build" not in at_the_end
    log = _build_log(own, arch["id"])
    assert [line for line in log.splitlines() if line.startswith("line ")] == [
        f"line {number} of the build" for number in range(1, 41)
    ]
    assert after["start_ts"] == arch["start_ts"]
    _assert_built_once(own, task_id)
    _assert_made_once(own, task_id, ["buildArch", "rebuildSRPM", "tagBuild"])


def _started(box: Sandbox, task_id: int, method: str) -> Any:
    rows = [row for row in box.admin.getTaskChildren(task_id) if row["method"] == method]
    return rows[0] if rows and rows[0]["state"] == koji.TASK_STATES["OPEN"] else None


def _build_log(box: Sandbox, task_id: int) -> str:
    try:
        return box.log(task_id, "build.log")
    except koji.GenericError:
        return ""


def test_a_hub_that_is_killed_and_started_finds_its_tasks_at_work(own: Sandbox, quick: Callable[..., Daemon]) -> None:
    daemon = quick()
    task_id = sleep(own, daemon, 4)
    below = daemon.descendants()
    hub = own.hub.service.pid()
    assert hub is not None
    os.kill(hub, signal.SIGKILL)
    wait_for(lambda: daemon.lines("this cycle failed: .*refused|this cycle failed: .*closed the connection"), 20)
    own.hub.stop()
    own.hub.start()
    assert alive(below) == below

    own.closed(task_id)
    assert own.admin.getTaskInfo(task_id)["completion_ts"] - own.admin.getTaskInfo(task_id)["start_ts"] >= 4
    own.closed(own.task("sleep", 0, channel=daemon.name))


# -- the daemon's own calls


def test_a_hub_that_falls_silent_costs_a_heartbeat_its_time_limit_and_no_more(
    own: Sandbox, quick: Callable[..., Daemon]
) -> None:
    daemon = quick(timeout=2)
    task_id = sleep(own, daemon, 1)
    daemon.proxy.freeze()  # type: ignore[attr-defined]
    wait_for(lambda: len(daemon.lines("this cycle failed.*no answer|this cycle failed.*[Tt]imed out")) >= 2, 30)
    thawed = time.time()
    daemon.proxy.thaw()  # type: ignore[attr-defined]
    wait_for(lambda: own.admin.getHost(daemon.host)["update_ts"] > thawed, 2 + 3)
    own.closed(task_id)


def test_a_silent_hub_does_not_hold_up_the_end(own: Sandbox, quick: Callable[..., Daemon]) -> None:
    daemon = quick()
    task_id = sleep(own, daemon, 600)
    below = daemon.descendants()
    daemon.proxy.freeze()  # type: ignore[attr-defined]
    begun = time.monotonic()
    assert daemon.stop(40) == 0
    assert time.monotonic() - begun < 20
    assert alive(below) == []
    assert own.state(task_id) == "OPEN"  # the hub was not told, the next daemon gives it back
    own.admin.cancelTask(task_id)


def test_tasks_are_all_done_on_a_bad_line(own: Sandbox, quick: Callable[..., Daemon]) -> None:
    daemon = quick(timeout=5)
    proxy: FaultProxy = daemon.proxy  # type: ignore[attr-defined]
    faults = [reset(), page(502), drip(0.0002), delay(0.2), lose(), page(504, done=True), offline()]
    for place, fault in enumerate(faults * 6):
        proxy.on("*", fault, nth=4 + 3 * place)
    tasks = [own.task("sleep", 0, channel=daemon.name) for _ in range(24)]
    for task_id in tasks:
        own.closed(task_id, 60)
    assert sum(proxy.hits().values()) > 10
    assert "Traceback" not in "".join(daemon.lines("TRACEBACK|FAULT"))


# -- sessions


def test_sessions_that_expire_are_renewed_by_the_daemon_and_by_its_tasks(
    own: Sandbox, quick: Callable[..., Daemon]
) -> None:
    daemon = quick()
    task_id = sleep(own, daemon, 2)
    before = _logins(daemon)
    _change_sessions(own, daemon, "start_time = 1, renew_time = NULL")
    own.closed(task_id)
    own.closed(own.task("sleep", 0, channel=daemon.name))
    assert _logins(daemon) >= before + 2  # the daemon, and the task in its own session
    assert len(daemon.lines("Starting up")) == 1


def test_a_hub_ahead_of_the_call_numbers_is_followed(own: Sandbox, quick: Callable[..., Daemon]) -> None:
    daemon = quick()
    task_id = sleep(own, daemon, 3)
    _change_sessions(own, daemon, "callnum = coalesce(callnum, 0) + 5000")
    own.closed(task_id)
    own.closed(own.task("sleep", 0, channel=daemon.name))
    assert daemon.lines("The hub has seen later calls of this session")


def _logins(daemon: Daemon) -> int:
    proxy: FaultProxy = daemon.proxy  # type: ignore[attr-defined]
    return proxy.names().count("sslLogin")


def _change_sessions(box: Sandbox, daemon: Daemon, change: str) -> None:
    """Change the sessions of a builder in the hub's database, as nothing but time or a crash could."""
    database = Path(box.layout.hub_dir, "hub.db")
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        sql = f"UPDATE sessions SET {change} WHERE closed = 0 AND user_id = (SELECT id FROM users WHERE name = ?)"
        assert connection.execute(sql, (daemon.host,)).rowcount
