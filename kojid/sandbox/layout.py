"""Where everything of a sandbox lies: one directory, and the names of what is in it.

The directory's default is in the caller's home. Build processes run as another user, who may not be able to enter it
(root's home is closed on most systems); then the data lie in /var/lib and the home has a link to them.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import List

import koji

from kojid.errors import HostFault
from kojid.sandbox.errors import SandboxError, SandboxUsage
from kojid.system import process

MARKER = ".kojid-sandbox"
OPEN_PLACE = Path("/var/lib/kojid-sandbox")
ADMIN = "admin"
BUILDER = "builder1"
MOCK_USER = "kojibuilder"

_MARKER_TEXT = {"what": "a kojid sandbox: 'kojid sandbox reset' deletes all of this directory", "format": 1}


def default_dir() -> Path:
    """The directory of a sandbox whose place was not chosen."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "kojid-sandbox"


@dataclass(frozen=True)
class Layout:
    """The paths of one sandbox.

    Args:
        dir: its directory, without links on the way (see `settle`).
    """

    dir: Path

    @property
    def ca_dir(self) -> Path:
        """The certificate authority, and a certificate with its key for each user."""
        return self.dir / "ca"

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.ca_dir / "ca.crt"

    def certificate(self, user: str) -> Path:
        """A user's certificate and key in one PEM file."""
        return self.ca_dir / f"{user}.pem"

    @property
    def hub_dir(self) -> Path:
        """The hub's database, settings and log."""
        return self.dir / "hub"

    @property
    def topdir(self) -> Path:
        """What the hub keeps in files."""
        return self.dir / "mnt" / "koji"

    @property
    def paths(self) -> koji.PathInfo:
        """The koji library's names for the paths below topdir (contract 13)."""
        return koji.PathInfo(topdir=str(self.topdir))

    @property
    def kojid_conf(self) -> Path:
        """The builder's configuration."""
        return self.dir / "etc" / "kojid" / "kojid.conf"

    @property
    def plugin_configs(self) -> Path:
        """The configurations of the builder's plugins."""
        return self.kojid_conf.parent / "plugins"

    @property
    def mock_configs(self) -> Path:
        """Where the builder writes the buildroots' mock configurations."""
        return self.dir / "etc" / "mock" / "koji"

    @property
    def client_conf(self) -> Path:
        """The koji client's configuration."""
        return self.dir / "etc" / "koji" / "config"

    @property
    def distro(self) -> Path:
        """The generated distribution."""
        return self.dir / "distro"

    @property
    def mockdir(self) -> Path:
        """Mock's base directory."""
        return self.dir / "var" / "lib" / "mock"

    @property
    def log_dir(self) -> Path:
        """The logs of the builder, of its tasks, and of what the processes print."""
        return self.dir / "var" / "log"

    @property
    def run_dir(self) -> Path:
        """Which processes the sandbox started."""
        return self.dir / "var" / "run"

    @property
    def workdir(self) -> Path:
        """The builder's task directories."""
        return self.dir / "var" / "tmp" / "koji"

    @property
    def sources(self) -> Path:
        """Source packages for the demo."""
        return self.dir / "src"

    @property
    def lock(self) -> Path:
        """Locked while a command changes the sandbox."""
        return self.run_dir / "lock"

    def exists(self) -> bool:
        """Whether a sandbox was made here."""
        return (self.dir / MARKER).is_file()

    def directories(self) -> List[Path]:
        """All directories that have to be there before anything starts."""
        places = [self.ca_dir, self.hub_dir, self.topdir, self.plugin_configs, self.mock_configs, self.mockdir]
        return [*places, self.client_conf.parent, self.log_dir, self.run_dir, self.workdir, self.sources]


def find(directory: Path) -> Layout:
    """The sandbox in a directory.

    Raises:
        SandboxUsage: there is none.
    """
    layout = Layout(directory.expanduser().resolve())
    if not layout.exists():
        raise SandboxUsage(f"there is no sandbox in {directory}", "make one with: kojid sandbox up")
    return layout


def create(directory: Path, *, movable: bool) -> Layout:
    """Make a sandbox's directories, or take those of an existing one.

    Args:
        directory: as chosen.
        movable: its place was not chosen but is the default one: the data may lie elsewhere, with a link here.

    Raises:
        SandboxUsage: the directory has other things in it.
        SandboxError: the user that runs mock can't enter it.
    """
    layout = Layout(_settle(directory.expanduser(), movable=movable))
    if not layout.exists():
        if any(layout.dir.iterdir()):
            raise SandboxUsage(f"{layout.dir} is not empty and is no sandbox", "choose another directory with --dir")
        (layout.dir / MARKER).write_text(json.dumps(_MARKER_TEXT) + "\n")
    for place in layout.directories():
        place.mkdir(parents=True, exist_ok=True)
    shutil.chown(layout.mockdir, group="mock")
    layout.mockdir.chmod(0o2775)
    return layout


def _settle(directory: Path, *, movable: bool) -> Path:
    """Make the directory, at a place that the mock user can enter, and return its path without links."""
    directory.mkdir(parents=True, exist_ok=True)
    place = directory.resolve()
    place.chmod(0o755)
    if _enterable(place):
        return place
    if not movable or any(place.iterdir()):
        closed = next((str(parent) for parent in reversed(place.parents) if not _enterable(parent)), str(place))
        raise SandboxError(
            f"the user {MOCK_USER}, who runs mock, can't enter {place}: {closed} is closed to others",
            "choose another directory with --dir, for instance --dir /var/lib/kojid-sandbox",
        )
    OPEN_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    directory.rmdir()
    directory.symlink_to(OPEN_PLACE)
    return OPEN_PLACE.resolve()


def _enterable(place: Path) -> bool:
    """Whether the mock user can enter a directory."""
    user = process.credentials_of(MOCK_USER, "mock")
    try:
        status, _ = process.capture(["test", "-x", str(place)], timeout=10, user=user)
    except HostFault as error:
        raise SandboxError(f"{place} can't be looked at: {error}") from error
    return status.ok
