"""Runs rpmbuild once for all packages of the distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from kojid.sandbox.distro.errors import DistributionError, MissingPackages


def _environment(home: Path) -> Dict[str, str]:
    """A home of its own, so that the caller's ~/.rpmmacros and ~/.rpmdb play no part."""
    return {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def rpmbuild(
    spec: Path, top: Path, mode: str, environment: Optional[Dict[str, str]] = None, options: Sequence[str] = ()
) -> List[Path]:
    """Builds a spec file below `top` and returns the rpms it made, sources included.

    Args:
        spec: the spec file.
        top: rpmbuild's topdir.
        mode: `-ba`, `-bb` or `-bs`.
        environment: variables for the spec file's scripts.
        options: further options for rpmbuild.

    Raises:
        MissingPackages: rpmbuild is not on this machine.
        DistributionError: rpmbuild failed; the message ends with its last lines.
    """
    if not shutil.which("rpmbuild"):
        raise MissingPackages(["rpm"])
    top.mkdir(parents=True, exist_ok=True)
    command = ["rpmbuild", mode, "--nodeps", "--define", f"_topdir {top}", "--define", f"_tmppath {top}", *options]
    variables = {**_environment(top), **(environment or {})}
    done = subprocess.run([*command, str(spec)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=variables, errors="replace", encoding="utf-8")  # fmt: skip
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise DistributionError(f"rpmbuild {mode} {spec.name} failed with status {done.returncode}:\n{tail}")
    return sorted([*(top / "RPMS").rglob("*.rpm"), *(top / "SRPMS").glob("*.rpm")])
