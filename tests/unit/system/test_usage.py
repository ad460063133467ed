"""What trees of processes use."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from kojid.system import processes, usage

SCRIPT = (
    "import os, sys, time\n"
    "held = bytearray(32 << 20)\n"
    "held[::4096] = b'x' * len(held[::4096])\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"  # another session, and still its child
    "    time.sleep(60)\n"
    "begun = time.process_time()\n"
    "while time.process_time() < begun + 0.2: pass\n"
    "print('there', flush=True)\n"
    "time.sleep(60)\n"
)


def test_a_session_with_its_descendants_is_counted_whole() -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage.Machine().usage(process.pid)
        assert len(found.pids) == 2
        assert process.pid in found.pids
        assert found.cpu_seconds >= 0.2
        assert 32 << 20 <= found.memory_bytes < 200 << 20
        assert sorted(usage.names(found.pids)) == found.pids
        for pid in found.pids:
            os.kill(pid, 9)
    deadline = time.monotonic() + 30
    while usage.memory(found.pids):  # the other one is reaped by somebody else, in their own time
        assert time.monotonic() < deadline, "a killed process still holds memory"
        time.sleep(0.01)
    assert usage.Machine().usage(process.pid).pids == []


def test_the_age_of_a_process_is_that_of_its_start() -> None:
    begun = processes.start_time(os.getpid())
    assert begun is not None
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 0 <= usage.age(begun, now) <= now
