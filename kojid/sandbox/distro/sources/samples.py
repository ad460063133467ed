"""Small source packages for tests: some build, the others fail each in a way of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Sequence

from kojid.sandbox.distro.sources.package import srpm

Maker = Callable[[Path], Path]
_C_PROGRAM = '#include <stdio.h>\nint main(void) { puts("%s"); return 0; }\n'


def spec(name: str, *, version: str = "1.0", release: str = "1%{?dist}", head: Sequence[str] = (), prep: str = ":",
         build: str = ":", install: str = ":", files: str = "%files") -> str:  # fmt: skip
    """A spec file's text.

    Args:
        name: the package's name.
        version: its version.
        release: its release.
        head: further lines of the preamble, as `BuildArch: noarch`.
        prep: shell lines of %prep; the sources are in %{_sourcedir}.
        build: shell lines of %build.
        install: shell lines of %install.
        files: the %files section with its heading; "" for none, and then there is no binary package.
    """
    preamble = [f"Name: {name}", f"Version: {version}", f"Release: {release}", f"Summary: Test package {name}",
                "License: LGPL-2.1-or-later", *head]  # fmt: skip
    return "\n".join([*preamble, "", "%description", f"Test package {name}.", "", "%prep", "%setup -q -c -T", prep, "",
                      "%build", build, "", "%install", install, "", files, ""])  # fmt: skip


def c_program(
    out: Path, name: str = "greeter", *, requires: Sequence[str] = ("gcc",), build: str = "", **more: str
) -> Path:
    """A compiled program in /usr/bin that prints its package's name.

    Args:
        out: directory for the package.
        name: of package and program.
        requires: its BuildRequires.
        build: shell lines before the compiler is called.
        more: version and release, as for `spec`.
    """
    text = spec(
        name, head=["Source0: main.c", *(f"BuildRequires: {need}" for need in requires)],
        build=f"{build or ':'}\ngcc -O2 -o {name} %{{SOURCE0}}",
        install=f"install -D -m 0755 {name} %{{buildroot}}%{{_bindir}}/{name}", files=f"%files\n%{{_bindir}}/{name}",
        **more,
    )  # fmt: skip
    return srpm(out, name, text, {"main.c": _C_PROGRAM % name})


def noarch(out: Path, name: str = "words", *, requires: Sequence[str] = (), build: str = ":", **more: str) -> Path:
    """A package without machine code: one text file in /usr/share; arguments as for `c_program`."""
    text = spec(
        name, head=["BuildArch: noarch", *(f"BuildRequires: {need}" for need in requires)], build=build,
        install=f"mkdir -p %{{buildroot}}%{{_datadir}}/{name}\necho {name} > %{{buildroot}}%{{_datadir}}/{name}/words",
        files=f"%files\n%{{_datadir}}/{name}", **more,
    )  # fmt: skip
    return srpm(out, name, text)


def fails_in_prep(out: Path, name: str = "fails-in-prep") -> Path:
    """A package whose %prep ends with status 1 and says why."""
    return srpm(out, name, spec(name, prep="echo 'the patch does not apply' >&2\nexit 1"))


def fails_in_build(out: Path, name: str = "fails-in-build") -> Path:
    """A package whose %build ends with a compiler error."""
    text = spec(name, head=["Source0: main.c", "BuildRequires: gcc"], build="gcc -o main %{SOURCE0}")
    return srpm(out, name, text, {"main.c": "int main(void) { return undeclared_name; }\n"})


def missing_requirement(out: Path, name: str = "wants-the-impossible") -> Path:
    """A package with a BuildRequires that no repository has."""
    return noarch(out, name, requires=["no-such-package-anywhere"])


def without_files(out: Path, name: str = "without-files") -> Path:
    """A package without %files: rpmbuild succeeds and makes no binary package."""
    return srpm(out, name, spec(name, files=""))


def unpackaged_files(out: Path, name: str = "unpackaged") -> Path:
    """A package that installs a file which %files does not list."""
    return srpm(out, name, spec(name, install="mkdir -p %{buildroot}/opt\ntouch %{buildroot}/opt/forgotten"))


def other_architecture(out: Path, name: str = "elsewhere", arch: str = "s390x") -> Path:
    """A package with an ExclusiveArch that this machine is not."""
    return srpm(out, name, spec(name, head=[f"ExclusiveArch: {arch}"]), target=arch)


def long_build(out: Path, name: str = "long-build", *, seconds: int = 600) -> Path:
    """A package whose %build sleeps, with a child in a session of its own, and says when it has begun."""
    build = f"setsid sleep {seconds} &\necho the long sleep begins\nsleep {seconds}"
    return srpm(out, name, spec(name, head=["BuildArch: noarch"], build=build))


def talking_build(out: Path, name: str = "talking-build", *, seconds: int = 600) -> Path:
    """A package whose %build writes a line every half second, so many seconds long."""
    build = f"for line in $(seq {2 * seconds}); do echo talking line $line; sleep 0.5; done"
    return srpm(out, name, spec(name, head=["BuildArch: noarch"], build=build))


def broken(out: Path, name: str = "broken") -> Path:
    """A file that is named like a source package and is none."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}-1.0-1.src.rpm"
    path.write_bytes(b"this is not an rpm\n" * 20)
    return path
