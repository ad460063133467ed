"""Telling systemd how the daemon is."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import Iterator

import pytest

from kojid.system import notify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What stands for systemd: a socket that takes the messages."""
    if notify.daemon is None:
        pytest.skip("the Python module systemd is not installed")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def heard(systemd: socket.socket) -> list[str]:
    return systemd.recv(4096).decode().splitlines()


def test_every_message_arrives(systemd: socket.socket) -> None:
    notify.ready("waiting for tasks")
    assert heard(systemd) == ["READY=1", "STATUS=waiting for tasks"]
    notify.ready()
    assert heard(systemd) == ["READY=1"]
    notify.status("2 tasks\nREADY=1")
    assert heard(systemd) == ["STATUS=2 tasks READY=1"]
    notify.alive()
    assert heard(systemd) == ["WATCHDOG=1"]
    notify.extend_timeout(1.5)
    assert heard(systemd) == ["EXTEND_TIMEOUT_USEC=1500000"]
    notify.reloading("begins anew")
    first, moment, last = heard(systemd)
    assert (first, moment.partition("=")[0], last) == ("RELOADING=1", "MONOTONIC_USEC", "STATUS=begins anew")
    notify.stopping("ending 2 tasks")
    assert heard(systemd) == ["STOPPING=1", "STATUS=ending 2 tasks"]


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready("x")
    notify.stopping()


def test_a_socket_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify.ready("x")


def test_a_missing_module_is_said_at_debug_level(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "x"))
    monkeypatch.setattr(notify, "daemon", None)
    with caplog.at_level(logging.DEBUG):
        notify.ready()
    assert "`systemd` is not installed" in caplog.text


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_interval_is_read(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], interval: float
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert notify.watchdog_interval() == interval
