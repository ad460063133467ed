"""The daemon in one line."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any, List

import pytest

from kojid.daemon import headline
from kojid.daemon.admission import Verdict


@pytest.fixture(autouse=True)
def _load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (2.14, 1.0, 0.5))


def line(*subjects: str, ready: bool = True, free_mb: Any = 62500) -> str:
    jobs: List[Any] = [
        SimpleNamespace(method=text.split()[0], record=SimpleNamespace(subject=text)) for text in subjects
    ]
    return headline.line(Verdict(ready, "" if ready else "Host is disabled", "", 0.0), len(jobs), 10, free_mb, jobs)


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        ((), "0/10 jobs, load 2.1, 61 GB free"),
        (
            ("build (demo, hello-2.10-1.src.rpm)", "buildArch (hello-2.10-1.src.rpm, x86_64)"),
            "2/10 jobs, load 2.1, 61 GB free; building hello-2.10",
        ),
        (
            ("buildArch (a-1-1.src.rpm, x86_64)", "newRepo (demo-build)", "build (demo, /x.git:HEAD)"),
            "3/10 jobs, load 2.1, 61 GB free; building a-1; newRepo",
        ),
        (
            tuple(f"buildArch (p{number}-1.0-1.src.rpm, x86_64)" for number in range(5)),
            "5/10 jobs, load 2.1, 61 GB free; building p0-1.0, p1-1.0, p2-1.0, 2 more",
        ),
    ],
)
def test_it_tells_jobs_load_room_and_work(subjects: Any, expected: str) -> None:
    assert line(*subjects) == expected


def test_what_keeps_it_from_work_is_told_and_what_is_not_known_is_left_out() -> None:
    assert line(ready=False, free_mb=None) == "0/10 jobs, load 2.1; not ready: Host is disabled"
    assert line(free_mb=5321) == "0/10 jobs, load 2.1, 5.2 GB free"


def test_a_job_without_a_record_shows_its_method() -> None:
    job: Any = SimpleNamespace(method="sleep", record=None)
    assert headline.line(Verdict(True, "", "", 0.0), 1, 10, None, [job]) == "1/10 jobs, load 2.1; sleep"
