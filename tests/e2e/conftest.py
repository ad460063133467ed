"""The sandbox that the end-to-end tests share: one hub, one busy builder, one mail server for the whole session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from kojid.sandbox import requirements
from kojid.sandbox.layout import BUILDER
from tests.support.mailserver import MailServer
from tests.support.sandbox import Daemon, Sandbox, open_directory
from tests.support.sandboxhub import without_ca_variables
from tests.support.shopgit import GitShop

#: What the git servers of `tests.support.shopgit` hold; no `common`, no source command.
ALLOWED_SCMS = "127.0.0.1*:/shop/*:no:"

# For builds from version control: which sources may be built, and (of the plugin scmpolicy) which of their branches.
POLICIES = {
    "build_from_scm": "match scm_repository */denied-by-policy* :: deny not from there\nall :: allow none",
    "scm": "match_any branches main :: allow\nall :: deny only what is on main",
}


@pytest.fixture(scope="session")
def machine() -> Iterator[None]:
    """A machine that can make chroots, or a skip that says what is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root: builds run in chroots")
    missing = requirements.missing_packages()
    if missing:
        pytest.skip(f"packages are missing: {' '.join(missing)}")
    with without_ca_variables():
        yield


@pytest.fixture(scope="session")
def mails(machine: None) -> Iterator[MailServer]:
    """A mail server that keeps what it gets."""
    with MailServer() as server:
        yield server


@pytest.fixture(scope="session")
def box(machine: None, mails: MailServer) -> Iterator[Sandbox]:
    """The sandbox: its hub runs, the distribution is imported, the build tag has a repository to come."""
    with open_directory() as directory:
        made = Sandbox.make(
            directory,
            mails.port,
            content={"notifications": True, "recipients": ["team@example.com"]},
            policies=POLICIES,
        )
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def shop(machine: None, mails: MailServer) -> Iterator[Sandbox]:
    """A sandbox of a module's own, for plugins or packages that no other test is to meet."""
    with open_directory() as directory:
        made = Sandbox.make(directory, mails.port)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="session")
def builder(box: Sandbox) -> Daemon:
    """The build host that serves the default channel, at work for the whole session."""
    return box.daemon(BUILDER, allowed_scms=ALLOWED_SCMS).start()


@pytest.fixture(scope="session")
def repository(box: Sandbox, builder: Daemon) -> int:
    """The build tag's first repository; returns its id."""
    return box.regenerate()


@pytest.fixture(scope="session")
def srpms(box: Sandbox) -> Path:
    """A directory for the tests' source packages."""
    directory = box.layout.sources / "tests"
    directory.mkdir()
    return directory


@pytest.fixture(scope="session")
def gitshop(box: Sandbox) -> Iterator[GitShop]:
    """A git server, for packages that are built from version control."""
    with GitShop.serving(box.layout.dir / "gitshop") as shop:
        yield shop
