"""The demo's source package: GNU hello under a release that the hub has not seen yet."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from kojid.sandbox.distro import sources
from kojid.sandbox.distro.errors import DistributionError
from kojid.sandbox.errors import SandboxError
from kojid.system import process

_RELEASE_LINE = re.compile(r"^(Release:\s*)\d+", re.MULTILINE)
_COMMAND_SECONDS = 60


def prepare(session: Any, directory: Path) -> sources.SourcePackage:
    """GNU hello's source package for the next build of it; a name-version-release can only be built once.

    Args:
        session: a hub session, asked for the builds there are.
        directory: for the downloaded source and the package.

    Raises:
        SandboxError: it can't be made; the message says why.
    """
    try:
        package = sources.hello(directory)
        release = next_release(session, package.name, package.version)
        return package if release == 1 else with_release(package, release, directory)
    except DistributionError as error:
        raise SandboxError(f"the source package can't be made: {error}") from error


def next_release(session: Any, name: str, version: str) -> int:
    """One more than the highest release of a package's version that the hub knows, in any state."""
    package = session.getPackageID(name)
    builds = session.listBuilds(packageID=package) if package is not None else []
    used = [re.match(r"\d+", build["release"]) for build in builds if build["version"] == version]
    return 1 + max((int(match.group()) for match in used if match), default=0)


def with_release(package: sources.SourcePackage, release: int, directory: Path) -> sources.SourcePackage:
    """The same source package under another release.

    Raises:
        SandboxError: it can't be taken apart.
        DistributionError: rpmbuild refuses it.
    """
    with tempfile.TemporaryDirectory(prefix=".release-", dir=directory) as scratch:
        top = Path(scratch)
        command = ["rpm", "--dbpath", str(top / "db"), "--define", f"_topdir {top}", "-i", str(package.path)]
        log = top / "rpm.log"
        if not process.run(command, timeout=_COMMAND_SECONDS, log=log).ok:
            raise SandboxError(f"{package.path} can't be unpacked:\n{log.read_text()}")
        spec = next((top / "SPECS").glob("*.spec"))
        text = _RELEASE_LINE.sub(rf"\g<1>{release}", spec.read_text())
        files = {path.name: path for path in (top / "SOURCES").iterdir()}
        return replace(package, path=sources.srpm(directory, package.name, text, files))
