"""A hub that was started as an older release lacks what came later (contract 14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import koji
import pytest

from kojid.sandbox.hub.settings import HostSetting
from tests.support.sandboxhub import Caller, kernel_for_tests

Make = Callable[[str], Caller]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A hub of a version, and its build host's session."""
    kernels = []

    def made(version: str, **settings: Any) -> Caller:
        kernel = kernel_for_tests(tmp_path / version, version=version, run_interval=0.0, **settings)
        kernels.append(kernel)
        caller = Caller(kernel, "builder", exclusive=True)
        caller("host.updateHost", 0.0, True)
        return caller

    yield made
    for kernel in kernels:
        kernel.store.close()


@pytest.mark.parametrize(
    ("method", "args", "since"),
    [
        ("host.getTasks", (), "1.34.0"),
        ("scheduler.getTaskRuns", (), "1.34.0"),
        ("repo.queryQueue", (), "1.35.0"),
    ],
)
def test_methods_of_later_releases_are_invalid(make: Make, method: str, args: Any, since: str) -> None:
    make(since)(method, *args)
    for older in ("1.30.1", "1.33.2"):
        caller = make(older)
        with pytest.raises(koji.GenericError, match=f"Invalid method: {method}"):
            caller(method, *args)
        assert method not in caller("system.listMethods")
        assert caller("system.methodHelp", method) == ""


@pytest.mark.parametrize(("version", "takes"), [("1.33.2", False), ("1.34.0", False), ("1.34.1", True)])
def test_arguments_of_later_releases_are_refused(make: Make, version: str, takes: bool) -> None:
    caller = make(version)
    if takes:
        caller("host.updateHost", 0.0, True, data={"maxjobs": 3})
    else:
        with pytest.raises(koji.ParameterError, match="data"):
            caller("host.updateHost", 0.0, True, data={"maxjobs": 3})
        with pytest.raises(koji.ParameterError):
            caller("host.updateHost", 0.0, True, {"maxjobs": 3})
        assert "data" not in caller("system.methodHelp", "host.updateHost").splitlines()[0]


def test_the_older_form_of_a_method_is_the_only_one(make: Make) -> None:
    caller = make("1.33.2")
    with pytest.raises(koji.ParameterError, match="opts"):
        caller("host.repoInit", "nothing", opts={})
    with pytest.raises(koji.GenericError, match="nothing"):
        caller("host.repoInit", "nothing", None, True, True)
    with pytest.raises(koji.GenericError, match="nothing"):
        caller("host.repoInit", "nothing", task_id=None, with_debuginfo=True, event=None)


def test_before_1_31_nobody_says_which_session_is_to_be_closed(make: Make) -> None:
    with pytest.raises(koji.ParameterError):
        make("1.30.1")("logout", session_id=None)
    assert make("1.31.0")("logout", session_id=None) is None


@pytest.mark.parametrize(("version", "in_headers"), [("1.30.1", False), ("1.31.0", True)])
def test_the_login_says_how_sessions_travel(make: Make, version: str, in_headers: bool) -> None:
    assert ("header-auth" in make(version).info) is in_headers


HOSTS = (
    HostSetting("builder", arches="x86_64 i686", capacity=4.0),
    HostSetting("second", arches="s390x", channels=("default", "image")),
    HostSetting("silent"),
    HostSetting("off"),
)


def test_the_load_of_all_hosts_is_told_to_each(make: Any) -> None:
    builder = make("1.33.2", hosts=HOSTS)
    admin, second, off = (Caller(builder.kernel, name) for name in ("admin", "second", "off"))
    for caller in (second, off):
        caller("exclusiveSession")
        caller("host.updateHost", 1.5, True)
    admin("disableHost", "off")
    hosts, tasks = builder("host.getLoadData")
    assert [host["name"] for host in hosts] == ["builder", "second"]
    assert hosts[1]["task_load"] == 1.5
    assert set(hosts[0]) == {"id", "name", "arches", "task_load", "capacity", "channels"}
    assert hosts[0]["channels"] == [admin("getChannel", name)["id"] for name in ("default", "createrepo")]
    assert tasks == []


def test_a_host_is_offered_what_it_could_do_and_what_is_assigned_to_it(make: Any) -> None:
    builder = make("1.33.2", hosts=HOSTS)
    admin = Caller(builder.kernel, "admin")
    wanted = [
        admin("makeTask", "sleep", [0], priority=5),
        admin("makeTask", "sleep", [0]),
        admin("makeTask", "sleep", [0], arch="i686"),
        admin("makeTask", "sleep", [0], arch="s390x", assign="builder"),
    ]
    admin("makeTask", "sleep", [0], arch="s390x")
    admin("makeTask", "sleep", [0], channel="image")
    admin("makeTask", "sleep", [0], assign="second")
    _hosts, tasks = builder("host.getLoadData")
    assert [task["id"] for task in tasks] == wanted
    assert set(tasks[0]) == {"id", "state", "channel_id", "host_id", "arch", "method", "priority", "create_time"}
    assert [task["state"] for task in tasks] == [0, 0, 0, 4]
    assert builder("host.openTask", wanted[1])["state"] == 1


def test_a_host_that_is_not_ready_is_told_nothing(make: Any) -> None:
    builder = make("1.33.2")
    builder("host.updateHost", 0.0, False)
    assert builder("host.getLoadData") == [[], []]


def test_a_hub_with_a_scheduler_tells_a_host_of_itself_only(make: Any) -> None:
    builder = make("1.35.3", hosts=HOSTS)
    task_id = Caller(builder.kernel, "admin")("makeTask", "sleep", [0])
    hosts, tasks = builder("host.getLoadData")
    assert [host["name"] for host in hosts] == ["builder"]
    assert [(task["id"], task["state"]) for task in tasks] == [(task_id, 4)]
