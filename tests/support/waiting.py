"""Waiting for something that is about to be so."""

from __future__ import annotations

import time
from typing import Callable, TypeVar, Union

#: How many times as long as on a quiet machine a test waits: only what goes wrong takes longer by it.
PATIENCE = 3
_PAUSE = 0.03
Value = TypeVar("Value")


def wait_for(condition: Callable[[], Value], timeout: float = 30.0, what: Union[str, Callable[[], str]] = "") -> Value:
    """The first true value of a condition, asked again and again.

    Args:
        condition: what to ask.
        timeout: seconds that are plenty on a quiet machine.
        what: it is about, or a function that tells when the time is up.

    Raises:
        AssertionError: PATIENCE times that time is up.
    """
    deadline = time.monotonic() + PATIENCE * timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {PATIENCE * timeout:g} s in vain{f': {told}' if told else ''}")
        time.sleep(_PAUSE)
