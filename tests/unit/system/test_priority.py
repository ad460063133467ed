"""Stepping back."""

from __future__ import annotations

import os

from kojid.system import forks, priority, syscalls

_IOPRIO_GET = {"x86_64": 252, "aarch64": 31, "riscv64": 31, "ppc64le": 274, "s390x": 283}


def test_a_process_that_steps_back_is_the_last_for_processor_and_disk() -> None:
    def main() -> None:
        priority.step_back()
        assert os.nice(0) == 19
        number = _IOPRIO_GET.get(os.uname().machine)
        if number is not None:
            assert syscalls._libc.syscall(number, 1, 0) >> 13 == 3

    pid = forks.fork(main, name="test")
    assert os.waitpid(pid, 0)[1] == 0
