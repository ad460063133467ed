"""The sandbox's commands, as a newcomer types them."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from kojid.sandbox.layout import Layout
from kojid.sandbox.machinery import Builder, Hub
from tests.support.sandbox import kojid_command, open_directory

pytestmark = [pytest.mark.root, pytest.mark.e2e]


@pytest.fixture
def place(machine: None) -> Iterator[Path]:
    """A directory whose sandbox is deleted afterwards."""
    with open_directory() as directory:
        layout = Layout(directory / "box")
        layout.dir.mkdir()
        yield layout.dir
        for service in (Builder(layout).service, Hub(layout).service):
            service.stop(60)


def test_up_status_koji_down_reset(place: Path) -> None:
    place.rmdir()
    up = kojid_command("sandbox", "up", "--dir", str(place))
    assert up.returncode == 0, up.stdout + up.stderr
    assert "sleeptime 2 s" in up.stdout
    layout = Layout(place)
    hub, builder = Hub(layout).service.pid(), Builder(layout).service.pid()
    assert hub is not None and builder is not None

    again = kojid_command("sandbox", "--dir", str(place), "up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (Hub(layout).service.pid(), Builder(layout).service.pid()) == (hub, builder)

    status = kojid_command("sandbox", "status", "--dir", str(place))
    assert status.returncode == 0
    assert f"runs, pid {hub}" in status.stdout and f"runs, pid {builder}" in status.stdout
    assert Hub(layout).urls().server in status.stdout and "builder1: ready" in status.stdout

    client = kojid_command("sandbox", "koji", "--dir", str(place), "list-tags")
    assert {"bootstrap", "demo", "demo-build"} <= set(client.stdout.split()), client.stderr
    assert kojid_command("sandbox", "koji", "--dir", str(place), "taskinfo", "999").returncode != 0

    down = kojid_command("sandbox", "down", "--dir", str(place))
    assert down.returncode == 0, down.stderr
    assert (Hub(layout).service.pid(), Builder(layout).service.pid()) == (None, None)

    reset = kojid_command("sandbox", "reset", "--dir", str(place))
    assert reset.returncode == 0, reset.stderr
    assert not place.exists()
    assert kojid_command("sandbox", "reset", "--dir", str(place)).returncode == 0


def test_no_command_touches_a_directory_that_is_no_sandbox(place: Path) -> None:
    keep = place / "precious.txt"
    keep.write_text("mine")
    for command in ("up", "demo", "status", "down", "reset"):
        done = kojid_command("sandbox", command, "--dir", str(place))
        assert done.returncode == 2, f"{command}: {done.stdout}{done.stderr}"
        assert str(place) in done.stderr
    assert [path.name for path in place.iterdir()] == [keep.name]


def test_a_directory_that_the_mock_user_cannot_enter_is_told(machine: None, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = kojid_command("sandbox", "up", "--dir", str(tmp_path / "box"))
    assert done.returncode == 1
    assert "kojibuilder" in done.stderr and "--dir" in done.stderr
