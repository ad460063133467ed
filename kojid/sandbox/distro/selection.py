"""Which Debian packages go into the distribution, and under which names RPM packages know them."""

from __future__ import annotations

from typing import AbstractSet, Dict, Iterable, List, Sequence, Tuple

from kojid.sandbox.distro.dpkg import Package, missing
from kojid.sandbox.distro.errors import MissingPackages

#: What a minimal RPM build root is expected to have.
BASE = (
    "bash", "bzip2", "coreutils", "cpio", "debianutils", "diffutils", "file", "findutils", "grep", "gzip",
    "hostname", "libc-bin", "make", "mawk", "patch", "rpm", "sed", "tar", "util-linux", "xz-utils",
)  # fmt: skip
#: A C compiler with the headers of the C library.
COMPILER = ("binutils", "gcc", "libc6-dev")
#: Taken along where they are installed.
WELCOME = ("gawk", "unzip", "zstd")

#: Relations that make sense on a Debian system only, or that no build needs; they would pull in perl, python, dpkg
#: or tens of megabytes (sanitizers, the profiler, XML and Unicode tables behind rpm2archive).
LEFT_OUT = frozenset({
    "adduser", "base-files", "base-passwd", "bsdextrautils", "cdebconf", "dash", "debconf", "debconf-2.0",
    "dpkg", "init-system-helpers", "install-info", "libarchive13", "libasan8", "libgprofng0", "liblsan0",
    "libpam-modules", "libpam-modules-bin", "libpam-runtime", "libtsan2", "libubsan1", "login", "lsb-base",
    "passwd", "perl", "perl-base", "python3", "sensible-utils", "sysvinit-utils", "ucf", "util-linux-extra",
})  # fmt: skip

#: Names by which spec files of RPM distributions ask for these packages.
RPM_NAMES: Dict[str, Tuple[str, ...]] = {
    "bash": ("/bin/sh", "/bin/bash", "/usr/bin/sh"),
    "createrepo-c": ("createrepo_c",),
    "coreutils": ("/bin/cat", "/bin/cp", "/bin/ls", "/bin/mkdir", "/bin/mv", "/bin/rm", "coreutils-single"),
    "debianutils": ("which",),
    "grep": ("/bin/grep",),
    "libc-bin": ("glibc-common", "/sbin/ldconfig"),
    "libc6": ("glibc",),
    "libc6-dev": ("glibc-devel", "glibc-headers"),
    "libgcc-s1": ("libgcc",),
    "libstdc++6": ("libstdc++",),
    "linux-libc-dev": ("kernel-headers",),
    "passwd": ("shadow-utils",),
    "python3": ("/usr/bin/python3", "python3-libs"),
    "python3-dev": ("python3-devel",),
    "python3-openssl": ("python3-pyOpenSSL",),
    "mawk": ("awk", "/bin/awk"),
    "rpm": ("rpm-build",),
    "sed": ("/bin/sed",),
    "tar": ("/bin/tar",),
    "util-linux": ("/bin/mount",),
    "xz-utils": ("xz", "lzma"),
    "zlib1g": ("zlib",),
}


def seeds(installed: Dict[str, Package], *, compiler: bool) -> List[str]:
    """The packages that are asked for by name; the rest comes by their relations.

    Raises:
        MissingPackages: one of them is not on this machine.
    """
    wanted = [*BASE, *(COMPILER if compiler else ())]
    absent = missing(wanted, installed)
    if absent:
        raise MissingPackages(absent)
    return wanted + [name for name in WELCOME if name in installed]


def provider_index(packages: Iterable[Package]) -> Dict[str, str]:
    """Which package stands for a name: itself, or the first one that provides it."""
    listed = sorted(packages, key=lambda package: package.name)
    index: Dict[str, str] = {}
    for package in listed:
        for provided in package.provides:
            index.setdefault(provided, package.name)
    index.update((package.name, package.name) for package in listed)
    return index


def resolve(relation: Sequence[str], index: Dict[str, str], left_out: AbstractSet[str] = LEFT_OUT) -> str:
    """The package that satisfies a relation, or "" where none does or where it is left out on purpose."""
    for name in relation:
        if name in left_out:
            return ""
        found = index.get(name, "")
        if found and found not in left_out:
            return found
    return ""


def closure(
    start: Iterable[str], installed: Dict[str, Package], left_out: AbstractSet[str] = LEFT_OUT
) -> List[Package]:
    """The named packages with everything they depend on, sorted by name."""
    index = provider_index(installed.values())
    chosen: Dict[str, Package] = {}
    queue = list(start)
    while queue:
        name = queue.pop()
        if name and name not in chosen:
            chosen[name] = installed[name]
            queue.extend(resolve(relation, index, left_out) for relation in installed[name].depends)
    return [chosen[name] for name in sorted(chosen)]


def requirements(package: Package, index: Dict[str, str], left_out: AbstractSet[str] = LEFT_OUT) -> List[str]:
    """The packages of the distribution that this one requires; `index` covers the distribution's own only."""
    found = {resolve(relation, index, left_out) for relation in package.depends}
    return sorted(found - {"", package.name})
