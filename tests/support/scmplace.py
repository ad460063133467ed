"""Where tests check sources out: repositories to serve, a directory for the checkout, a log, a hub that takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Type

from kojid.sources.scm import SCM
from tests.support import options
from tests.support.fakehub import FakeSession
from tests.support.scmservers import GitRepository, need

FILES = {"hello.spec": "Name: hello\n", "hello.c": "int main;\n"}


class Place:
    """A directory that everyone can enter, with the places that a checkout needs.

    Args:
        directory: the directory.
    """

    def __init__(self, directory: Path) -> None:
        self.base = directory / "base"
        self.scmdir = directory / "scmroot"
        self.log = directory / "work" / "checkout.log"
        self.session = FakeSession()
        for made in (self.base, self.scmdir, self.log.parent):
            made.mkdir()
        self.directory = directory

    def git(self, name: str = "hello", **files: str) -> GitRepository:
        """A git repository with a commit on main."""
        need("git")
        made = GitRepository(self.base / f"{name}.git", self.directory / f"work-{name}")
        made.commit({**FILES, **files})
        return made

    def check_out(self, url: str, *, common: bool = False, allow_password: bool = False, **settings: Any) -> SCM:
        """Check out what a URL names."""
        kind: Type[SCM] = type("Configured", (SCM,), {"options": options(**settings)})
        scm = kind(url, allow_password)
        scm.use_common = common
        scm.checkout(str(self.scmdir), self.session, "tasks/5/5", str(self.log))
        return scm

    @property
    def told(self) -> str:
        return self.log.read_text()
