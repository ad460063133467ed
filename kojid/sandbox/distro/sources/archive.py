"""Fetches an upstream tarball from the source archive of the Debian mirror this machine is configured with.

apt does the work, with a configuration, package lists and a download directory of its own: nothing changes in
/etc/apt or /var, no mirror is named here, and apt checks signatures and hashes as it always does.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

from kojid.sandbox.distro.errors import DistributionError

_FORMAT = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
_KEYRINGS = Path("/usr/share/keyrings")


@dataclass(frozen=True)
class Mirror:
    """One suite that this machine installs packages from."""

    uri: str
    suite: str
    component: str


def parse_targets(output: str, codename: str) -> List[Mirror]:
    """The mirrors in apt's list of index targets: those of the release itself, or all that have a main part."""
    rows = [line.split("|") for line in output.splitlines() if line.startswith("Packages|")]
    mirrors = list(dict.fromkeys(Mirror(*row[1:]) for row in rows if len(row) == 4))
    own = [mirror for mirror in mirrors if mirror.suite == codename]
    return own or [mirror for mirror in mirrors if mirror.component == "main"]


def source_list(mirrors: List[Mirror], keyring: Path) -> str:
    """A sources.list with the mirrors' source archives."""
    option = f"[signed-by={keyring}] " if keyring.is_file() else ""
    return "".join(f"deb-src {option}{mirror.uri} {mirror.suite} {mirror.component}\n" for mirror in mirrors)


def os_release() -> Dict[str, str]:
    """This machine's os-release, as a mapping."""
    rows = (line.partition("=") for line in Path("/etc/os-release").read_text().splitlines())
    return {name: value.strip("\"'") for name, _, value in rows if name}


class Archive:
    """The source archive, with its state in a directory.

    Args:
        directory: for lists and downloads; may be deleted afterwards.
        time_limit: seconds for everything together.
    """

    def __init__(self, directory: Path, time_limit: float) -> None:
        self.directory = directory
        self._deadline = time.monotonic() + time_limit
        self.mirrors: List[Mirror] = []

    def tarball(self, package: str) -> List[Path]:
        """Downloads a source package's tarballs.

        Raises:
            DistributionError: no apt, no mirror, no network, the time limit, or no such package.
        """
        release = os_release()
        output = self._run(["apt-get", "indextargets", "--format", _FORMAT])
        self.mirrors = parse_targets(output, release.get("VERSION_CODENAME", ""))
        if not self.mirrors:
            raise DistributionError("apt is configured with no mirror of the distribution")
        self._configure(_KEYRINGS / f"{release.get('ID', 'debian')}-archive-keyring.gpg")
        self._run(self._apt("update"))
        self._run(self._apt("--download-only", "--tar-only", "source", package))
        return sorted(self.directory.glob(f"{package}_*.orig.tar.*"))

    def _configure(self, keyring: Path) -> None:
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "sources.list").write_text(source_list(self.mirrors, keyring))

    def _apt(self, *arguments: str) -> List[str]:
        settings = {
            "Dir::Etc::SourceList": f"{self.directory}/sources.list",
            "Dir::Etc::SourceParts": f"{self.directory}/parts",
            "Dir::State::Lists": f"{self.directory}/lists", "Dir::Cache": f"{self.directory}/cache",
            "APT::Sandbox::User": "", "Acquire::Languages": "none", "Acquire::Retries": "1",
            "Acquire::http::Timeout": "15", "Acquire::https::Timeout": "15", "APT::Update::Error-Mode": "any",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return ["apt-get", "-q", *options, *arguments]

    def _run(self, command: List[str]) -> str:
        left = self._deadline - time.monotonic()
        try:
            done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=max(left, 0.1),
                                  check=False, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})  # fmt: skip
        except FileNotFoundError as error:
            raise DistributionError("this machine has no apt-get") from error
        except subprocess.TimeoutExpired as error:
            raise DistributionError("the time for the download is over") from error
        if done.returncode:
            words = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
            raise DistributionError(f"apt-get failed: {'; '.join(words[-2:]) or done.stderr.strip()[-300:]}")
        return done.stdout
