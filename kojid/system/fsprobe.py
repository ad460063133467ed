"""Asking file systems what they have left, where one of them may never answer.

A dead network mount keeps whoever asks in the kernel for good, whatever the signals. So this runs in a process of its
own with a thread for each place, and tells over a pipe who has answered.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict
from typing import Any, Dict, Mapping, Optional, Tuple

from kojid.system import storage
from kojid.system.storage import Room

_NOT_WRITTEN = ("topdir",)  # the hub's volume is only read by most hosts
Told = Tuple[str, Optional[Room], str]


def serve(places: Mapping[str, str], requests: int, pipe: int, timeout: float) -> None:
    """Ask all places each time that a byte comes in; return at the end of the requests, or when a place hangs.

    Args:
        places, pipe, timeout: see `ask`.
        requests: descriptor of the read end of a pipe.
    """
    while os.read(requests, 1):
        if not ask(places, pipe, timeout):
            return  # a thread of this process is the kernel's now: another process asks anew


def ask(places: Mapping[str, str], pipe: int, timeout: float) -> bool:
    """Write a line for each place that answers to `pipe`; return whether all did, after `timeout` seconds at most.

    Args:
        places: a name for each directory.
        pipe: descriptor of the write end; a line is short enough to be written at once.
    """
    threads = [threading.Thread(target=_tell, args=(name, path, pipe), daemon=True) for name, path in places.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _tell(name: str, path: str, pipe: int) -> None:
    said: Dict[str, Any] = {"name": name}
    try:
        said["room"] = asdict(storage.room(path, try_writing=name not in _NOT_WRITTEN))
    except OSError as error:
        said["trouble"] = os.strerror(error.errno or 0)
    os.write(pipe, json.dumps(said).encode() + b"\n")


def parse(line: bytes) -> Told:
    """Name, room and trouble of a line that `ask` wrote; one of the latter two is empty."""
    said = json.loads(line)
    room = said.get("room")
    return said["name"], None if room is None else Room(**room), said.get("trouble", "")
