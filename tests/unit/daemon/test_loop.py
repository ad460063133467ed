"""The event loop: descriptors, signals and timers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from kojid.daemon.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_a_readable_descriptor_ends_the_turn_at_once(loop: Loop) -> None:
    reader, writer = os.pipe()
    heard: list[bytes] = []
    loop.watch(reader, lambda: heard.append(os.read(reader, 10)))
    os.write(writer, b"x")
    started = time.monotonic()
    loop.turn(started + 60)
    assert heard == [b"x"]
    assert time.monotonic() - started < 30
    loop.unwatch(reader)
    loop.unwatch(reader)
    os.close(reader)
    os.close(writer)


def test_a_signal_runs_its_callback_in_the_loop(loop: Loop) -> None:
    seen: list[str] = []
    loop.on_signal(signal.SIGUSR1, lambda: seen.append("usr1"))
    os.kill(os.getpid(), signal.SIGUSR1)
    assert seen == []
    loop.turn(time.monotonic() + 60)
    assert seen == ["usr1"]


def test_timers_run_in_their_order_and_no_sooner(loop: Loop) -> None:
    seen: list[str] = []
    now = time.monotonic()
    loop.at(now + 0.02, lambda: seen.append("second"))
    loop.at(now + 0.01, lambda: seen.append("first"))
    loop.turn(now)
    assert seen == []
    while len(seen) < 2:
        loop.turn(now + 60)
    assert seen == ["first", "second"]
    assert time.monotonic() >= now + 0.02


def test_close_gives_the_signals_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    loop = Loop()
    loop.on_signal(signal.SIGUSR1, lambda: None)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is before
