"""A hub inside the test with the usual tags and target, an admin, a builder, and rpms to build with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from kojid.sandbox.hub.kernel import Kernel
from tests.support import sandboxhub
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content import tinyrpm
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    found = sandboxhub.kernel_for_tests(tmp_path)
    yield found
    found.store.close()


@pytest.fixture
def admin(kernel: Kernel) -> Caller:
    """The admin, after the tags demo <- demo-build, the target demo and the package tiny are there."""
    caller = Caller(kernel, "admin")
    caller("createTag", "demo")
    caller("createTag", "demo-build", parent="demo", arches="x86_64")
    caller("createBuildTarget", "demo", "demo-build", "demo")
    caller("packageListAdd", "demo", "tiny", owner="admin")
    return caller


@pytest.fixture
def builder(kernel: Kernel) -> Caller:
    return Caller(kernel, "builder", exclusive=True)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyRpms:
    pytest.importorskip("rpm", reason="rpm's Python bindings are not on this machine")
    return tinyrpm.build(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def open_task(admin: Caller, builder: Caller) -> Callable[..., int]:
    """Make a task and have the builder open it; with parent=, a subtask."""

    def make(method: str, params: Any, **opts: Any) -> int:
        if "parent" in opts:
            task_id = builder("host.subtask", method, params, **opts)
        else:
            task_id = admin("makeTask", method, params, **opts)
        assert builder("host.openTask", task_id)["id"] == task_id
        return int(task_id)

    return make


@pytest.fixture
def put(kernel: Kernel) -> Callable[..., str]:
    """Have a file lie in a task's upload directory; its path relative to the work directory."""

    def upload(task_id: int, source: Path, name: str = "") -> str:
        relpath = f"tasks/{task_id % 10000}/{task_id}/{name or source.name}"
        target = Path(kernel.settings.pathinfo.work(), relpath)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        return relpath

    return upload
