"""Whether a host takes work, and the reason when it does not."""

from __future__ import annotations

import logging
from typing import Any, Callable
from unittest.mock import Mock

import pytest

from kojid.daemon import admission
from kojid.daemon.admission import Admission, Host
from kojid.daemon.probes import PLACES, Answer
from kojid.system.storage import Room
from tests.support import options

DATA = {"enabled": True, "capacity": 2.0}
MISSING = "No such file or directory"


class Site:
    """A host whose file systems, certificate and settings a test changes."""

    def __init__(self, **settings: Any) -> None:
        self.answers = {place: Answer(f"/{place}", Room(20000, 500000)) for place in PLACES}
        self.certificate = ""
        probes = Mock()
        probes.answer.side_effect = lambda place: self.answers[place]
        self.admission = Admission(options(**{"maxjobs": 3, **settings}), probes, lambda: self.certificate)

    def judge(self, data: Any = DATA, load: float = 0.0, tasks: int = 0, **more: Any) -> admission.Verdict:
        return self.admission.judge(Host(data, load, tasks, **more))

    def without(self, place: str, trouble: str) -> None:
        self.answers[place] = Answer(f"/{place}", None, trouble)

    def with_room(self, place: str, *numbers: Any, **more: Any) -> None:
        self.answers[place] = Answer(f"/{place}", Room(*numbers, **more))


@pytest.fixture(autouse=True)
def _idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission.storage, "load_average", lambda: 0.5)
    monkeypatch.setattr(admission.storage, "cpu_count", lambda: 2)
    monkeypatch.setattr(admission.pressure, "available_memory_mb", lambda: 4000)


@pytest.fixture
def site() -> Site:
    return Site()


def test_an_idle_host_is_ready(site: Site) -> None:
    assert site.judge().ready


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"restart_pending": True, "data": {"enabled": False}}, "Pending restart"),
        ({"data": {"enabled": False, "capacity": 0.0}, "load": 9.0}, "Host is disabled"),
        ({"load": 2.01, "tasks": 9}, "Task load (2.01) exceeds capacity (2.00)"),
        ({"tasks": 3}, "Full queue: 3 of 3 jobs"),
        ({"tasks": 5, "waiting": 2}, "Full queue: 3 of 3 jobs"),
    ],
)
def test_the_first_obstacle_in_the_contracts_order_is_the_reason(site: Site, case: dict[str, Any], reason: str) -> None:
    site.with_room("mockdir", 0)
    found = site.judge(**case)
    assert not found.ready
    assert found.reason == reason


def test_a_load_that_equals_the_capacity_is_fine(site: Site) -> None:
    assert site.judge(load=2.0).ready


def test_a_task_that_waits_for_its_subtasks_fills_no_place(site: Site) -> None:
    assert site.judge(tasks=3, waiting=1).ready
    assert site.judge(tasks=50, waiting=48).ready


def test_without_max_waiting_it_does_as_in_the_stock_daemon() -> None:
    settings = options(maxjobs=3, max_waiting=0)
    assert Site(max_waiting=0).judge(tasks=3, waiting=3).reason == "Full queue: 3 of 3 jobs"
    assert admission.places(settings, 3) == 3
    assert admission.max_waiting(options(maxjobs=3)) == 12


def test_a_busy_machine_is_not_ready(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission.storage, "load_average", lambda: 8.1)
    assert site.judge().reason == "Load average 8.10 > 8.00"
    assert Site(max_load=5).judge().ready
    assert Site(max_load=0).judge().ready


CASES: list[tuple[Callable[[Site], None], str]] = [
    (lambda s: s.with_room("mockdir", 8191), "Insufficient disk space at /mockdir: 8191 MB, 8192 MB required"),
    (lambda s: s.without("mockdir", MISSING), f"No disk space can be told at /mockdir: {MISSING}"),
    (lambda s: s.without("mockdir", "not asked yet"), "No disk space can be told at /mockdir: not asked yet"),
    (lambda s: s.with_room("mockdir", 9000, 9999), "Insufficient inodes at /mockdir: 9999, 10000 required"),
    (lambda s: s.with_room("mockdir", 9000, read_only=True), "The file system of /mockdir is read-only"),
    (lambda s: s.with_room("workdir", 511), "Insufficient disk space at /workdir: 511 MB, 512 MB required"),
    (lambda s: s.with_room("workdir", 600, 3), "Insufficient inodes at /workdir: 3, 10000 required"),
    (lambda s: s.with_room("log_file", 63), "Insufficient disk space at /log_file: 63 MB, 64 MB required"),
    (lambda s: s.without("workdir", "does not answer"), "No disk space can be told at /workdir: does not answer"),
    (lambda s: s.without("topdir", "does not answer"), "The Koji volume at /topdir can't be used: does not answer"),
    (lambda s: setattr(s, "certificate", "it has expired"), "it has expired"),
]


@pytest.mark.parametrize(("change", "reason"), CASES, ids=[reason for _, reason in CASES])
def test_what_the_machine_lacks_is_the_reason(site: Site, change: Callable[[Site], None], reason: str) -> None:
    change(site)
    found = site.judge()
    assert (found.ready, found.reason) == (False, reason)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.with_room("mockdir", 9000, -1),
        lambda s: s.without("workdir", MISSING),
        lambda s: s.without("topdir", MISSING),
        lambda s: s.without("log_file", MISSING),
        lambda s: s.with_room("topdir", 0, 0, read_only=True),
    ],
    ids=["inodes not counted", "no workdir yet", "no volume", "no log directory", "a full and read-only volume"],
)
def test_what_does_no_harm_is_no_reason(site: Site, change: Callable[[Site], None]) -> None:
    change(site)
    assert site.judge().ready


def test_little_memory_and_pressure_are_reasons_where_the_options_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission.pressure, "available_memory_mb", lambda: 100)
    monkeypatch.setattr(admission.pressure, "pressure", lambda kind: {"cpu": 80.0, "memory": 1.0, "io": None}[kind])
    assert Site().judge().reason == "Insufficient memory: 100 MB, 128 MB required"
    assert Site(minmemory=0).judge().ready
    wary = Site(minmemory=0, max_pressure_cpu=75, max_pressure_memory=75, max_pressure_io=75)
    assert wary.judge().reason == "Pressure on cpu: 80.00 % > 75 %"


def test_a_reason_is_told_when_it_changes_and_not_when_only_its_figures_do(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for free in (20, 10, 30):
        site.with_room("mockdir", free)
        site.judge()
    site.judge(tasks=3)
    for _ in range(2):
        site.with_room("mockdir", 9000)
        site.judge()
    assert [record.getMessage() for record in caplog.records] == [
        "Insufficient disk space at /mockdir: 20 MB, 8192 MB required",
        "Full queue: 3 of 3 jobs",
        "Ready for tasks again",
    ]


def test_the_contracts_debug_lines_come_each_time(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site.with_room("mockdir", 20)
    for _ in range(2):
        site.judge()
    lines = [record.getMessage() for record in caplog.records if record.levelname == "DEBUG"]
    one = [
        f"hostdata: {DATA}",
        "disk space available in '/mockdir': 20 MB",
        "Not ready for task: Insufficient disk space at /mockdir: 20 MB, 8192 MB required",
    ]
    assert lines == one * 2


def test_a_verdict_says_since_when(site: Site) -> None:
    site.with_room("mockdir", 20)
    first = site.judge()
    site.with_room("mockdir", 10)
    assert site.judge().since == first.since > 0
