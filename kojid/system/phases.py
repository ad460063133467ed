"""What this task process is at: the code that does the work says so, whoever wants to know listens.

In a task's process the ledger listens, for `kojid status`; elsewhere nobody does, and saying it costs nothing.
"""

from __future__ import annotations

import contextlib
from typing import Callable, Iterator, Optional

Listener = Callable[[str], None]

_listener: Optional[Listener] = None
_current = ""


def listen(listener: Optional[Listener]) -> None:
    """Have a function called with the name of each new phase of this process from now on; None: nobody listens."""
    global _listener, _current
    _listener, _current = listener, ""


def enter(name: str) -> None:
    """A phase begins: a word or a few, e.g. "rebuild"."""
    global _current
    if _listener is None or not name or name == _current:
        return
    _current = name
    _listener(name)


@contextlib.contextmanager
def during(name: str) -> Iterator[None]:
    """A phase that lasts as long as the block, or as the function that this decorates; then it is the former one."""
    before = _current
    enter(name)
    try:
        yield
    finally:
        enter(before)
