"""The sandbox's distribution and its stand-in for mock, made once for all tests of a session.

`KOJID_TEST_CACHE` names a directory that keeps the distribution from one session to the next.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, List

import koji
import pytest

from kojid.sandbox import distro, mock
from kojid.sandbox.distro import Distribution
from kojid.sandbox.mock.installation import USER

TAG = "sandbox-build"
REPO_ID = 1
ARCH = "x86_64"


@functools.cache
def _cache() -> Path:
    """The directory that keeps the distribution: the one that the environment names, or this session's own."""
    named = os.environ.get("KOJID_TEST_CACHE")
    if named:
        return Path(named)
    own = tempfile.mkdtemp(prefix="kojid-test-cache-")
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(own)


def cached_distribution(out: Path) -> Distribution:
    """Puts the distribution into a directory, made once per session at most; `distro.make` finds it complete there."""
    made = distro.make(_cache() / "distro")
    shutil.copytree(made.directory, out, dirs_exist_ok=True)
    return distro.make(out)


@pytest.fixture(scope="session")
def distribution() -> Distribution:
    """The distribution with its compiler; skips where the machine has no Debian packages to make it from."""
    try:
        return distro.make(_cache() / "distro")
    except distro.DistributionError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A directory that other users can reach, as pytest's own are root's alone."""
    path = Path(tempfile.mkdtemp(prefix="kojid-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def repository(distribution: Distribution, open_directory: Path) -> Path:
    """A topdir as a hub lays it out, with one repo of the distribution for `TAG`."""
    if not shutil.which("createrepo_c"):
        pytest.skip("createrepo_c is not on this machine")
    topdir = open_directory / "koji"
    repo = topdir / "repos" / TAG / str(REPO_ID) / ARCH
    repo.mkdir(parents=True)
    for rpm in distribution.rpms:
        shutil.copy(rpm, repo)
    groups = ["--groupfile", str(distribution.comps)]
    subprocess.run(["createrepo_c", "--quiet", *groups, str(repo)], check=True)
    return topdir


class MockHost:
    """A build host with the stand-in installed: writes configs as the koji library does, calls mock as kojibuilder.

    Args:
        base: directory for wrapper, configs and roots; others must be able to reach it.
        topdir: a hub's, with a repo for `TAG`.
    """

    def __init__(self, base: Path, topdir: Path) -> None:
        self.base = base
        self.topdir = topdir
        self.mockdir = base / "mockdir"
        self.mockdir.mkdir(parents=True)
        self.program = mock.install(base)
        shutil.chown(self.mockdir, group="mock")
        self.mockdir.chmod(0o2775)

    def config(self, name: str, more: str = "", **options: object) -> Path:
        """Writes the config of a root.

        Args:
            name: of config and root.
            more: further lines of Python.
            options: for `koji.genMockConfig`.
        """
        path = self.base / f"{name}.cfg"
        settings = {"mockdir": str(self.mockdir), "topurls": [f"file://{self.topdir}"], "tag_name": TAG,
                    "repoid": REPO_ID, "buildroot_id": 1, "target_arch": ARCH, **options}  # fmt: skip
        path.write_text(koji.genMockConfig(name, ARCH, managed=True, **settings) + more)
        return path

    def results(self, name: str) -> Path:
        """The result directory of a root."""
        return self.mockdir / name / "result"

    def root(self, name: str) -> Path:
        """The chroot of a root."""
        return self.mockdir / name / "root"

    def start(self, config: Path, *arguments: object, user: str = USER, member: bool = True) -> subprocess.Popen[str]:
        """Starts mock; what it says on stdout and stderr is piped.

        Args:
            config: the root's.
            arguments: further words of the command line.
            user: who calls.
            member: whether group mock is among the caller's groups.
        """
        words: List[str] = [str(self.program), "-r", str(config), *map(str, arguments)]
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/",
            user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=["mock"] if member else [],
        )  # fmt: skip

    def run(self, config: Path, *arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs mock to its end; `stdout` is everything it said."""
        with self.start(config, *arguments) as process:
            said, _ = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, said)


@pytest.fixture(scope="session")
def mock_host(open_directory: Path, repository: Path) -> MockHost:
    """A build host with the stand-in; skips without root."""
    if os.geteuid() != 0:
        pytest.skip("the stand-in for mock is set-uid root: only root can install it")
    return MockHost(open_directory / "host", repository)
