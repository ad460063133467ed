"""`kojid sandbox demo`, as `make demo` runs it: twice in one place, nothing left running."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Iterator

import pytest

from kojid.sandbox.content import machine_arch
from kojid.sandbox.layout import Layout
from kojid.sandbox.machinery import Builder, Hub
from tests.support.sandbox import kojid_command, open_directory, running_below, start_kojid, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]


@pytest.fixture(scope="module")
def layout(machine: None) -> Iterator[Layout]:
    with open_directory() as directory:
        made = Layout(directory / "box")
        yield made
        for service in (Builder(made).service, Hub(made).service):
            service.stop(60)


@pytest.mark.parametrize("release", [1, 2])
def test_the_demo_builds_installs_and_runs_hello(layout: Layout, release: int) -> None:
    done = kojid_command("sandbox", "demo", "--dir", str(layout.dir), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr

    rpms = list(layout.topdir.glob(f"packages/hello/2.10/{release}.*/{machine_arch()}/hello-2.10-*.rpm"))
    assert [path.name for path in rpms if "debug" not in path.name] and str(rpms[0].parents[1]) in done.stdout
    logs = rpms[0].parents[1] / "data" / "logs" / machine_arch()
    assert "gcc" in (logs / "build.log").read_text()
    assert "says: Hello, world!" in done.stdout
    assert "buildArch" in done.stdout and "builder1" in done.stdout and "What to try next" in done.stdout

    assert (Builder(layout).service.pid(), Hub(layout).service.pid()) == (None, None)
    assert running_below(layout.dir) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_takes_everything_along(layout: Layout, tmp_path: Path, number: int) -> None:
    output = tmp_path / "output"
    with output.open("wb") as out, start_kojid("sandbox", "demo", "--dir", str(layout.dir), output=out) as demo:
        wait_for(lambda: re.search(r"rebuildSRPM .* open", output.read_text()) or demo.poll() is not None, 120)
        assert running_below(layout.dir) or demo.poll() is None, output.read_text()
        demo.send_signal(number)
        assert demo.wait(60) == 130, output.read_text()
    assert "interrupted" in output.read_text()
    assert (Builder(layout).service.pid(), Hub(layout).service.pid()) == (None, None)
    assert running_below(layout.dir) == []
