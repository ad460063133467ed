"""Signed packages: throw-away gpg keys, and rpms for two arches that are signed with them.

with keyring() as keys:
    key = keys.make("release")
    keys.sign(key, [rpm])
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, Iterable, Iterator, List

import pytest

from kojid.sandbox.requirements import environment

TOOLS = ("gpg", "gpgconf", "rpmsign", "rpmbuild")
SPEC = """\
Name: {name}
Version: {version}
Release: 1
Summary: A package for tests
License: MIT
Requires: %{{name}}-libs%{{?_isa}} = %{{version}}
%description
A package for tests.
%package libs
Summary: Its libraries
%description libs
Its libraries.
%package devel
Summary: For building with it
Requires: %{{name}}-libs%{{?_isa}} = %{{version}}
%description devel
For building with it.
%package debuginfo
Summary: For debugging it
%description debuginfo
For debugging it.
%package data
Summary: Its data
BuildArch: noarch
%description data
Its data.
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {name} > %{{buildroot}}/usr/share/{name}/data
%files
%files libs
%files devel
%files debuginfo
%files data
/usr/share/{name}
"""


class Keyring:
    """A directory of gpg's own; keys have no passphrase.

    Args:
        home: the directory.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def make(self, name: str) -> str:
        """A new key that signs; returns its id as hubs write it, the last eight digits in lower case."""
        self._gpg(
            "--passphrase", "", "--quick-generate-key", f"{name} <{name}@example.com>", "rsa2048", "sign", "never"
        )
        listed = self._gpg("--with-colons", "--list-secret-keys", f"{name}@example.com")
        return next(line.split(":")[4] for line in listed.splitlines() if line.startswith("sec"))[-8:].lower()

    def sign(self, key: str, rpms: Iterable[Path]) -> None:
        """Sign packages in place; a signature that they have is replaced."""
        defines = [f"_gpg_path {self.home}", f"_gpg_name {key}", f"__gpg {shutil.which('gpg')}"]
        options = [word for define in defines for word in ("--define", define)]
        self._run(["rpmsign", *options, "--resign", *map(str, rpms)])

    def close(self) -> None:
        """End the agent of this directory's keys."""
        self._run(["gpgconf", "--kill", "gpg-agent"])

    def _gpg(self, *words: str) -> str:
        return self._run(["gpg", "--batch", "--quiet", *words])

    def _run(self, command: List[str]) -> str:
        surroundings = {**environment(), "GNUPGHOME": str(self.home), "HOME": str(self.home)}
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def keyring() -> Iterator[Keyring]:
    """A keyring that ends, with its agent, when the block does; skips where a tool is missing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    # Short: the agent's socket lies in it, and the path of a socket has hardly more than a hundred characters.
    home = Path(tempfile.mkdtemp(prefix="kojid-gpg-", dir="/tmp"))
    keys = Keyring(home)
    try:
        yield keys
    finally:
        keys.close()
        shutil.rmtree(home, ignore_errors=True)


def build(directory: Path, name: str, version: str = "1.0", targets: Iterable[str] = ("x86_64", "i686")) -> List[Path]:
    """The packages of a spec with the subpackages libs, devel, debuginfo and data (noarch), the source one first.

    Args:
        directory: where to build them.
        name, version: of the source package.
        targets: arches to build for; the first one's noarch package counts.
    """
    found: Dict[str, Path] = {}
    for target in targets:
        top = directory / f"{name}-{version}-{target}"
        top.mkdir(parents=True)
        spec = top / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, version=version), encoding="utf-8")
        command = ["rpmbuild", "-bb" if found else "-ba", "--target", target, "--define", f"_topdir {top}"]
        command += ["--define", "debug_package %{nil}", "--define", "_build_id_links none", str(spec)]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})
        for path in sorted(top.glob("**/*.rpm")):
            found.setdefault(path.name, path)
    return sorted(found.values(), key=lambda path: (not path.name.endswith(".src.rpm"), path.name))
