"""Asking a function in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from kojid.errors import LoginError
from kojid.system import apart


def told(code: str) -> str:
    """What a process prints that has no other threads, which cannot be said of the one of the tests."""
    lines = ["import os", "from kojid.errors import HostFault", "from kojid.system import apart", code]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_answers_from_another_process() -> None:
    assert told("print(apart.ask(os.getppid) == os.getpid())") == "True"
    assert told("print(apart.ask(sorted, [3, 1, 2]))") == "[1, 2, 3]"


def test_a_process_that_was_killed_is_a_fault_of_the_host() -> None:
    code = "try:\n    apart.ask(os._exit, 9)\nexcept HostFault as fault:\n    print(fault)"
    assert told(code) == "the process that was to ask _exit was killed"


def refuse(path: str) -> None:
    raise LoginError(f"{path} is no certificate", "get one")


def test_its_exceptions_are_raised_here_with_all_that_they_say() -> None:
    with pytest.raises(LoginError) as caught:
        apart.ask(refuse, "/etc/x.pem")
    assert (caught.value.message, caught.value.hint) == ("/etc/x.pem is no certificate", "get one")
    code = (
        "from kojid.hub import certificates\n"
        "try:\n    certificates.inspect_apart('/none/x.pem')\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    assert told(code) == "LoginError the client certificate /none/x.pem does not exist"


def test_a_process_with_threads_is_not_forked() -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    found = apart.ask(os.getpid)
    go.set()
    thread.join()
    assert found == os.getpid()
