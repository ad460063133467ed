"""Going into the background: the double fork of a classic daemon (contract 1.3, step 6)."""

from __future__ import annotations

import os


def detach() -> None:
    """Leave the terminal and the caller: only the grandchild returns, in `/`, with its standard files on /dev/null."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    if null > 2:
        os.close(null)
