"""A hub inside the test's process, and callers of it."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support.sandboxhub import Caller, kernel_for_tests


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    kernel = kernel_for_tests(tmp_path, run_interval=0.0)
    yield kernel
    kernel.store.close()


@pytest.fixture
def admin(kernel: Kernel) -> Caller:
    return Caller(kernel, "admin")


@pytest.fixture
def user(kernel: Kernel) -> Caller:
    return Caller(kernel, "user")


@pytest.fixture
def builder(kernel: Kernel) -> Caller:
    """The build host, ready for work."""
    caller = Caller(kernel, "builder", exclusive=True)
    caller("host.updateHost", 0.0, True)
    return caller
