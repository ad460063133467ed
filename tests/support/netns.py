"""A network namespace of its own for one process, joined to this machine by a cable that can be cut.

with island() as made:
    hub listens on made.home; processes started with made.enter reach it
    made.cut()
    made.join()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import Iterator, List

import pytest


class Island:
    """The namespace.

    Args:
        number: makes names and addresses of its own, 0 to 255.

    Attributes:
        home: an address of this machine, reachable from inside while the cable is there, and always from outside.
        enter: words to put before a command that is to run inside.
    """

    def __init__(self, number: int) -> None:
        self.name = f"kojid-test-{number}"
        self.cable = f"kjd{number}"
        self.home = f"10.213.{number}.1"
        self._gateway = f"10.213.{number}.5"
        self._inside = f"10.213.{number}.6"
        self.enter: List[str] = ["ip", "netns", "exec", self.name]

    def make(self) -> None:
        """Lay everything out."""
        run("ip", "netns", "add", self.name)
        run("ip", "addr", "add", f"{self.home}/32", "dev", "lo")
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "addr", "add", f"{self._gateway}/30", "dev", self.cable)
        run("ip", "link", "set", self.cable, "up")
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        run("ip", "-n", self.name, "addr", "add", f"{self._inside}/30", "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")
        run("ip", "-n", self.name, "route", "add", "default", "via", self._gateway)

    def cut(self) -> None:
        """Whatever is sent from inside is lost without a word from now on."""
        run("ip", "link", "set", self.cable, "down")

    def join(self) -> None:
        """The cable is back."""
        run("ip", "link", "set", self.cable, "up")

    def remove(self) -> None:
        """Take all of it away, also when only a part was made."""
        for command in (
            ("ip", "netns", "del", self.name),
            ("ip", "link", "del", self.cable),
            ("ip", "addr", "del", f"{self.home}/32", "dev", "lo"),
        ):
            subprocess.run(command, check=False, capture_output=True)


@contextlib.contextmanager
def island() -> Iterator[Island]:
    """A namespace for the block; the test is skipped where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("needs the program ip (iproute2)")
    made = Island(os.getpid() % 256)
    try:
        try:
            made.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made: {error.stderr.strip()}")
        yield made
    finally:
        made.remove()


def run(*command: str) -> None:
    """Run a command that has to work."""
    subprocess.run(command, check=True, capture_output=True, text=True)
