"""Asking a function in a process of its own: what it imports is big, wanted for a moment, and gone with the process."""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
from typing import Any, Callable, TypeVar

from kojid.errors import HostFault
from kojid.system import forks

Answer = TypeVar("Answer")


def ask(function: Callable[..., Answer], *args: Any) -> Answer:
    """What a function answers to these arguments; a process with threads, which can't well be forked, asks it itself.

    The answer comes through a pipe: it has to be of a kind that can be pickled, as have its exceptions.

    Raises:
        HostFault: there is no process to be had, or it was killed.
        any exception: of the function.
    """
    if threading.active_count() > 1:
        return function(*args)
    reader, writer = os.pipe2(os.O_CLOEXEC)

    def main() -> None:
        os.close(reader)
        try:
            said = pickle.dumps((True, function(*args)))
        except Exception as error:
            said = pickle.dumps((False, error))
        with open(writer, "wb") as out:
            out.write(said)

    try:
        pid = forks.fork(main, name="question")
    except HostFault:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    with open(reader, "rb") as answers:
        told = answers.read()
    with contextlib.suppress(ChildProcessError):  # the loop may have been there first
        os.waitpid(pid, 0)
    if not told:
        raise HostFault(f"the process that was to ask {function.__name__} was killed")
    well, answer = pickle.loads(told)  # noqa: S301 - of our own process
    if not well:
        raise answer
    return answer  # type: ignore[no-any-return]
