"""The numbered steps of a task's life, and a test hook that kills the daemon at one of them.

With `KOJID_CRASH_AT` set to a step's name or number in its environment the daemon gets SIGKILL when that step is
reached; the later ones of a task are reached in its own process, and still it is the daemon that dies. The chaos suite
uses it to show that a crash at any step loses nothing. Nobody else sets it.
"""

from __future__ import annotations

import os
import signal
from typing import Optional

STEPS = (
    "taking",  # 1 the hub offers a task
    "opened",  # 2 it is OPEN on this host
    "weighed",  # 3 the hub has its weight
    "subsession",  # 4 it has a subsession
    "forked",  # 5 its process is there and waits
    "recorded",  # 6 the ledger has it
    "released",  # 7 the process was told to go on
    "running",  # 8 in the process: the handler is about to run
    "computed",  # 9 in the process: the outcome is known
    "outcome",  # 10 in the process: it is on disk
    "sent",  # 11 in the process: the hub knows
    "exited",  # 12 the process has ended
    "swept",  # 13 nothing of it is left on the machine
    "forgotten",  # 14 the ledger has it no more
)
VARIABLE = "KOJID_CRASH_AT"


def reached(step: str, daemon: Optional[int] = None) -> None:
    """A step was reached.

    Args:
        step: one of `STEPS`.
        daemon: in a task's process the daemon that started it, which is only killed while it still is the parent.
    """
    number = STEPS.index(step) + 1
    if os.environ.get(VARIABLE) not in (step, str(number)):
        return
    if daemon is None:
        os.kill(os.getpid(), signal.SIGKILL)
    elif os.getppid() == daemon:
        os.kill(daemon, signal.SIGKILL)
