"""What tasks cost at least that have a process and a session each, as the contract has it (contract 3.6, 5.1).

`python -m bench.floor URL CERT CA TASK...` opens these tasks, ten by one request, and forks a process for each that
makes a connection and closes its task; then it prints the seconds that this took. Nothing else of a builder is done.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import Any, Dict, List, Sequence

import koji
from koji.xmlrpcplus import dumps

_AT_ONCE = 10
_RESULT = dumps((None,), methodresponse=1, allow_none=1)


def _open(session: Any, tasks: Sequence[int]) -> List[Dict[str, Any]]:
    """Open tasks; returns what the hub gives for their sessions."""
    with session.multicall(strict=True) as calls:
        opened = []
        for task_id in tasks:
            calls.getTaskInfo(task_id, request=True)
            calls.host.openTask(task_id)
            calls.host.setTaskWeight(task_id, 0.1)
            opened.append(calls.subsession())
    return [call.result for call in opened]


def _perform(url: str, options: Dict[str, Any], info: Dict[str, Any], task_id: int) -> None:
    if os.fork() == 0:
        status = 1
        try:
            koji.ClientSession(url, options, sinfo=info).host.closeTask(task_id, _RESULT)
            status = 0
        finally:
            os._exit(status)


def main(url: str, cert: str, ca: str, *numbers: str) -> None:
    """Close the tasks of these numbers."""
    session = koji.ClientSession(url)
    session.ssl_login(cert, None, ca)
    session.exclusiveSession(force=True)
    gc.collect()
    gc.freeze()
    tasks = [int(number) for number in numbers]
    begun = time.monotonic()
    running = failed = 0
    for first in range(0, len(tasks), _AT_ONCE):
        batch = tasks[first : first + _AT_ONCE]
        for task_id, info in zip(batch, _open(session, batch)):
            if running == _AT_ONCE:
                failed += os.wait()[1] != 0
                running -= 1
            _perform(url, session.opts, info, task_id)
            running += 1
    for _ in range(running):
        failed += os.wait()[1] != 0
    took = time.monotonic() - begun
    session.logout()
    if failed:
        sys.exit(f"{failed} tasks could not be closed")
    print(took)


if __name__ == "__main__":
    main(*sys.argv[1:])
