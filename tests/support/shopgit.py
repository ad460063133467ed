"""A git server with small packages, whose URLs a builder of these tests takes sources from."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator, Mapping

from tests.support.scmservers import GitRepository, git_daemon


class GitShop:
    """The server; `serving` makes one.

    Args:
        directory: of repositories and work trees.
        port: where it listens.
    """

    def __init__(self, directory: Path, port: int) -> None:
        self.dir = directory
        self.port = port

    @classmethod
    @contextlib.contextmanager
    def serving(cls, directory: Path) -> Iterator[GitShop]:
        """A server for the length of the block."""
        base = directory / "repositories"
        (base / "shop").mkdir(parents=True)
        with git_daemon(base) as port:
            yield cls(directory, port)

    def put(self, name: str, files: Mapping[str, str]) -> str:
        """Make a repository of files; returns the URL of its newest commit."""
        path = self.dir / "repositories" / "shop" / name
        GitRepository(path, self.dir / "work" / name).commit(files)
        return f"git://127.0.0.1:{self.port}/shop/{name}#HEAD"

    def package(self, name: str, *, build: str = ":", requires: str = "") -> str:
        """A package of one noarch file; `requires` is a package that its build needs. Returns its URL."""
        needs = f"BuildRequires: {requires}\n" if requires else ""
        spec = f"""Name: {name}
Version: 1.0
Release: 1
Summary: Test package {name}
License: LGPL-2.1-or-later
BuildArch: noarch
{needs}
%description
Test package {name}.

%prep
%setup -q -c -T

%build
{build}

%install
mkdir -p %{{buildroot}}%{{_datadir}}/{name}
echo {name} > %{{buildroot}}%{{_datadir}}/{name}/words

%files
%{{_datadir}}/{name}
"""
        return self.put(name, {f"{name}.spec": spec})
