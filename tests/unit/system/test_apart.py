"""Asking a function in a process of its own."""

from __future__ import annotations

import os
import threading

import pytest

from kojid.errors import HostFault, LoginError
from kojid.system import apart


def test_it_answers_from_another_process() -> None:
    assert apart.ask(os.getppid) == os.getpid()
    assert apart.ask(sorted, [3, 1, 2]) == [1, 2, 3]


def refuse(path: str) -> None:
    raise LoginError(f"{path} is no certificate", "get one")


def test_its_exceptions_are_raised_here_with_all_that_they_say() -> None:
    with pytest.raises(LoginError) as caught:
        apart.ask(refuse, "/etc/x.pem")
    assert (caught.value.message, caught.value.hint) == ("/etc/x.pem is no certificate", "get one")


def test_a_process_that_was_killed_is_a_fault_of_the_host() -> None:
    with pytest.raises(HostFault, match="was killed"):
        apart.ask(os._exit, 9)


def test_a_process_with_threads_is_not_forked() -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    found = apart.ask(os.getpid)
    go.set()
    thread.join()
    assert found == os.getpid()
