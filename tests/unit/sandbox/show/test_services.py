"""Background processes: recognised for certain, ended for certain, and nobody else's."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Iterator

import pytest

from kojid.sandbox.errors import SandboxError
from kojid.sandbox.services import Service
from kojid.system import process

ENVIRONMENT = dict(os.environ)
SLEEPER = [sys.executable, "-c", "import time; print('sleeping', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service("sleeper", tmp_path / "sleeper.json", tmp_path / "console")
    yield made
    made.stop(5)


def prints(service: Service, words: str) -> None:
    service.wait_until(lambda: words in service.console.read_text(), 10)


def test_a_started_process_is_known_until_it_is_stopped(service: Service) -> None:
    assert service.pid() is None
    child = service.start(SLEEPER, ENVIRONMENT)
    prints(service, "sleeping")
    assert Service("same", service.record, service.console).pid() == child.pid
    with pytest.raises(SandboxError, match="runs already"):
        service.start(SLEEPER, ENVIRONMENT)
    assert service.stop(10) is True
    assert service.pid() is None
    assert service.stop(10) is False


def test_a_process_that_does_not_listen_is_killed(service: Service) -> None:
    service.start(STUBBORN, ENVIRONMENT)
    prints(service, "deaf")
    assert service.stop(0.2) is True
    assert service.pid() is None


def test_another_process_under_the_recorded_number_is_never_ended(service: Service) -> None:
    with process.spawn(SLEEPER, env=ENVIRONMENT, stdout=process.DEVNULL) as other:
        started = process.start_time(other.pid)
        assert started is not None
        service.record.write_text(json.dumps({"pid": other.pid, "start_time": started - 1}))
        assert service.pid() is None
        assert service.stop(5) is False
        assert other.running
        other.kill(signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "no json", "{}", '{"pid": "x", "start_time": 1}', "[]"])
def test_a_damaged_record_means_that_nothing_runs(service: Service, text: str) -> None:
    service.record.write_text(text)
    assert service.pid() is None


def test_the_end_of_a_process_is_told_with_its_last_words(service: Service) -> None:
    service.start([sys.executable, "-c", "raise SystemExit('no port is free')"], ENVIRONMENT)
    with pytest.raises(SandboxError, match="has ended:\n  no port is free"):
        service.wait_until(lambda: False, 10)


def test_a_process_that_never_gets_ready_is_told(service: Service) -> None:
    service.start(SLEEPER, ENVIRONMENT)
    with pytest.raises(SandboxError, match=r"not ready after 0\.2 seconds"):
        service.wait_until(lambda: False, 0.2)


def test_a_program_that_is_missing_is_told(service: Service) -> None:
    with pytest.raises(SandboxError, match="does not start: .*not installed"):
        service.start(["/no/such/program"], ENVIRONMENT)
