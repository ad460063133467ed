"""Making the calling process step back: it gets processor and disk only when nobody else wants them."""

from __future__ import annotations

import contextlib
import os

from kojid.system import syscalls

_LOWEST = 19


def step_back() -> None:
    """Lowest priority for processor and disk, as far as the kernel lets."""
    with contextlib.suppress(OSError):
        os.nice(_LOWEST)
    with contextlib.suppress(OSError):
        syscalls.ioprio_set_idle()
